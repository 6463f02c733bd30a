"""Edits: a sentence said in another way, by what the training groups show to be said in its stead.

A small model knows what a sentence is about and not how one is written; what a person wrote is written well. So most of
the source is kept, and two kinds of edits are learnt by counting (association.py):

- phrases: 包裹 for 快递, 多长时间 for 多久. Both must stand in like places (contexts.py), for 到账 goes with 几天 and
  does not stand for it;
- frames, how something is asked around what is asked: 怎么…, 请问如何…, …的步骤. A frame is an opening and a closing
  of a sentence's last clause.

It is editing instead of free writing (LaserTagger, Malmi et al. 2019, arXiv 1909.01187) with the phrase table of
statistical machine translation (Koehn et al. 2003) for its vocabulary.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosphere import files
from rosphere.errors import InputError
from rosphere.similarity import association
from rosphere.similarity.association import Table
from rosphere.similarity.contexts import Contexts
from rosphere.similarity.sentence import (
    Frame,
    Part,
    Sentence,
    closings,
    frames,
    joined,
    last_clause,
    openings,
    phrases,
    without_end,
)

COMMON = 5  # groups that must have a frame: what is rarer belongs to what is asked
LIKE, CERTAIN = 0.2, 2.8  # of a phrase: likeness of places, and that times the weight, at least
RARER = 10  # times, at most: particles and verbs like 在 and 把 stand everywhere
ALTERNATIVES = 6  # of a phrase
ROUNDS, KEPT = 2, 64  # edits one after the other; results that go on to the next round, at most
HALF = 5.0  # weight of a pair that is as certain as not


@dataclass(frozen=True, kw_only=True)
class Signs:
    """Tokens that deny and tokens that ask: an edit takes neither away and adds neither."""

    negations: frozenset[int] = frozenset()
    questions: frozenset[int] = frozenset()

    def agree(self, one: Part, other: Part) -> bool:
        """Do both deny as often, and do both ask or neither?"""
        denied = [sum(token in self.negations for token in each) for each in (one, other)]
        asked = [not self.questions.isdisjoint(each) for each in (one, other)]
        return denied[0] == denied[1] and asked[0] == asked[1]


@dataclass(frozen=True, kw_only=True)
class Edits:
    """Tables of what may stand for what, and how certain that is, from 0 to 1."""

    phrases: Table[Part]
    frames: Table[Frame]
    known: tuple[frozenset[Part], frozenset[Part]]  # openings and closings that are common
    stops: frozenset[int]  # tokens that end a clause or a sentence

    def candidates(self, source: Sentence) -> list[tuple[list[int], float]]:
        """What up to ROUNDS edits make of a sentence, and how certain each is: the product of what its edits are.
        Distinct, the most certain first.
        """
        whole = without_end(source, self.stops)
        found: dict[Part, float] = {joined(whole): 1.0}
        front = [(whole, 1.0)]
        for _ in range(ROUNDS):
            made: dict[Part, tuple[Sentence, float]] = {}
            for sentence, before in front:
                for edited, certainty in self._once(sentence):
                    ids, certain = joined(edited), before * certainty
                    if ids not in found and (ids not in made or made[ids][1] < certain):
                        made[ids] = edited, certain
            found |= {ids: certain for ids, (_, certain) in made.items()}
            front = sorted(made.values(), key=lambda each: -each[1])[:KEPT]
        del found[joined(whole)]
        return sorted(((list(ids), certain) for ids, certain in found.items()), key=lambda each: -each[1])

    def _once(self, sentence: Sentence) -> Iterator[tuple[Sentence, float]]:
        for first, last, phrase in phrases(sentence):
            for other, certainty in self.phrases.alternatives.get(phrase, ()):
                yield (*sentence[:first], other, *sentence[last:]), certainty
        start = last_clause(sentence, self.stops)
        for first, last, frame in frames(sentence, self.stops, self.known):
            for (opening, closing), certainty in self.frames.alternatives.get(frame, ()):
                before, after = (opening,) if opening else (), (closing,) if closing else ()
                yield (*sentence[:start], *before, *sentence[first:last], *after), certainty


def learnt(
    groups: Sequence[Sequence[Sentence]],
    text: Iterable[Sentence],
    *,
    stops: frozenset[int],
    signs: Signs,
    never: frozenset[int] = frozenset(),
) -> Edits:
    """Of groups of similar sentences; ``text``: others, that show with the groups where phrases stand. No edit has a
    token of ``never``.
    """
    whole = [[without_end(sentence, stops) for sentence in group] for group in groups]
    said = [[{ids for *_, ids in phrases(sentence) if never.isdisjoint(ids)} for sentence in g] for g in whole]
    known = _common(whole, stops, never)
    asked = [[{frame for *_, frame in frames(sentence, stops, known)} for sentence in group] for group in whole]
    table = association.counted(said)
    wanted = {phrase for one, others in table.alternatives.items() for phrase in (one, *(other for other, _ in others))}
    contexts = Contexts(wanted, itertools.chain(itertools.chain.from_iterable(whole), text))
    found = {one: list(_instead(one, others, contexts, signs)) for one, others in table.alternatives.items()}
    kept = {one: sorted(others, key=lambda each: -each[1])[:ALTERNATIVES] for one, others in found.items() if others}
    around = _agreeing(association.counted(asked, seen=COMMON), signs)
    return Edits(phrases=Table(alternatives=kept), frames=around, known=known, stops=stops)


def _common(
    groups: Sequence[Sequence[Sentence]], stops: frozenset[int], never: frozenset[int]
) -> tuple[frozenset[Part], frozenset[Part]]:
    """Openings and closings that COMMON groups have."""
    found = []
    for parts in (openings, closings):
        counts = Counter(p for group in groups for p in {part for each in group for _, part in parts(each, stops)})
        found.append(frozenset(p for p, count in counts.items() if p and count >= COMMON and never.isdisjoint(p)))
    return found[0], found[1]


def _instead(
    one: Part, others: Iterable[tuple[Part, float]], contexts: Contexts, signs: Signs
) -> Iterator[tuple[Part, float]]:
    """Those of ``others`` that may be put for ``one``, with likeness x weight / (weight + HALF). What is a part of the
    other says nothing otherwise, and what denies, or asks, is never put for what does not.
    """
    for other, weight in others:
        alike = contexts.likeness(one, other)
        apart = not (inside(one, other) or inside(other, one))
        counts = sorted(map(contexts.count, (one, other)))
        if (
            alike >= LIKE
            and weight * alike >= CERTAIN
            and apart
            and signs.agree(one, other)
            and counts[1] <= RARER * counts[0]
        ):
            yield other, alike * sure(weight)


def sure(weight: float) -> float:
    return weight / (weight + HALF)


def _agreeing(table: Table[Frame], signs: Signs) -> Table[Frame]:
    """As certain as they are, and without frames that deny, or ask, for such as do not."""
    kept = {
        one: [(other, sure(weight)) for other, weight in others if signs.agree(joined(one), joined(other))]
        for one, others in table.alternatives.items()
    }
    return Table(alternatives={one: others for one, others in kept.items() if others})


def inside(one: Part, other: Part) -> bool:
    """Does the first stand in the second?"""
    return any(other[place : place + len(one)] == one for place in range(len(other) - len(one) + 1))


def save(found: Edits, path: Path) -> None:
    """As JSON of token ids."""
    whole = {
        "phrases": _rows(found.phrases.alternatives),
        "frames": _rows(found.frames.alternatives),
        "known": [sorted(parts) for parts in found.known],
        "stops": sorted(found.stops),
    }
    files.write_text(path, json.dumps(whole, separators=(",", ":")) + "\n")


def _rows(alternatives: Mapping[Any, Iterable[tuple[Any, float]]]) -> list[Any]:
    return [[one, [[other, round(w, 3)] for other, w in others]] for one, others in sorted(alternatives.items())]


def load(path: Path) -> Edits:
    """What ``save`` wrote. Raises InputError where the file is another."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        phrases, frames = (_table(whole[name], part) for name, part in (("phrases", _part), ("frames", _frame)))
        openings, closings = (frozenset(map(_part, parts)) for parts in whole["known"])
        stops = frozenset(map(int, whole["stops"]))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{path}: expected edits of sentences ({error})") from error
    return Edits(phrases=phrases, frames=frames, known=(openings, closings), stops=stops)


def _table(rows: Any, part: Any) -> Table[Any]:
    found = {part(one): [(part(other), float(weight)) for other, weight in others] for one, others in rows}
    return Table(alternatives=found)


def _part(ids: Sequence[int]) -> Part:
    return tuple(map(int, ids))


def _frame(parts: Sequence[Sequence[int]]) -> Frame:
    opening, closing = map(_part, parts)
    return opening, closing
