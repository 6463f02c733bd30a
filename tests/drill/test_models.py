"""A few cases of the drill of model folders with every run; 10,000 by `python -m tests.drill.models`."""

from __future__ import annotations

import shutil

import pytest

from tests.drill import models


@pytest.mark.parametrize("count", [2, pytest.param(2000, marks=pytest.mark.slow)])
def test_spoilt_model_folders_are_read_or_refused(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """``count`` of every target and kind; and what is not spoilt goes through."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with models.prepared() as place:
        for target, kind in sorted(set(models.TARGETS)):
            shutil.rmtree(place.home, ignore_errors=True)
            shutil.copytree(place.good / kind, place.home / "model")
            models.RUNS[target](place.home / "model", place.home)
        for number in range(count * len(models.TARGETS)):
            name, end = models.run(place, 3, number)
            assert not end.startswith("finding"), f"seed 3, case {number}, {name}: {end}"
