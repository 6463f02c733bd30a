"""The page of a run that began with a published encoder: what got better, what fell, and the warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.report import headline, published
from pipeline.report.run_data import RunData
from tests.pipeline.report import toy_reports


def row(before: float, after: float, spread: float) -> dict[str, Any]:
    return {
        "before": before,
        "after": after,
        "difference": after - before,
        "standard_error": spread,
        "units": 1234,
    }


OWN = {"recall_at_1": row(0.4, 0.5, 0.02), "mrr": row(0.5, 0.51, 0.02), "labelled_pairs dev": row(0.5, 0.4, 0.01)}


def with_published(folder: Path, general: dict[str, Any], *, part: str = "start", own: dict[str, Any] = OWN) -> RunData:
    run_data = toy_reports.write(folder)
    said = {part: {"name": "models/minilm", "own": own, "general": general}}
    report = {**run_data.report("evaluate_similarity"), "published": said}
    toy_reports.put(folder / "evaluate_similarity.json", report)
    return toy_reports.run_data(folder)


def shown(run_data: RunData) -> list[str]:
    return [str(part) for part in published.section(run_data, {})]


def warned(run_data: RunData) -> list[str]:
    parts = [*shown(run_data), *map(str, headline.section(run_data, {}))]
    return [part for part in parts if 'class="warning"' in part]


def test_what_got_better_and_what_fell_is_said_first_and_in_words(tmp_path: Path) -> None:
    general = {"stsb test": row(0.7, 0.65, 0.01), "lcqmc test": row(0.6, 0.59, 0.02)}
    first, *_ = shown(with_published(tmp_path, general))
    assert "Did it get better? models/minilm, which training began with" in first
    assert (
        "On your own held-out pairs, better: recall@1 0.400 → 0.500 (+0.100 ± 0.020); "
        "fell: labelled_pairs dev 0.500 → 0.400 (-0.100 ± 0.010); "
        "no clear change: MRR 0.500 → 0.510 (+0.010 ± 0.020)."
    ) in first
    assert (
        "On general sets, fell: stsb test 0.700 → 0.650 (-0.050 ± 0.010); no clear change: lcqmc test 0.600 → 0.590"
        in first
    )


def test_figures_stand_in_the_order_of_their_declaration(tmp_path: Path) -> None:
    """In the report's file they are sorted by their names, recall_at_10 before recall_at_5."""
    names = ("labelled_pairs dev", "mrr", "recall_at_1", "recall_at_10", "recall_at_5")
    run_data = with_published(tmp_path, {}, own={name: row(0.4, 0.5, 0.02) for name in names})
    found = [change.name for change in published.changes(run_data, "start", "own")]
    assert found == ["recall@1", "recall@5", "recall@10", "MRR", "labelled_pairs dev"]


def test_a_fall_beyond_chance_is_warned_of_in_its_section_and_in_short(tmp_path: Path) -> None:
    general = {"stsb test": row(0.7, 0.65, 0.01), "lcqmc test": row(0.6, 0.59, 0.02)}
    found = warned(with_published(tmp_path, general))
    assert len(found) == 2 and found[0] == found[1]
    assert "stsb test" in found[0] and "lcqmc" not in found[0]
    for cure in ("prepare.local.general", "roformer_sim.weight_averaging", "unlabelled"):
        assert cure in found[0]


@pytest.mark.parametrize("after", [0.681, 0.7, 0.9])
def test_a_fall_within_twice_the_spread_is_none(tmp_path: Path, after: float) -> None:
    assert warned(with_published(tmp_path, {"stsb test": row(0.7, after, 0.01)})) == []


def test_to_be_behind_ones_teacher_is_not_to_have_forgotten(tmp_path: Path) -> None:
    run_data = with_published(tmp_path, {"stsb test": row(0.7, 0.5, 0.01)}, part="teacher")
    assert "its teacher" in shown(run_data)[0] and "behind: stsb test 0.700 → 0.500" in shown(run_data)[0]
    assert warned(run_data) == []


def test_without_a_general_set_it_is_said_that_nothing_can_be_said(tmp_path: Path) -> None:
    first, *_ = shown(with_published(tmp_path, {}))
    assert "There is no general set" in first and "prepare.local.graded" in first


def test_a_run_of_random_weights_has_no_such_section(tmp_path: Path) -> None:
    run_data = toy_reports.write(tmp_path)
    assert shown(run_data) == [] and warned(run_data) == []
