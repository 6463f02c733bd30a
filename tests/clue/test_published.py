"""Figures of others: complete, sourced, dev and test apart."""

from __future__ import annotations

import pytest

from rosphere.clue.published import PUBLISHED, beside
from rosphere.clue.tasks import TASKS


def test_every_figure_is_of_a_clue_task_and_has_a_source() -> None:
    for each in PUBLISHED:
        assert each.source and each.figures
        assert all(TASKS[name].clue for name in each.figures)
        assert all(0 < figure <= 100 for figure in each.figures.values())


@pytest.mark.parametrize(
    ("task", "split", "expected"),
    [
        ("chid", "dev", {"BERT base": 85.69, "RoBERTa-wwm-ext": 86.71, "RoFormer base": 86.57}),
        ("cmrc2018", "test", {"ALBERT-tiny": 53.35, "BERT base": 71.60, "RoBERTa-wwm-ext": 75.20, "human": 92.4}),
        ("ocnli", "test", {"RoFormer base": 73.67, "human": 90.3}),
        ("cluener", "test", {}),
        ("sentiment", "dev", {}),
    ],
)
def test_figures_of_a_task(task: str, split: str, expected: dict[str, float]) -> None:
    found = beside(task, "dev" if split == "dev" else "test")
    assert {each.system: each.figures[task] for each in found} == expected
    assert {each.split for each in found} <= {split}
