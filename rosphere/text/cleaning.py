"""Cleaning that can be counted: what was changed, what was dropped, and why."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from rosphere.text import sentences

SPACES = re.compile(r"\s+")


@lru_cache(maxsize=1 << 16)
def _character(char: str) -> str:
    """One character, cleaned.

    NFKC is applied to letters and decimal digits only (full-width ASCII, compatibility ideographs, half-width
    kana). On punctuation and symbols it would do harm: it turns "，" into ",", "…" into "..." and "②" into "2".
    """
    category = unicodedata.category(char)
    if category in ("Cc", "Cf", "Co", "Cs", "Cn"):
        return " " if char.isspace() else ""
    if category.startswith("Z"):
        return " "
    if category.startswith(("L", "M")) or category == "Nd":
        return unicodedata.normalize("NFKC", char)
    return char


def clean(text: str) -> str:
    """Composed (NFC) text with full-width letters and digits narrowed, controls removed, blanks joined."""
    narrowed = "".join(map(_character, unicodedata.normalize("NFC", text)))
    # Composed once more: a narrowed "ﾞ", or a control that stood before an accent, leaves a loose combining mark.
    return SPACES.sub(" ", unicodedata.normalize("NFC", narrowed)).strip()


def letters(text: str) -> str:
    """What makes two texts the same text: their letters and digits, without case, blanks and punctuation."""
    return "".join(char for char in text.casefold() if char.isalnum())


def fingerprint(text: str) -> bytes:
    """A short name for the text's letters."""
    return hashlib.blake2b(letters(text).encode("utf-8"), digest_size=12).digest()


class DuplicateFilter:
    """Cleans a stream of texts and drops the short, the repeated, and those that are a held-out text or have one
    as a sentence. (A held-out text of several sentences is recognised only where it is the whole text.)

    ``counts`` then says how many were read, kept, and dropped for each reason.
    """

    def __init__(self, *, minimum: int, held_out: Iterable[str] = ()) -> None:
        self.minimum = minimum
        # A held-out text of punctuation alone has no letters, and would match every sentence without letters.
        self.held_out = {fingerprint(text) for text in held_out} - {fingerprint("")}
        self.seen: set[bytes] = set()
        self.counts: Counter[str] = Counter()

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
        mark = fingerprint(text)
        if self.held_out and (mark in self.held_out or self._quotes(text)):
            return "dropped_held_out"
        if mark in self.seen:
            return "dropped_duplicate"
        self.seen.add(mark)
        return None

    def _quotes(self, text: str) -> bool:
        return any(fingerprint(sentence) in self.held_out for sentence in sentences.split(text))
