"""Single characters: what each becomes in cleaned text."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Radicals that stand for an ideograph and have no NFKC form of their own: Unicode's EquivalentUnifiedIdeograph.txt.
# (first of a run, the ideographs of the run). Fonts in PDFs share one glyph between the two.
_RADICALS = {
    0x2E81: "厂乛乚乙亻冂𠘨刀刂卜㔾小小兀尣尢𡯂巳幺彑𫜹忄㣺扌攵",
    0x2E9B: "旡日月歹母民氵氺灬爫爫丬牛犭王𤴔目示礻𥫗糹纟罓罒㓁㓁𦉫羊𦍌𦍋耂肀聿月臼艹艹艹虎衤覀西见角𧢲讠贝𧾷车辶辶辶",
    0x2ECF: "阝钅長镸长门𨸏阝雨青韦页风飞食𩙿飠饣𩠐马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟",
}
RADICALS = {chr(first + place): char for first, chars in _RADICALS.items() for place, char in enumerate(chars)}
# Punctuation of vertical and of small type: what NFKC makes narrow is wide in Chinese text.
_VERTICAL = [*range(0xFE10, 0xFE1A), *range(0xFE31, 0xFE45), 0xFE47, 0xFE48, *range(0xFE50, 0xFE5F)]
_WIDE = {ord(narrow): ord(narrow) + 0xFEE0 for narrow in ",:;!?()[]{}"}
_NO_CHARACTERS = (range(0xFDD0, 0xFDF0), range(0xE0000, 0xE1000), range(0xFFF0, 0xFFF9), range(0x2065, 0x2066))


@lru_cache(maxsize=1 << 16)
def cleaned(char: str) -> str:
    """One character, cleaned; nothing where it is a control.

    NFKC is applied where it keeps what is meant: to letters and decimal digits (full-width ASCII, compatibility
    ideographs, half-width kana), and to radicals that stand for their ideographs. On other punctuation and symbols it
    would do harm: it turns "，" into ",", "…" into "..." and "②" into "2". A character that this Python's Unicode does
    not know yet is kept.
    """
    category = unicodedata.category(char)
    if category.startswith("Z"):
        return " "
    if category in ("Cc", "Cf", "Co", "Cs") or (category == "Cn" and _is_none(ord(char))):
        return " " if char.isspace() else ""
    if category.startswith(("L", "M")) or category == "Nd" or "\u2f00" <= char <= "\u2fd5":
        return unicodedata.normalize("NFKC", char)
    if ord(char) in _VERTICAL:
        narrow = unicodedata.normalize("NFKC", char)
        return narrow.translate(_WIDE) if len(narrow) == 1 else char
    return RADICALS.get(char, char)


def _is_none(code: int) -> bool:
    """Whether no version of Unicode will have a character there, or one that is seen."""
    return code & 0xFFFE == 0xFFFE or any(code in block for block in _NO_CHARACTERS)


def joins(char: str) -> bool:
    """Whether a character may melt with the one before it in composing: marks, and Hangul's later letters."""
    return unicodedata.category(char).startswith("M") or "\u1160" <= char <= "\u11ff"


# What does not make two texts different, though it is a sign: ornaments, bullets, replacement characters.
_ORNAMENTS = frozenset("~|\ufffc\ufffd") | {chr(code) for code in range(0x2500, 0x2600)} - {"○"}
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_NARROW |= {ord("￥"): ord("¥"), ord("￠"): ord("¢"), ord("￡"): ord("£"), ord("−"): ord("-"), ord("–"): ord("-")}


def narrow(text: str) -> str:
    """Full-width signs narrow, and every minus the same."""
    return text.translate(_NARROW)


def is_picture(char: str) -> bool:
    """Emoji and other symbols that are no part of a number or a formula."""
    return unicodedata.category(char) == "So" and char not in "°℃℉○"


LOOK_AHEAD = 5  # characters beyond a sign that ``distinguishes`` looks at, and one before


def distinguishes(text: str, place: int) -> bool:
    """Whether the sign at this place of a narrow, cleaned text tells it from the text without the sign.

    Signs of mathematics and money, emoji and marks do. Punctuation does where it is a part of a number or a name:
    1.5, -5, 3/4, 10:30, 15%, C#, A&B; the comma of 1,000 does not.
    """
    char = text[place]
    category = unicodedata.category(char)
    if char.isspace() or char in _ORNAMENTS:
        return _between_digits(text, place)
    if category in ("Sm", "Sc", "So", "Cn"):
        return True
    if category.startswith("M"):
        return not ("\ufe00" <= char <= "\ufe0f" or char >= "\U000e0000")
    before, after = text[place - 1 : place] if place else "", text[place + 1 : place + 2]
    if char in "%‰":
        return True
    if char == "#":
        return before.isascii() and before.isalnum()
    if char in "&@":
        return before.isalnum() and after.isalnum()
    if char == "-" and after.isdigit():
        return not (before.isascii() and before.isalpha())
    return _between_digits(text, place)


def _is_quiet(char: str) -> bool:
    """Whether a sign distinguishes nothing but between digits."""
    category = unicodedata.category(char)
    plain = category.startswith(("P", "Z")) or category == "Sk" or char in _ORNAMENTS
    return plain and not char.isalnum() and char not in "%‰#&@-"


# Signs that are most of all signs, and of which two in a row distinguish nothing; as they are in clean text too.
_SIGNS = map(chr, (*range(0x20, 0xC0), *range(0x2000, 0x2070), *range(0x3000, 0x3040), *range(0xFF00, 0xFFF0)))
QUIET = "".join(char for char in _SIGNS if _is_quiet(narrow(char)))


def _between_digits(text: str, place: int) -> bool:
    if text[place].isspace() or not (place and text[place - 1].isdigit() and text[place + 1 : place + 2].isdigit()):
        return False
    after = text[place + 1 : place + 5]
    return not (text[place] == "," and after[:3].isdigit() and len(after[:3]) == 3 and not after[3:].isdigit())
