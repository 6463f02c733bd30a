"""Documents on disk become a corpus: tokenised part by part, and written in order as shards."""

from __future__ import annotations

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
from rosphere.preparation.documents.parts import NAME_BYTES, Chosen, Documents, Mask
from rosphere.preparation.documents.screening import NAME, Reached
from rosphere.preparation.documents.workers import Workers
from rosphere.preparation.source import Text
from rosphere.text import corpus, sentences
from rosphere.text.corpus import Block
from rosphere.text.tokenising import pieces_of, starts
from rosphere.text.tokenizer import Tokenizer

KINDS = ("documents", "sentences")
Counts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Given:
    chosen: Chosen
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
    texts: Sequence[Text] = (),
    reached: Reached = lambda done: None,
) -> dict[str, Counts]:
    """Writes ``folder``/<split> with whole documents and ``folder``/sentences-<split> with their sentences of
    so many characters, each once; the counts of both, with how much is [UNK] and how many had no token.

    Documents of ``texts`` are written as often as their weights say, and what that makes is counted by text.

    Raises:
        InputError: no document has a token.
    """
    work.mkdir(parents=True, exist_ok=True)
    made: list[Outcome] = []
    for outcome in results(tokenise_part, _jobs(documents, tokenizer, work, whole_words, sentence_characters), workers):
        made.append(outcome)
        reached(len(made))
    every = [Path(outcome["file"]) for outcome in made]
    shares = [Share(chosen=chosen, texts=texts) for chosen in documents.chosen]
    total = sum(outcome["sentences"] for outcome in made)
    new = distinct.first((_columns(path, "names") for path in every), total, work / "names")
    found = {}
    for kind, name in zip(KINDS, (split, f"sentences-{split}"), strict=True):
        wanted = new if kind == "sentences" else None
        weighed = shares if kind == "documents" else None
        found[name] = _write(every, kind, wanted, weighed, folder / name, len(tokenizer))
    if not found[split]["tokens"]:
        raise InputError(f"{folder / split}: no tokens were left of {len(documents)} documents")
    return found


def _jobs(
    documents: Documents, tokenizer: Tokenizer, work: Path, whole_words: bool, sentence_characters: tuple[int, int]
) -> Iterator[Job[Given]]:
    known = files.folder_hash(tokenizer.folder)
    shortest, longest = sentence_characters
    for chosen in documents.chosen:
        given = Given(
            chosen=chosen,
            tokenizer=tokenizer.folder.resolve(),
            tokenizer_hash=known,
            whole_words=whole_words,
            shortest=shortest,
            longest=longest,
        )
        key = f"{chosen.key} {known} {whole_words} {shortest} {longest}"
        yield Job(stem=work / chosen.part.path.stem, key=key, given=given)


def tokenise_part(stem: Path, given: Given) -> Outcome:
    """Tokens of the documents of a part that are kept, and of their short sentences, each once."""
    pieces = _tokenizer(given.tokenizer, given.tokenizer_hash)
    whole = Tokens(pieces.unk)
    short: dict[str, NDArray[np.uint32]] = {}
    for text, found in pieces_of(given.chosen.texts(), pieces):
        whole.add(found.ids, starts(text, found) if given.whole_words else np.ones(len(found.ids), dtype=bool))
        for sentence, begin, end in sentences.spans(text):
            if given.shortest <= end - begin <= given.longest and sentence not in short:
                first, last = np.searchsorted(found.begins, (begin, end))
                short[sentence] = found.ids[first:last]
    parted = Tokens(pieces.unk)
    if not pieces.made_here:  # ours sees no further than a sentence, a published tokenizer may
        short = {text: each.ids for text, each in pieces_of(list(short), pieces)}
    for ids in short.values():
        parted.add(ids, np.ones(len(ids), dtype=bool))
    named = b"".join(blake2b(each.encode(), digest_size=NAME_BYTES).digest() for each in short)
    path = stem.with_name(f"{stem.name}.tokens.npz")
    columns = {"names": np.frombuffer(named, dtype=NAME), **whole.columns(KINDS[0]), **parted.columns(KINDS[1])}
    with files.replacing(path) as new, new.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
    return {"file": str(path), "sentences": len(short)}


