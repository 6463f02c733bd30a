"""Long texts as overlapping windows, and answers as spans of their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Characters = tuple[int, int]  # begin, end of a span of characters


def slide(length: int, size: int, stride: int) -> list[tuple[int, int]]:
    """Windows [begin, end) of at most ``size`` that begin every ``stride``, until one reaches the end.

    With stride <= size every token is in some window, and every span of at most size - stride + 1 tokens whole in one.
    """
    if not 0 < stride <= size:
        raise ValueError(f"expected 0 < stride <= size, got stride {stride} and size {size}")
    found = [(0, min(size, length))]
    while found[-1][1] < length:
        begin = found[-1][0] + stride
        found.append((begin, min(begin + size, length)))
    return found


def first_answer(answers: Mapping[str, Any] | None) -> Characters | None:
    """The characters of the first answer that stands somewhere; None if none does, or if none is given."""
    if not answers:
        return None
    spans = zip(answers["answer_start"], answers["text"], strict=True)
    return next(((start, start + len(text)) for start, text in spans if start >= 0), None)


def tokens_of(answer: Characters | None, offsets: Sequence[Characters]) -> tuple[int, int] | None:
    """First and last token that have a character of the answer; None where no token has."""
    if answer is None:
        return None
    begin, end = answer
    inside = [place for place, (start, stop) in enumerate(offsets) if start < end and stop > begin]
    return (inside[0], inside[-1]) if inside else None


def inside(span: tuple[int, int] | None, begin: int, end: int, *, shift: int) -> tuple[int, int]:
    """The span's place in a window that stands ``shift`` tokens into its sequence; (0, 0), [CLS], if it is not whole.

    A target that was only partly there would teach to cut answers off.
    """
    if span is None or not begin <= span[0] <= span[1] < end:
        return 0, 0
    return span[0] - begin + shift, span[1] - begin + shift
