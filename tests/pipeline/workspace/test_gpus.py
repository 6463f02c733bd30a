"""The devices that leases lend and that flows count."""

from __future__ import annotations

import pytest

from pipeline.workspace.gpus import devices, on_this_machine


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROSPHERE_GPUS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("visible", "expected"), [("3, 5", ("3", "5")), ("", ()), ("-1", ()), ("GPU-ab", ("GPU-ab",))])
def test_keeps_to_the_devices_it_was_given(
    monkeypatch: pytest.MonkeyPatch, visible: str, expected: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices() == expected


@pytest.mark.parametrize("variable", ["ROSPHERE_GPUS", "CUDA_VISIBLE_DEVICES"])
@pytest.mark.parametrize(
    ("given", "count"), [("", 0), ("0", 1), ("0,2", 2), (" 0, 1 ,3", 3), ("-1", 0), ("GPU-1f,GPU-2e", 2)]
)
def test_gpus_are_counted_by_either_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, given: str, count: int
) -> None:
    monkeypatch.setenv(variable, given)
    assert len(devices()) == count


def test_ours_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("ROSPHERE_GPUS", "1")
    assert devices() == ("1",)


def test_unless_told_all_of_the_machine_counted_from_0() -> None:
    assert devices() == tuple(str(index) for index in range(on_this_machine()))
