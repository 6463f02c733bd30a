"""Groups of similar sentences as they ought to be: what given groups and pairs connect.

Pairs are edges between sentences, a group connects all of its own, and the connected components become the groups:
else a sentence in two groups would be its own negative, and known paraphrases would stand on both sides of a split.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence, Set
from typing import Generic, TypeVar

from rosphere.preparation.deduplication import LONG, PLACES
from rosphere.preparation.source import Group, Negative
from rosphere.text.cleaning import clean, fingerprint, letters

T = TypeVar("T", bound=Hashable)


class Forest(Generic[T]):
    """Disjoint sets; the first member of the earlier one stands for both."""

    def __init__(self) -> None:
        self.parent: dict[T, T] = {}

    def root(self, member: T) -> T:
        self.parent.setdefault(member, member)
        while (above := self.parent[member]) != member:
            self.parent[member] = member = self.parent[above]
        return member

    def join(self, one: T, other: T) -> None:
        first, second = self.root(one), self.root(other)
        self.parent[second] = first


class Components:
    """Cleans and connects groups. A sentence without letters is left out, and one that the group has already; a
    component of fewer than two sentences is dropped. Components of which groups had one family each are one family.

    ``counts`` says how many; ``places`` where the first of each reason are (file:row). Memory: some 500 bytes a
    sentence.
    """

    def __init__(self, groups: Iterable[Group]) -> None:
        self.counts: Counter[str] = Counter()
        self.places: dict[str, list[str]] = {}
        self._of: Forest[bytes] = Forest()
        self._families: Forest[str] = Forest()
        self._texts: dict[bytes, str] = {}
        self._groups: list[tuple[Group, list[bytes]]] = [(group, self._marks(group)) for group in groups]
        self.groups = list(self._connected())
        self._component = {fingerprint(text): n for n, group in enumerate(self.groups) for text in group.texts}

    def _marks(self, group: Group) -> list[bytes]:
        self._note("groups_read", group.name, 1)
        cleaned = [clean(text) for text in group.texts]
        usable = [text for text in cleaned if letters(text)]
        self._note("sentences_empty", group.name, len(cleaned) - len(usable))
        distinct: dict[bytes, str] = {}
        for text in usable:
            distinct.setdefault(fingerprint(text), text)
        self._note("sentences_repeated", group.name, len(usable) - len(distinct))
        if len(distinct) < 2:
            self._note(f"groups_dropped_{'single' if distinct else 'empty'}", group.name, 1)
            return []
        new = [text for mark, text in distinct.items() if mark not in self._texts]
        self._note("sentences_long", group.name, sum(len(text) > LONG for text in new))
        self._note("sentences_in_earlier_group", group.name, len(distinct) - len(new))
        first, *others = distinct
        for mark in others:
            self._of.join(first, mark)
        for mark, text in distinct.items():
            self._texts.setdefault(mark, text)
        return list(distinct)

    def _connected(self) -> Iterator[Group]:
        members: dict[bytes, dict[bytes, None]] = {}
        first: dict[bytes, Group] = {}
        for group, marks in self._groups:
            if marks:
                root = self._of.root(marks[0])
                if root in first:
                    self._families.join(first[root].family, group.family)
                    self._note("groups_merged", group.name, 1)
                first.setdefault(root, group)
                members.setdefault(root, {}).update(dict.fromkeys(marks))
        for root, group in first.items():
            self.counts["groups_kept"] += 1
            texts = tuple(self._texts[mark] for mark in members[root])
            yield dataclasses.replace(group, texts=texts, family=self._families.root(group.family))

    def apart(self, negatives: Iterable[Negative]) -> Iterator[Negative]:
        """The labelled negatives that are none inside a group, each once; the others are counted and named."""
        seen: set[frozenset[bytes]] = set()
        for negative in negatives:
            texts = [clean(negative.sentence1), clean(negative.sentence2)]
            marks = [fingerprint(text) for text in texts]
            groups = {self._component.get(mark, mark) for mark in marks}
            self._note("negatives_read", negative.name, 1)
            reason = "empty" if not all(map(letters, texts)) else "inside_group" if len(groups) < 2 else None
            reason = reason or ("repeated" if frozenset(marks) in seen else None)
            self._note(f"negatives_dropped_{reason}" if reason else "negatives_kept", negative.name, 1)
            seen.add(frozenset(marks))
            if reason is None:
                yield dataclasses.replace(negative, sentence1=texts[0], sentence2=texts[1])

    @property
    def marks(self) -> Set[bytes]:
        """Fingerprints of all sentences in groups."""
        return self._component.keys()

    def _note(self, what: str, name: str, number: int) -> None:
        if not number:
            return
        self.counts[what] += number
        if not what.endswith(("_read", "_kept", "_merged")):
            places = self.places.setdefault(what, [])
            places += [name] if len(places) < PLACES else []


def sides(
    negatives: Iterable[Negative],
    train: Sequence[Group],
    dev: Sequence[Group],
    counts: Counter[str],
    *,
    share: float = 0.0,
) -> tuple[list[Negative], list[Negative]]:
    """Labelled negatives for training and held out. A sentence of no group goes where its first pair goes; a pair that
    would stand on both sides is dropped and counted. Of pairs that touch no group ``share`` are held out, by content,
    and those that share a sentence together."""
    held = {fingerprint(text): True for group in dev for text in group.texts}
    held |= {fingerprint(text): False for group in train for text in group.texts}
    found: tuple[list[Negative], list[Negative]] = ([], [])
    waiting = list(negatives)
    while waiting:  # pairs that share a sentence with a placed one, until there are none left
        left: list[Negative] = []
        for negative in waiting:
            marks = [fingerprint(negative.sentence1), fingerprint(negative.sentence2)]
            known = {held[mark] for mark in marks if mark in held}
            if not known:
                left.append(negative)
                continue
            if len(known) > 1:
                counts["negatives_dropped_across_split"] += 1
                continue
            side = known.pop()
            held |= dict.fromkeys(marks, side)
            found[side].append(negative)
        if len(left) == len(waiting):  # no sentence of theirs is on a side
            _place(left, share, found)
            break
        waiting = left
    return found


def _place(negatives: Sequence[Negative], share: float, found: tuple[list[Negative], list[Negative]]) -> None:
    marks = [(fingerprint(each.sentence1), fingerprint(each.sentence2)) for each in negatives]
    together: Forest[bytes] = Forest()
    for one, other in marks:
        together.join(one, other)
    for negative, (one, _) in zip(negatives, marks, strict=True):
        held = int.from_bytes(together.root(one)[:4], "big") < share * 2**32
        found[held].append(negative)
