"""Clean text, and what makes two texts the same text."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import filterfalse

from rosphere.text import characters

SPACES = re.compile(r"\s+")
SIGNS = re.compile(r"[\W_]+")  # what is neither a letter nor a digit
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
    found = SIGNS.sub(_distinguishing, clean(text).casefold())
    return found if pictures else _without_pictures(found)


def _distinguishing(run: re.Match[str]) -> str:
    """Of a run of signs those that distinguish."""
    begin, end = run.span()
    if not run.group().strip(characters.QUIET) and (end - begin > 1 or not run.string[begin - 1 : begin].isdigit()):
        return ""
    first = max(0, begin - 1)
    near = characters.narrow(run.string[first : end + characters.LOOK_AHEAD])
    return "".join(near[place] for place in range(begin - first, end - first) if characters.distinguishes(near, place))


def _without_pictures(found: str) -> str:
    return found if found.isalnum() else "".join(filterfalse(characters.is_picture, found))


def fingerprint(text: str) -> bytes:
    """A short name for the text's letters."""
    return _name(letters(text))


def fingerprints(text: str) -> frozenset[bytes]:
    """By which a held-out text is known: its fingerprint, and that of its words without the emoji beside them."""
    found = letters(text)
    return frozenset(_name(each) for each in {found, _without_pictures(found)} if each)


def lot(text: str) -> bytes:
    """A fixed draw by letters and digits alone: texts that differ in signs fall on the same side of a split."""
    return _name(SIGNS.sub("", text.casefold()))


def _name(letters: str) -> bytes:
    return hashlib.blake2b(letters.encode("utf-8"), digest_size=12).digest()
