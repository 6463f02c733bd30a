"""Cleaning that can be counted: what was changed, what was dropped, and why."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from rosphere.text import characters, sentences

SPACES = re.compile(r"\s+")
# Text that is clean as it stands, by far the most of it: no look at its single characters is needed.
PLAIN = re.compile(
    r"[!-~\u4e00-\u9fa5，。！？；：、“”‘’（）《》…—·]+(?: [!-~\u4e00-\u9fa5，。！？；：、“”‘’（）《》…—·]+)*"
)


def clean(text: str) -> str:
    """Composed (NFC) text with full-width letters and digits narrowed, radicals as ideographs, controls removed, blanks
    joined (rosphere/text/characters.py)."""
    if PLAIN.fullmatch(text):
        return text
    narrowed = "".join(map(characters.cleaned, unicodedata.normalize("NFC", text)))
    # Composed once more: a narrowed "ﾞ", or a control that stood before an accent, leaves a loose combining mark.
    return SPACES.sub(" ", unicodedata.normalize("NFC", narrowed)).strip()


def letters(text: str, *, pictures: bool = True) -> str:
    """What makes two texts the same text: their letters and digits, and the signs that tell 1.5 from 15, C++ from C#
    and, but for ``pictures``, one emoji from another; without case, blanks and other punctuation."""
    seen = characters.narrow(clean(text)).casefold()
    if seen.isalnum():
        return seen
    return "".join(
        char
        for place, char in enumerate(seen)
        if char.isalnum() or (characters.distinguishes(seen, place) and (pictures or not characters.is_picture(char)))
    )


def fingerprint(text: str) -> bytes:
    """A short name for the text's letters."""
    return _name(letters(text))


def fingerprints(text: str) -> frozenset[bytes]:
    """By which a held-out text is known: its fingerprint, and that of its words without the emoji beside them."""
    return frozenset(map(_name, {letters(text), letters(text, pictures=False)} - {""}))


def lot(text: str) -> bytes:
    """A fixed draw by letters and digits alone: texts that differ in signs fall on the same side of a split."""
    return _name("".join(char for char in text.casefold() if char.isalnum()))


def _name(letters: str) -> bytes:
    return hashlib.blake2b(letters.encode("utf-8"), digest_size=12).digest()


class DuplicateFilter:
    """Cleans a stream of texts and drops the short, the repeated, and those that are a held-out text or have one
    as a sentence. (A held-out text of several sentences is recognised only where it is the whole text.)

    ``held_out``: texts by the name of their set. ``counts`` then says how many were read, kept, and dropped for each
    reason, and ``found`` how many had a text of which set.
    """

    def __init__(self, *, minimum: int, held_out: Mapping[str, Iterable[str]] = MappingProxyType({})) -> None:
        self.minimum = minimum
        # A held-out text of punctuation alone has no letters, and would match every sentence without letters.
        self.held_out: dict[bytes, tuple[str, ...]] = {}
        for name, texts in held_out.items():
            for mark in frozenset(itertools.chain.from_iterable(map(fingerprints, texts))):
                self.held_out[mark] = (*self.held_out.get(mark, ()), name)
        self.seen: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def __call__(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            self.counts["read"] += 1
            cleaned = clean(text)
            reason = self._reason(cleaned)
            self.counts[reason or "kept"] += 1
            self.counts["changed"] += int(reason is None and cleaned != text)
            if reason is None:
                yield cleaned

    def _reason(self, text: str) -> str | None:
        if len(text) < self.minimum:
            return "dropped_short"
        if self.held_out and (names := self._quoted(text)):
            self.found.update(names)
            return "dropped_held_out"
        mark = fingerprint(text)
        if mark in self.seen:
            return "dropped_duplicate"
        self.seen.add(mark)
        return None

    def _quoted(self, text: str) -> set[str]:
        """The sets that the text, or a sentence of it, is held out in."""
        marks = itertools.chain.from_iterable(map(fingerprints, (text, *sentences.split(text))))
        return {name for mark in marks for name in self.held_out.get(mark, ())}
