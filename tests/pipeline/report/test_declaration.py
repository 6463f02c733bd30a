"""What is declared of each subject of the page."""

from __future__ import annotations

import pytest
from pipeline.report.declaration import Declaration, Metric

from pipeline.report import changes, figures


@pytest.mark.parametrize("declaration", changes.DECLARATIONS, ids=lambda each: each.title)
def test_declared_figures_are_drawn_and_keys_stand_once(declaration: Declaration) -> None:
    assert set(declaration.figures) <= figures.FIGURES.keys()
    keys = [metric.key for metric in declaration.metrics]
    assert len(set(keys)) == len(keys)


def test_one_word_has_one_direction() -> None:
    """Changes know a metric by the last word of its key, whatever stage it is of."""
    declared = {(metric.word, metric.better) for each in changes.DECLARATIONS for metric in each.metrics}
    assert len(declared) == len({word for word, _ in declared}) == len(changes.BETTER)


def test_a_metric_is_read_by_its_path_and_written_in_its_format() -> None:
    assert Metric(key="a.b", label="x", format=".0%").text({"a": {"b": 0.25}}) == "25%"
    assert Metric(key="a", label="x").text({"a": 1234567.0}) == "1.235e+06"
    with pytest.raises(KeyError, match="b"):
        Metric(key="a.b", label="x").text({"a": {}})
