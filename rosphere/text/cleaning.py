"""Clean text, and what makes two texts the same text."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from rosphere.text import characters

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