class Tokens:
    """Texts as tokens, one behind another."""

    def __init__(self, unknown: int) -> None:
        self.unknown = unknown
        self.ids: list[NDArray[np.uint32]] = []
        self.starts: list[NDArray[np.bool_]] = []

    def add(self, ids: NDArray[np.uint32], starts: NDArray[np.bool_]) -> None:
        self.ids.append(ids)
        self.starts.append(starts)

    def columns(self, kind: str) -> dict[str, NDArray[Any]]:
        """Of all texts together; of each how many tokens it has, and how many of them are [UNK]."""
        return {
            f"{kind}_tokens": np.concatenate(self.ids or [np.zeros(0, dtype=np.uint32)]),
            f"{kind}_starts": np.concatenate(self.starts or [np.zeros(0, dtype=bool)]),
            f"{kind}_lengths": np.array([len(each) for each in self.ids], dtype=np.uint32),
            f"{kind}_unknown": np.array([np.count_nonzero(each == self.unknown) for each in self.ids], dtype=np.uint32),
        }


@lru_cache(maxsize=1)
def _tokenizer(folder: Path, known: str) -> Tokenizer:
    """``known`` tells one content of a folder from another."""
    return Tokenizer(folder)


def _columns(path: Path, name: str) -> NDArray[Any]:
    with np.load(path) as found:
        column: NDArray[Any] = found[name]
    return column


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often the documents of a part are read, by the weight of the text that they are of."""

    chosen: Chosen
    texts: Sequence[Text]

    @property
    def name(self) -> str:
        return self.texts[self.chosen.part.text].name

    @property
    def said(self) -> bool:
        """Whether there is anything to say of it."""
        return len(self.texts) > 1 or any(text.weight != 1 for text in self.texts)

    def masks(self) -> Iterator[Mask]:
        """All of its documents, as often as that is, and of what is left a part, by their letters."""
        times, rest = divmod(self.texts[self.chosen.part.text].weight if self.texts else 1.0, 1.0)
        every = np.ones(int(np.count_nonzero(self.chosen.kept)), dtype=bool)
        yield from [every] * int(times)
        if rest:
            names = self.chosen.column("name")
            # Of the name's three numbers the second: the first says which side of the split a document is on.
            yield np.frombuffer(names.tobytes(), dtype="<u4").reshape(len(names), -1)[:, 1] < rest * 2**32


def _write(
    every: Sequence[Path], kind: str, wanted: Mask | None, shares: Sequence[Share] | None, folder: Path, vocab_size: int
) -> Counts:
    counts: Counter[str] = Counter()
    by_text: dict[str, Counter[str]] = {}

    def blocks() -> Iterator[Block]:
        begin = 0
        for number, path in enumerate(every):
            with np.load(path) as found:
                columns = {name: found[f"{kind}_{name}"] for name in ("tokens", "starts", "lengths", "unknown")}
            end = begin + len(columns["lengths"])
            if shares is None:
                masks = iter([np.ones(end - begin, dtype=bool) if wanted is None else wanted[begin:end]])
            else:
                masks = shares[number].masks()
            begin = end
            for keep in masks:
                block = _block(columns, keep, counts)
                if shares is not None and shares[number].said:
                    of_text = by_text.setdefault(shares[number].name, Counter())
                    of_text.update(documents=len(block.lengths), tokens=len(block.tokens))
                yield block

    tokens = corpus.write_blocks(blocks(), folder, vocab_size=vocab_size)
    share = counts["unknown"] / tokens if tokens else 0.0
    empty = {"dropped_empty": counts["empty"]} if counts["empty"] else {}
    texts = {"texts": {name: dict(each) for name, each in by_text.items()}} if by_text else {}
    return {"documents": counts["documents"], "tokens": tokens, "unknown_share": round(share, 6), **empty, **texts}


def _block(columns: dict[str, NDArray[Any]], keep: Mask, counts: Counter[str]) -> Block:
    """The texts that are wanted and have a token; all that are wanted are counted."""
    lengths = columns["lengths"]
    counts["documents"] += int(keep.sum())
    counts["empty"] += int((lengths[keep] == 0).sum())
    counts["unknown"] += int(columns["unknown"][keep].sum())
    usable = keep & (lengths > 0)
    of_tokens = np.repeat(usable, lengths)
    return Block(
        tokens=columns["tokens"][of_tokens],
        starts=columns["starts"][of_tokens],
        lengths=lengths[usable].astype(np.int64),
    )
