"""Cleaned text, and from which characters of the raw text each of its characters is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rosphere.text import characters, cleaning

Span = tuple[int, int]
HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """``text`` is ``clean(raw)``; ``spans[i]`` are the characters [begin, end) of ``raw`` that became character i."""

    text: str
    spans: Sequence[Span] | None  # None: the raw text was clean

    def raw(self, span: Span) -> Span:
        """A span of characters of the cleaned text, as characters of the raw text."""
        if self.spans is None or span[0] >= span[1]:
            return span
        return self.spans[span[0]][0], self.spans[span[1] - 1][1]


def clean(raw: str) -> Aligned:
    """Cleans as ``cleaning.clean`` does."""
    if cleaning.clean(raw) == raw:
        return Aligned(text=raw, spans=None)
    chars: list[str] = []
    spans: list[Span] = []
    for begin, end in _clusters(raw):
        narrowed = "".join(map(characters.cleaned, unicodedata.normalize("NFC", raw[begin:end])))
        for char in unicodedata.normalize("NFC", narrowed):
            if not (char.isspace() and (not chars or chars[-1] == " ")):
                chars.append(" " if char.isspace() else char)
                spans.append((begin, end))
    if chars and chars[-1] == " ":
        del chars[-1], spans[-1]
    return Aligned(text="".join(chars), spans=spans)


def as_it_is(raw: str) -> Aligned:
    """The text uncleaned; halves of surrogate pairs, which no encoder of UTF-8 takes, become U+FFFD."""
    return Aligned(text=HALVES.sub("\ufffd", raw), spans=None)


def _clusters(raw: str) -> Iterator[Span]:
    """Runs of characters whose cleaned forms do not melt with those of their neighbours."""
    begin, end = 0, 0
    started = False  # whether the run has a character that stays
    for place, char in enumerate(raw):
        made = "".join(map(characters.cleaned, unicodedata.normalize("NFC", char)))
        if made and started and not characters.joins(made[0]):
            yield begin, end
            begin = place
        if made and not started:
            begin, started = place, True
        if made:
            end = place + 1
    if started:
        yield begin, end
