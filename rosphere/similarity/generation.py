"""Paraphrases: similar sentences, best first.

Where a model's folder holds edits, they rewrite the source (rewriting.py): most of it stays as a person wrote it, and a
text that no edit fits gets nothing. Without edits, or where ``edits`` is false, sentences are written freely by nucleus
sampling. Where the folder holds counted n-grams, they and the source have a say in every token of that (guidance.py)
and in the ranking (ranking.py); without them the model writes alone, and its own similarity ranks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from rosphere.errors import InputError
from rosphere.similarity import encoding, ranking, rewriting
from rosphere.similarity.defaults import KEEP, SAMPLES, TOP_P
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.sampling import sample
from rosphere.text.tokenizer import Tokenizer

SENTENCES_A_RANKING = 8192
Ranked = list[tuple[str, float]]


def paraphrases(
    model: SimilarityModel,
    tokenizer: Tokenizer,
    text: str,
    *,
    mask: Sequence[int] = (),
    samples: int = SAMPLES,
    keep: int = KEEP,
    top_p: float = TOP_P,
    max_length: int = 40,
    seed: int = 0,
    edits: bool = True,
) -> Ranked:
    """(sentence, cosine to ``text``), best first: distinct, not the input itself, at most ``keep``.

    ``mask``: places of tokens of ``text``, from 0, that are hidden from the writer, so that it may differ there; then
    nothing is edited.
    """
    return paraphrases_of_each(
        model,
        tokenizer,
        [text],
        mask=[mask],
        samples=samples,
        keep=keep,
        top_p=top_p,
        max_length=max_length,
        seed=seed,
        edits=edits,
    )[0]


def paraphrases_of_each(
    model: SimilarityModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    mask: Sequence[Sequence[int]] | None = None,
    samples: int = SAMPLES,
    keep: int = KEEP,
    top_p: float = TOP_P,
    max_length: int = 40,
    seed: int = 0,
    edits: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Ranked]:
    """What ``paraphrases`` gives for each text, computed many at once; ``progress(texts done, texts in all)``.

    Raises:
        InputError: ``keep`` is below 1, the model has never learnt to write (``SimilarityModel.writes``) and nothing
            is to be edited, or what ``sampling.sample`` refuses.
    """
    if keep < 1:
        raise InputError(f"keep: expected 1 or more, got {keep}")
    model.eval()
    if edits and model.edits and not any(mask or ()):
        edited: list[Ranked] = []
        for ranked in rewriting.rewritten(model, tokenizer, texts, keep=keep, max_length=max_length):
            edited.append(ranked)
            progress(len(edited), len(texts))
        return edited
    if not model.writes:
        raise InputError(
            "this encoder has no vocabulary head and cannot write freely: none was trained with it (generation: 0, or "
            "a published encoder and no steps)"
        )
    plain = [ids[:max_length] for ids in tokenizer.ids(texts)]
    sources = plain if mask is None else [_masked(*each, tokenizer.mask) for each in zip(plain, mask, strict=True)]
    found: list[Ranked] = [[] for _ in texts]
    order = sorted(range(len(texts)), key=lambda number: len(sources[number]))
    size = max(1, SENTENCES_A_RANKING // max(1, samples))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        drawn = sample(
            model.language,
            tokenizer,
            [sources[number] for number in chosen],
            count=samples,
            max_length=max_length,
            top_p=top_p,
            seed=seed,
            counts=model.counts,
        )
        others = [_others(tokenizer, plain[number], rows) for number, rows in zip(chosen, drawn, strict=True)]
        rankings = _ranked(model, tokenizer, [texts[number] for number in chosen], others, max_length)
        for number, best in zip(chosen, rankings, strict=True):
            found[number] = best[:keep]
        progress(start + len(chosen), len(texts))
    return found


def _masked(source: Sequence[int], places: Sequence[int], token: int) -> list[int]:
    wrong = [place for place in places if not 0 <= place < len(source)]
    if wrong:
        raise InputError(f"mask: expected places below {len(source)}, the tokens of the text, got {wrong[0]}")
    return [token if place in places else own for place, own in enumerate(source)]


def _others(tokenizer: Tokenizer, source: Sequence[int], rows: Sequence[Sequence[int]]) -> list[str]:
    """Distinct sentences in the order of their samples, without the source."""
    written = {tokenizer.decode(ids): None for ids in rows if ids}
    written.pop(tokenizer.decode(source), None)
    return list(written)


def _ranked(
    model: SimilarityModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    sentences: Sequence[Sequence[str]],
    max_length: int,
) -> list[Ranked]:
    """Each text's sentences with their cosines, best first: by ranking's score, without counts by cosine."""
    place = {each: number for number, each in enumerate(dict.fromkeys(itertools.chain(texts, *sentences)))}
    vectors = encoding.encode(model, tokenizer, list(place), max_length=max(64, max_length + 2))
    found = []
    for text, own in zip(texts, sentences, strict=True):
        cosines = vectors[[place[each] for each in own]] @ vectors[place[text]]
        ids = tokenizer.ids([text, *own])
        scores = ranking.scores(model.counts, ids[0], ids[1:], cosines) if model.counts else cosines
        found.append([(own[n], float(cosines[n])) for n in np.argsort(-scores, kind="stable")])
    return found
