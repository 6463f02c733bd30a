"""A sentence as its words, and what can be taken out of it: phrases, and the frame around its last clause."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Part = tuple[int, ...]  # token ids
Frame = tuple[Part, Part]  # opening and closing, of which one may be empty
Sentence = tuple[Part, ...]  # its words
WORDS, TOKENS = 2, 6  # of a phrase, at most
OPENING, CLOSING, CONTENT = 4, 6, 2  # tokens of a frame's parts, at most, and of what stands between, at least


def words(ids: Sequence[int] | NDArray[np.integer], starts: NDArray[np.bool_]) -> Sentence:
    """Of token ids and of which of them begin a word."""
    whole = [int(each) for each in ids]
    places = [*np.flatnonzero(starts).tolist(), len(whole)]
    return tuple(tuple(whole[first:last]) for first, last in itertools.pairwise(places))


def joined(sentence: Sentence) -> Part:
    return tuple(itertools.chain.from_iterable(sentence))


def without_end(sentence: Sentence, stops: frozenset[int]) -> Sentence:
    """Without the marks that end it."""
    end = len(sentence)
    while end and stops.issuperset(sentence[end - 1]):
        end -= 1
    return sentence[:end]


def last_clause(sentence: Sentence, stops: frozenset[int]) -> int:
    """The place of the word that begins it."""
    return max((place + 1 for place, word in enumerate(sentence) if stops.issuperset(word)), default=0)


def phrases(sentence: Sentence) -> Iterator[tuple[int, int, Part]]:
    """(first word, word after the last, token ids) of every phrase."""
    for first, count in itertools.product(range(len(sentence)), range(1, WORDS + 1)):
        ids = joined(sentence[first : first + count])
        if first + count <= len(sentence) and len(ids) <= TOKENS:
            yield first, first + count, ids


def openings(sentence: Sentence, stops: frozenset[int]) -> list[tuple[int, Part]]:
    """(word after it, token ids) of what may open the last clause, the shortest first, from the empty one on."""
    start = last_clause(sentence, stops)
    found = [(place, joined(sentence[start:place])) for place in range(start, len(sentence))]
    return [each for each in found if len(each[1]) <= OPENING]


def closings(sentence: Sentence, stops: frozenset[int]) -> list[tuple[int, Part]]:
    """(its first word, token ids) of what may close the last clause, the shortest first, from the empty one on."""
    found = [(place, joined(sentence[place:])) for place in range(len(sentence), last_clause(sentence, stops), -1)]
    return [each for each in found if len(each[1]) <= CLOSING]


def frames(
    sentence: Sentence, stops: frozenset[int], known: tuple[Collection[Part], Collection[Part]]
) -> Iterator[tuple[int, int, Frame]]:
    """(first word, word after the last) of what stands in a frame of the last clause, and the frame. A part is the
    longest of the ``known`` openings, or closings, that the clause has, for 在哪里 is not 在, or it is empty.
    """
    ends = (
        {*found[:1], *([each for each in found if each[1] in among][-1:])}
        for found, among in zip((openings(sentence, stops), closings(sentence, stops)), known, strict=True)
    )
    for (first, opening), (last, closing) in itertools.product(*map(sorted, ends)):
        if (opening or closing) and len(joined(sentence[first:last])) >= CONTENT:
            yield first, last, (opening, closing)
