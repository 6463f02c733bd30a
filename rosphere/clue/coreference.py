"""CLUEWSC 2020: a noun and a pronoun, marked in the text where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rosphere.clue import fields
from rosphere.clue.places import nearest, stands
from rosphere.errors import InputError

Row = Mapping[str, Any]
FORM = "{'span1_index': 3, 'span1_text': '伤口', 'span2_index': 12, 'span2_text': '它们'}"


def placed(row: Row, counts: Counter[str]) -> Row:
    """The row with places that are right: a span that does not stand where it should is looked for nearby.

    ``counts`` gets a "repaired_offsets" for every one that was moved.

    Raises:
        InputError: another form, a span that stands nowhere, or two that overlap.
    """
    text, spans = fields.text(row, "text"), _spans(row)
    moved = {}
    for number, (start, span) in spans.items():
        if not stands(text, span, start):
            moved[f"span{number}_index"] = nearest(text, span, start)
            if moved[f"span{number}_index"] < 0:
                raise InputError(f"span{number} {span!r} stands nowhere in {fields.shown(text)}")
            counts["repaired_offsets"] += 1
    kept = {**row, "target": {**row["target"], **moved}} if moved else row
    (one, first), (two, second) = sorted(_spans(kept).values())
    if one + len(first) > two:
        raise InputError(f"expected two spans apart from each other, {first!r} at {one} overlaps {second!r} at {two}")
    return kept


def marked(row: Row) -> tuple[str, ...]:
    """span1 becomes _span1_ and span2 [span2]; the later one is marked first, so that offsets stay right."""
    text = fields.text(row, "text")
    marks = [(*span, mark) for span, mark in zip(_spans(row).values(), ("_{}_", "[{}]"), strict=True)]
    for begin, span, mark in sorted(marks, reverse=True):
        text = text[:begin] + mark.replace("{}", span) + text[begin + len(span) :]
    return (text,)


def _spans(row: Row) -> dict[int, tuple[int, str]]:
    target = row.get("target")
    found: dict[int, tuple[int, str]] = {}
    for number in (1, 2):
        held = target if isinstance(target, Mapping) else {}
        start, span = held.get(f"span{number}_index"), held.get(f"span{number}_text")
        if not isinstance(start, int) or not fields.is_whole(start) or not isinstance(span, str) or not span:
            raise InputError(f"expected two spans under 'target' such as {FORM}, got {fields.shown(target)}")
        found[number] = (start, span)
    return found
