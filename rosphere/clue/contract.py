"""What a declaration of a task must keep to, checked where it is made: later it would cost a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rosphere.clue.fields import shown
from rosphere.errors import InputError

if TYPE_CHECKING:
    from rosphere.clue.tasks import Task

# kind -> what can be measured of it; a kind that is not here is somebody's own, and knows for itself
METRICS: Mapping[str, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "choices": ("accuracy",),
    "entities": ("f1", "mention_f1", "accuracy"),
    "spans": ("em", "f1", "mean_of_em_and_f1"),
}
LEAST_LENGTH = 8  # tokens: a blank between two texts and a choice before them need seven


def check(task: Task) -> None:
    """Raises InputError, one line that begins with the task's name, for the first thing that cannot work."""
    _check_kind(task)
    _check_labels(task)
    _check_fields(task)
    _check_sizes(task)
    _check_number(task, _tried(task), f"task {task.name}: texts")


def _check_kind(task: Task) -> None:
    if task.kind in METRICS and task.metric not in METRICS[task.kind]:
        allowed = ", ".join(METRICS[task.kind])
        raise _refused(task, "metric", f"one of {allowed} for {task.kind}", task.metric)
    if task.kind in METRICS and (task.choices is not None) is not (task.kind == "choices"):
        wanted = "a function that gives the choices" if task.kind == "choices" else f"none for {task.kind}"
        raise _refused(task, "choices", wanted, task.choices)
    if task.kind in METRICS and task.kind != "choices" and (task.blank or task.group):
        raise _refused(task, "kind", "choices where blank or group is set", task.kind)


def _check_labels(task: Task) -> None:
    if not isinstance(task.labels, tuple) or not all(isinstance(label, str) and label for label in task.labels):
        raise _refused(task, "labels", "texts that are not empty, such as ('0', '1')", task.labels)
    if len(set(task.labels)) < len(task.labels):
        raise _refused(task, "labels", "each label once", task.labels)
    least = {"classification": 2, "entities": 1}.get(task.kind, 0)
    if len(task.labels) < least:
        raise _refused(task, "labels", f"{least} or more for {task.kind}", task.labels)


def _check_fields(task: Task) -> None:
    if not isinstance(task.fields, tuple) or not task.fields:
        raise _refused(task, "fields", "the names of the fields that every row carries", task.fields)
    if task.gold in task.fields:
        raise _refused(task, "fields", f"no {task.gold!r}, the right answer, which test rows may lack", task.fields)
    if not {"train", "dev"} <= set(task.files):
        raise _refused(task, "files", "train and dev", list(task.files))


def _check_sizes(task: Task) -> None:
    if task.max_length < LEAST_LENGTH:
        raise _refused(task, "max_length", f"{LEAST_LENGTH} tokens or more", task.max_length)
    if task.stride < 1:
        raise _refused(task, "stride", "1 token or more", task.stride)
    if task.most_choices is not None and task.most_choices < 2:
        raise _refused(task, "most_choices", "2 or more", task.most_choices)


def _tried(task: Task) -> tuple[Any, ...] | None:
    """What ``texts`` makes of a row whose fields are all texts; None where that is no row of the task's.

    Then its first real row will show.
    """
    try:
        return task.texts({name: name for name in task.fields})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None


def check_texts(task: Task, texts: object, where: str) -> None:
    """Raises InputError where ``texts`` of a row are not so many texts as the kind reads."""
    if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: expected a tuple of texts, got {shown(texts)}")
    _check_number(task, texts, where)


def _check_number(task: Task, texts: tuple[Any, ...] | None, where: str) -> None:
    wanted = _wanted(task)
    if texts is None or wanted is None or (isinstance(texts, tuple) and len(texts) == wanted):
        return
    came = len(texts) if isinstance(texts, tuple) else shown(texts)
    pair = f" with pair: {str(task.pair).lower()}" if task.kind in ("classification", "choices") else ""
    raise InputError(f"{where}: expected {wanted} for {task.kind}{pair}, got {came}")


def _wanted(task: Task) -> int | None:
    """How many texts the kind reads; None where any number will do."""
    if task.kind == "classification":
        return 2 if task.pair else 1
    if task.kind == "choices":
        return 2 if task.pair or task.blank else None
    return {"spans": 2, "entities": 1}.get(task.kind)


def _refused(task: Task, key: str, wanted: str, came: object) -> InputError:
    return InputError(f"task {task.name}: {key}: expected {wanted}, got {shown(came)}")
