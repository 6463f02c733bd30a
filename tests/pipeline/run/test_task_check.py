"""Training rows of which nothing can be learnt, seen before any work."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.run import task_check
from rosphere.clue.declared import Declared
from rosphere.clue.tasks import TASKS
from rosphere.errors import InputError

NAMED = {"text": "江泽民讲话", "label": {"name": {"江泽民": [[0, 2]]}}}
QUESTION = {"question": "哪年", "context": "生于1963年", "id": "1"}


@pytest.mark.parametrize(
    ("name", "poor", "enough", "message"),
    [
        (
            "tnews",
            {"sentence": "甲", "label": "100"},
            {"sentence": "乙", "label": "101"},
            "expected two classes or more",
        ),
        ("cluener", {"text": "甲", "label": {}}, NAMED, "expected entities in the training rows, none of 2 has one"),
        ("cluener", {"text": "甲", "label": {"name": {}}}, NAMED, "none of 2 has one"),
        (
            "cmrc2018",
            {**QUESTION, "answers": {"text": ["1964年"], "answer_start": [-1]}},
            {**QUESTION, "answers": {"text": ["1963年"], "answer_start": [2]}},
            "expected answers that stand in their texts, got none of 2",
        ),
    ],
)
def test_nothing_to_learn_is_refused(name: str, poor: dict[str, Any], enough: dict[str, Any], message: str) -> None:
    dev = [{**enough, next(iter(enough)): "别的"}]
    assert task_check.look_over(TASKS[name], {"train": [poor, enough], "dev": dev}, None) == []
    with pytest.raises(InputError, match=f"task {name}: .*{message}"):
        task_check.look_over(TASKS[name], {"train": [poor, poor], "dev": dev}, None)


def test_classes_that_only_dev_has_are_named() -> None:
    task = Declared(kind="classification", labels=("a", "b", "c")).task("own")
    train = [{"sentence": f"{n}", "label": "ab"[n % 2]} for n in range(4)]
    dev = [{"sentence": "x", "label": "c"}, {"sentence": "y", "label": "a"}]
    assert task_check.look_over(task, {"train": train, "dev": dev}, None) == [
        "task own: in dev and never in training, so never right: c"
    ]
    assert task_check.look_over(task, {"train": train, "dev": dev[1:]}, None) == []
