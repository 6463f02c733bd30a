"""Judged pairs are read first: their test split beside what costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.report import headline, tables
from pipeline.report.judged import RIVALS, judged
from rosphere.similarity.evaluators import OWN_TF_IDF
from tests.pipeline.report import toy_reports


def table(ours: float, **others: float) -> dict[str, Any]:
    rivals = {"TF-IDF": 0.3, OWN_TF_IDF: 0.4, "random token vectors": 0.35, **others}
    return {name: {"none": value, "whitened": 0.99} for name, value in {"pooler": ours, **rivals}.items()}


def test_the_test_split_stands_for_a_set_that_has_one() -> None:
    found = list(judged({"graded": {"sts dev": table(0.1), "sts test": table(0.5), "own dev": table(0.2)}}))
    assert [(each.name, each.ours) for each in found] == [("sts test", 0.5), ("own dev", 0.2)]
    assert OWN_TF_IDF in RIVALS
    assert found[0].rivals == {"TF-IDF": 0.3, OWN_TF_IDF: 0.4, "random token vectors": 0.35}


def test_the_whole_vectors_are_ours_where_there_is_a_lexical_half() -> None:
    [found] = judged({"graded": {"sts test": table(0.5, roformer_sim=0.6)}})
    assert found.ours == 0.6


def test_they_are_compared_and_stand_at_a_glance(tmp_path: Path) -> None:
    first = toy_reports.write(tmp_path / "reports")
    changed = {**first.report("evaluate_similarity"), "graded": {"sts test": table(0.37)}}
    toy_reports.put(first.folder / "evaluate_similarity.json", changed)
    run_data = toy_reports.run_data(first.folder)
    won = {each.against: each.won for each in headline.comparisons(run_data) if "sts test" in each.what}
    assert won == {"TF-IDF": True, OWN_TF_IDF: False, "random token vectors": True}
    rows = [row for row in tables.main(run_data).rows if "sts test" in str(row)]
    assert len(rows) == 1
    assert "0.370 (0.300 / 0.400 / 0.350)" in str(rows[0])
