"""Paraphrases by edits: learnt of training text, and of each source the best that its edits make.

    score = relevance x exp(min(0, change) / MILD) x difference x certainty^(1/2)

relevance and difference are ranking.py's. ``change``: how much less likely than the source the sentence is, in nats,
the mean of what counted n-grams say of both and of what the model says of both as targets of the source; of a model
that does not write, what is counted alone. More likely is no merit: common words would win. A sentence that is LEAST
less likely is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np

from rosphere.similarity import edits, encoding, ranking
from rosphere.similarity.edits import Edits, Signs
from rosphere.similarity.likelihood import log_likelihoods
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Groups
from rosphere.similarity.sentence import Sentence, words
from rosphere.text.corpus import Corpus
from rosphere.text.mixture import Mixture
from rosphere.text.tokenising import tokenise
from rosphere.text.tokenizer import Encoded, Tokenizer

STOPS = "，,。？?！!；;…"
NEGATIONS, QUESTIONS = "不没未无别非", "么哪怎几谁啥咋吗呢何多"
TOKENS = 4_000_000  # of the corpus that show where phrases stand, at most
TRIED = 128  # candidates of a source, the most certain, at most
MILD, LEAST = 3.0, -4.0  # nats
Ranked = list[tuple[str, float]]


def learnt(groups: Groups, corpus: Corpus, tokenizer: Tokenizer) -> Edits:
    """Of training groups, with a corpus to show where phrases stand."""
    whole = [[words(*groups.tokens[member]) for member in members] for members in groups.members]
    text = _first(corpus, TOKENS)
    stops = _ids(STOPS, tokenizer)
    signs = Signs(negations=_ids(NEGATIONS, tokenizer), questions=_ids(QUESTIONS, tokenizer))
    return edits.learnt(whole, text, stops=stops, signs=signs, never=stops | {tokenizer.unk})


def _first(corpus: Corpus, tokens: int) -> Iterator[Sentence]:
    for number in range(len(corpus)):
        ids, starts = corpus.document(number)
        tokens -= len(ids)
        if tokens < 0:
            return
        yield words(ids, starts)


def _ids(characters: str, tokenizer: Tokenizer) -> frozenset[int]:
    found = (tokenizer.backend.token_to_id(character) for character in characters)
    return frozenset(number for number in found if number is not None)


def rewritten(
    model: SimilarityModel, tokenizer: Tokenizer, texts: Sequence[str], *, keep: int, max_length: int
) -> Iterator[Ranked]:
    """For each text at most ``keep`` sentences with their cosines to it, best first; none without edits that fit."""
    if model.edits is None or model.counts is None:
        raise ValueError("rewritten: expected a model with edits and counts")
    for text, (ids, starts) in zip(texts, tokenise(texts, tokenizer, True), strict=True):
        source = words(ids[:max_length], starts[:max_length])
        found = model.edits.candidates(source)[:TRIED]
        yield list(_ranked(model, model.counts, tokenizer, text, found))[:keep]


def _ranked(
    model: SimilarityModel,
    counts: Mixture,
    tokenizer: Tokenizer,
    text: str,
    candidates: Sequence[tuple[list[int], float]],
) -> Iterable[tuple[str, float]]:
    if not candidates:
        return
    [own], written = tokenizer.encodings([text]), [ids for ids, _ in candidates]
    source, sentences = own.ids, [spelt(text, own, ids, tokenizer) for ids in written]
    vectors = encoding.encode(model, tokenizer, [text, *sentences], max_length=max(64, len(source) + 2))
    cosines = vectors[1:] @ vectors[0]
    counted = np.array([each.sum() for each in counts.log_probabilities([source, *written])])
    change = counted[1:] - counted[0]
    if model.writes:
        likely = log_likelihoods(model, tokenizer, source, [source, *written])
        change = (change + (likely[1:] - likely[0])) / 2
    certain = np.array([each for _, each in candidates])
    scores = ranking.likeness(counts, source, written, cosines) * np.exp(np.minimum(0.0, change) / MILD)
    scores *= np.sqrt(certain)
    for place in np.argsort(-scores, kind="stable"):
        if change[place] >= LEAST:
            yield sentences[place], float(cosines[place])


def spelt(text: str, own: Encoded, ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """The tokens as text: what they share with those of ``text``, its ``own``, as it is written there, capitals and
    unknown characters too.
    """
    found = []
    for kind, first, last, start, end in SequenceMatcher(None, own.ids, list(ids), autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(text[own.offsets[first][0] : own.offsets[last - 1][1]])
        elif start < end:
            found.append(tokenizer.decode(ids[start:end]))
    return "".join(found)
