"""What is left of a document: cleaned, not too short, and without the sentences that are held out. All is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rosphere.text import sentences
from rosphere.text.cleaning import clean, fingerprint, fingerprints, letters


class HeldOutTexts:
    """Texts that no document may have, by the name of their set: known by their letters, whatever the signs.

    A document that is such a text is dropped. Of one that has it as a sentence the sentence is cut out, but for texts
    of fewer than ``least`` letters: 不是。 is said everywhere, and gives nothing away. (A held-out text of several
    sentences is recognised only where it is the whole document.)
    """

    def __init__(self, sets: Mapping[str, Iterable[str]] = MappingProxyType({}), *, least: int = 0) -> None:
        self.names: dict[bytes, tuple[str, ...]] = {}
        self.short: set[bytes] = set()
        for name, texts in sets.items():
            # A held-out text of punctuation alone has no letters, and would match every sentence without letters.
            for text in texts:
                marks = fingerprints(text)
                for mark in marks:
                    known = self.names.get(mark, ())
                    self.names[mark] = known if name in known else (*known, name)
                if len(letters(text, pictures=False)) < least:
                    self.short |= marks

    def of(self, text: str) -> set[str]:
        """The sets that a whole text is of."""
        return {name for mark in fingerprints(text) for name in self.names.get(mark, ())} if self.names else set()

    def of_sentence(self, sentence: str) -> set[str]:
        """The sets that a sentence of a document gives away."""
        return {name for mark in fingerprints(sentence) if mark not in self.short for name in self.names.get(mark, ())}


@dataclass(frozen=True, kw_only=True)
class Screened:
    """A document that is left; ``name`` is its fingerprint, ``cut`` the number of sentences that it lost."""

    text: str
    name: bytes
    changed: bool
    cut: int


class Screen:
    """Documents one after another. ``counts``: those read, dropped for each reason; ``found``: those that had a text
    of which held-out set."""

    def __init__(self, held_out: HeldOutTexts, *, minimum: int) -> None:
        self.held_out, self.minimum = held_out, minimum
        self.counts: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def __call__(self, text: str) -> Screened | None:
        self.counts["read"] += 1
        cleaned = clean(text)
        left, cut, reason = self._left(cleaned)
        if reason:
            self.counts[reason] += 1
            return None
        return Screened(text=left, name=fingerprint(left), changed=cleaned != text, cut=cut)

    def _left(self, text: str) -> tuple[str, int, str | None]:
        """What is left of a clean text, how many sentences were cut out, and the reason where nothing is left."""
        if len(text) < self.minimum:
            return "", 0, "dropped_short"
        if not self.held_out.names:
            return text, 0, None
        left, cut, found = text, 0, self.held_out.of(text)
        whole = bool(found)
        while not whole and (spans := self._given_away(left, found)):
            left, cut = clean("".join(left[begin:end] for begin, end in _between(spans, len(left)))), cut + len(spans)
            # What stood around a sentence may together be a held-out text.
            whole = len(left) < self.minimum or not letters(left) or bool(self.held_out.of(left))
        self.found.update(found)
        return ("", 0, "dropped_held_out") if whole else (left, cut, None)

    def _given_away(self, text: str, found: set[str]) -> list[tuple[int, int]]:
        """Where the held-out sentences of a text are; ``found`` learns of which sets."""
        spans = []
        for match in sentences.SENTENCE.finditer(text):
            if names := self.held_out.of_sentence(match.group().strip()):
                found |= names
                spans.append(match.span())
        return spans


def _between(spans: Iterable[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """What lies before, between and after spans."""
    begin = 0
    for first, last in spans:
        yield begin, first
        begin = last
    yield begin, end
