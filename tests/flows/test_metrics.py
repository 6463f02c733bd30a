"""Numbers in metrics files and how they moved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows import metrics


def test_numbers_at_the_leaves(tmp_path: Path) -> None:
    document = {
        "loss": {"final": 2.5, "curve": [3.0, 2.5]},
        "steps": 10,
        "done": True,
        "name": "x",
        "none": None,
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    paths = ["a.json", "absent.json", "curve.csv"]
    assert metrics.read(tmp_path, paths) == {"a.json: loss.final": 2.5, "a.json: steps": 10}


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[1]", "must hold a JSON object, got list")])
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.json {message}"):
        metrics.read(tmp_path, ["a.json"])


def test_table() -> None:
    assert metrics.table({"a": 1.0, "b": 2.0, "gone": 3.0}, {"a": 0.75, "b": 2.0, "c": 4}).splitlines() == [
        "| metric | before | now | change |",
        "| :-- | --: | --: | --: |",
        "| a | 1 | 0.75 | -0.25 |",
        "| c |  | 4 | new |",
        "| b | 2 | 2 | = |",
    ]
