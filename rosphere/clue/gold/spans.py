"""The answers of a row, each with the character where it begins: {"text": [...], "answer_start": [...]}."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row with starts that are right. Raises InputError where the answers have another form."""
    _require_form(row[task.gold], where)
    return _placed(row, counts)


def _require_form(given: Any, where: str) -> None:
    try:
        texts, starts = list(given["text"]), list(given["answer_start"])
    except (KeyError, TypeError) as error:
        form = "{'text': ['1963年'], 'answer_start': [30]}"
        raise InputError(f"{where}: expected answers such as {form}, got {given!r}") from error
    if not texts or len(texts) != len(starts) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: expected one or more texts and as many starts under 'answers', got {given!r}")
    if not all(type(start) is int for start in starts):
        raise InputError(f"{where}: expected whole numbers under 'answer_start', got {starts!r}")


def _placed(row: Row, counts: Counter[str]) -> Row:
    """The row with starts that are right: 21 of CMRC 2018's training answers and 200 of its dev answers are not.

    An answer that does not stand where it should is looked for; of several places the nearest is taken. One that
    stands nowhere has the start -1: it still counts in scoring, but nothing can be learnt from it.
    """
    texts, starts = row["answers"]["text"], list(row["answers"]["answer_start"])
    for number, (text, start) in enumerate(zip(texts, starts, strict=True)):
        if start >= 0 and text and row["context"].startswith(text, start):
            continue
        starts[number] = _nearest(row["context"], text, start)
        counts["unplaced_answers" if starts[number] < 0 else "repaired_offsets"] += 1
    return {**row, "answers": {"text": texts, "answer_start": starts}}


def _nearest(context: str, text: str, start: int) -> int:
    places = [place for place in range(len(context)) if text and context.startswith(text, place)]
    return min(places, key=lambda place: abs(place - start), default=-1)
