"""Documents on disk become a corpus: tokenised part by part, and written in order as shards."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rosphere import files
from rosphere.errors import InputError
from rosphere.preparation.documents import distinct
from rosphere.preparation.documents.finished import Job, Outcome, results
from rosphere.preparation.documents.parts import NAME_BYTES, Documents, Mask, Part
from rosphere.preparation.documents.screening import NAME, Reached
from rosphere.preparation.documents.workers import Workers
from rosphere.text import corpus, sentences
from rosphere.text.corpus import Block
from rosphere.text.tokenising import tokenise
from rosphere.text.tokenizer import Tokenizer

KINDS = ("documents", "sentences")
Counts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Given:
    part: Part
    kept: Mask
    tokenizer: Path
    tokenizer_hash: str
    whole_words: bool
    shortest: int  # characters of a sentence
    longest: int


def write(
    documents: Documents,
    folder: Path,
    tokenizer: Tokenizer,
    work: Path,
    workers: Workers,
    *,
    whole_words: bool,
    sentence_characters: tuple[int, int],
    split: str,
    reached: Reached = lambda done: None,
) -> dict[str, Counts]:
    """Writes ``folder``/<split> with whole documents and ``folder``/sentences-<split> with their sentences of
    so many characters, each once; the counts of both, with how much is [UNK] and how many had no token.

    Raises:
        InputError: no document has a token.
    """
    work.mkdir(parents=True, exist_ok=True)
    made: list[Outcome] = []
    for outcome in results(tokenise_part, _jobs(documents, tokenizer, work, whole_words, sentence_characters), workers):
        made.append(outcome)
        reached(len(made))
    every = [Path(outcome["made"]) for outcome in made]
    total = sum(outcome["sentences"] for outcome in made)
    new = distinct.first((_columns(path, "names") for path in every), total, work / "names")
    found = {}
    for kind, name in zip(KINDS, (split, f"sentences-{split}"), strict=True):
        wanted = new if kind == "sentences" else None
        found[name] = _write(every, kind, wanted, folder / name, len(tokenizer))
    if not found[split]["tokens"]:
        raise InputError(f"{folder / split}: no tokens were left of {len(documents)} documents")
    return found


def _jobs(
    documents: Documents, tokenizer: Tokenizer, work: Path, whole_words: bool, sentence_characters: tuple[int, int]
) -> Iterator[Job[Given]]:
    known = files.folder_hash(tokenizer.folder)
    shortest, longest = sentence_characters
    for part, kept in documents.masks():
        if not kept.any():
            continue
        mask = blake2b(kept.tobytes(), digest_size=16).hexdigest()
        given = Given(
            part=part,
            kept=kept,
            tokenizer=tokenizer.folder.resolve(),
            tokenizer_hash=known,
            whole_words=whole_words,
            shortest=shortest,
            longest=longest,
        )
        key = f"{mask} {known} {whole_words} {shortest} {longest}"
        yield Job(stem=work / part.path.stem, key=key, given=given)


def tokenise_part(stem: Path, given: Given) -> Outcome:
    """Tokens of the documents of a part that are kept, and of their short sentences, each once."""
    texts = given.part.texts()
    chosen = [texts[place] for place in given.kept.nonzero()[0]]
    inside = (each for each in itertools.chain.from_iterable(map(sentences.split, chosen)))
    short = list(dict.fromkeys(each for each in inside if given.shortest <= len(each) <= given.longest))
    pieces = _tokenizer(given.tokenizer, given.tokenizer_hash)
    named = b"".join(blake2b(each.encode(), digest_size=NAME_BYTES).digest() for each in short)
    columns: dict[str, NDArray[Any]] = {"names": np.frombuffer(named, dtype=NAME)}
    for kind, of, words in zip(KINDS, (chosen, short), (given.whole_words, False), strict=True):
        found = list(tokenise(of, pieces, words))
        columns |= {
            f"{kind}_tokens": np.concatenate([tokens for tokens, _ in found] or [np.zeros(0, dtype=np.uint32)]),
            f"{kind}_starts": np.concatenate([starts for _, starts in found] or [np.zeros(0, dtype=bool)]),
            f"{kind}_lengths": np.array([len(tokens) for tokens, _ in found], dtype=np.uint32),
            f"{kind}_unknown": np.array([(tokens == pieces.unk).sum() for tokens, _ in found], dtype=np.uint32),
        }
    path = stem.with_name(f"{stem.name}.tokens.npz")
    with files.replacing(path) as new, new.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
    return {"made": str(path), "sentences": len(short)}


@lru_cache(maxsize=1)
def _tokenizer(folder: Path, known: str) -> Tokenizer:
    """``known`` tells one content of a folder from another."""
    return Tokenizer(folder)


def _columns(path: Path, name: str) -> NDArray[Any]:
    with np.load(path) as found:
        column: NDArray[Any] = found[name]
    return column


def _write(every: Sequence[Path], kind: str, wanted: Mask | None, folder: Path, vocab_size: int) -> Counts:
    counts: Counter[str] = Counter()

    def blocks() -> Iterator[Block]:
        begin = 0
        for path in every:
            with np.load(path) as found:
                lengths, unknown = found[f"{kind}_lengths"], found[f"{kind}_unknown"]
                end = begin + len(lengths)
                keep = np.ones(len(lengths), dtype=bool) if wanted is None else wanted[begin:end]
                begin = end
                counts["documents"] += int(keep.sum())
                counts["empty"] += int((lengths[keep] == 0).sum())
                counts["unknown"] += int(unknown[keep].sum())
                keep = keep & (lengths > 0)
                of_tokens = np.repeat(keep, lengths)
                yield Block(
                    tokens=found[f"{kind}_tokens"][of_tokens],
                    starts=found[f"{kind}_starts"][of_tokens],
                    lengths=lengths[keep].astype(np.int64),
                )

    tokens = corpus.write_blocks(blocks(), folder, vocab_size=vocab_size)
    share = counts["unknown"] / tokens if tokens else 0.0
    empty = {"dropped_empty": counts["empty"]} if counts["empty"] else {}
    return {"documents": counts["documents"], "tokens": tokens, "unknown_share": round(share, 6), **empty}
