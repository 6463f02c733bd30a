"""Groups of similar sentences as they ought to be: two or more different sentences each, and no sentence in two."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator

from rosphere.preparation.source import Group
from rosphere.text.cleaning import clean, fingerprint, letters

LONG = 64  # characters: longer sentences than RoFormer-Sim takes; kept here, cut in training
PLACES = 3  # named of each reason


class Deduplicator:
    """Cleans a stream of groups. A sentence without letters is left out, and one that stood in the group or in an
    earlier group: in two groups it would be its own negative. What is then left with fewer than two is dropped.

    ``counts`` says how many, of mined groups by origin; ``places`` where the first given ones of each reason are
    (file:row). Memory: some 100 bytes a sentence.
    """

    def __init__(self, seen: Iterable[bytes] = ()) -> None:
        self.seen = set(seen)  # fingerprints of sentences that stand in groups already
        self.counts: Counter[str] = Counter()
        self.places: dict[str, list[str]] = {}

    def __call__(self, groups: Iterable[Group]) -> Iterator[Group]:
        for group in groups:
            self._note("groups_read", group, 1)
            texts = self._distinct(group)
            if len(texts) > 1:
                self._note("groups_kept", group, 1)
                yield dataclasses.replace(group, texts=texts)

    def _distinct(self, group: Group) -> tuple[str, ...]:
        cleaned = [clean(text) for text in group.texts]
        usable = [text for text in cleaned if letters(text)]
        self._note("sentences_empty", group, len(cleaned) - len(usable))
        distinct: dict[bytes, str] = {}
        for text in usable:
            distinct.setdefault(fingerprint(text), text)
        self._note("sentences_repeated", group, len(usable) - len(distinct))
        new = {mark: text for mark, text in distinct.items() if mark not in self.seen}
        self._note("sentences_in_earlier_group", group, len(distinct) - len(new))
        self._note("sentences_long", group, sum(len(text) > LONG for text in new.values()))
        if len(new) > 1:
            self.seen |= new.keys()
        else:
            reason = "empty" if not distinct else "single" if len(distinct) == 1 else "shared"
            self._note(f"groups_dropped_{reason}", group, 1)
        return tuple(new.values())

    def _note(self, what: str, group: Group, number: int) -> None:
        if not number:
            return
        of = {"group": "", "general": "general_"}.get(group.origin, f"mined_{group.origin}_")
        self.counts[of + what] += number
        if group.origin == "group" and what not in ("groups_read", "groups_kept"):
            places = self.places.setdefault(what, [])
            places += [group.name] if len(places) < PLACES else []
