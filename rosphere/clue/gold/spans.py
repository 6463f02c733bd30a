"""The answers of a row, each with the character where it begins: {"text": [...], "answer_start": [...]}."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rosphere.clue.fields import is_whole, shown
from rosphere.clue.layouts import columns
from rosphere.clue.places import nearest, stands
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError

FORM = "{'text': ['1963年'], 'answer_start': [30]}"


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row with starts that are right. Raises InputError where the answers have another form.

    [{"text", "answer_start"}, ...], as in the releases, will do too.
    """
    given = row[task.gold]
    if isinstance(given, list) and given and all(isinstance(answer, Mapping) for answer in given):
        given = columns({"answers": given}, where)["answers"]
    _require_form(given, where)
    return {**row, task.gold: _placed(given, task.texts(row)[1], counts)}


def _require_form(given: Any, where: str) -> None:
    texts, starts = (given.get("text"), given.get("answer_start")) if isinstance(given, Mapping) else (None, None)
    if not isinstance(texts, list | tuple) or not isinstance(starts, list | tuple):
        raise InputError(f"{where}: expected answers such as {FORM}, got {shown(given)}")
    if not texts or len(texts) != len(starts) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: expected one or more texts and as many starts under 'answers', got {shown(given)}")
    if not all(map(is_whole, starts)):
        raise InputError(f"{where}: expected whole numbers under 'answer_start', got {shown(starts)}")


def _placed(given: Mapping[str, Any], context: str, counts: Counter[str]) -> dict[str, list[Any]]:
    """The answers with starts that are right: 21 of CMRC 2018's training answers and 200 of its dev answers are not.

    An answer that does not stand where it should is looked for; of several places the nearest is taken. One that
    stands nowhere has the start -1: it still counts in scoring, but nothing can be learnt from it.
    """
    texts, starts = list(given["text"]), list(given["answer_start"])
    for number, (text, start) in enumerate(zip(texts, starts, strict=True)):
        if stands(context, text, start):
            continue
        starts[number] = nearest(context, text, start)
        counts["unplaced_answers" if starts[number] < 0 else "repaired_offsets"] += 1
    return {"text": texts, "answer_start": starts}
