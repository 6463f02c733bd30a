"""A pipeline run is called by what differs."""

from __future__ import annotations

import pytest

from pipeline.tracking import naming
from pipeline.workspace import yaml_file

BEFORE = {
    "vmf_vae.kappa": "100",
    "pretrain.size": "tiny",
    "a.schedule.steps": "10",
    "b.schedule.steps": "10",
    "on": "true",
}


@pytest.mark.parametrize(
    ("now", "text", "code", "expected"),
    [
        ({"vmf_vae.kappa": "50"}, False, True, "kappa=50"),
        ({"pretrain.size": "tiny-wide"}, False, False, "tiny→tiny-wide"),
        ({"a.schedule.steps": "20"}, False, False, "steps=20"),
        (
            {"a.schedule.steps": "20", "b.schedule.steps": "30"},
            False,
            False,
            "a.schedule.steps=20, b.schedule.steps=30",
        ),
        ({"on": "false"}, True, False, "new text, on=false"),
        ({}, True, True, "new text"),
        ({}, False, True, "new code"),
        ({}, False, False, "2026-11-29 default"),
        ({"new": "x" * 50}, False, False, "new=" + "x" * 23 + "…"),
        ({f"p{number}": "1" for number in range(5)}, False, False, "p0=1, p1=1, p2=1, 2 more"),
    ],
)
def test_the_name_says_what_differs(now: dict[str, str], text: bool, code: bool, expected: str) -> None:
    changed = naming.changes(BEFORE, {**BEFORE, **now})
    assert naming.called(changed, text=text, code=code, otherwise="2026-11-29 default") == expected


def test_what_is_gone_is_said() -> None:
    assert naming.called(naming.changes({"a.b": "1"}, {}), text=False, code=False, otherwise="") == "no b"


def test_the_preset_is_recognised_by_its_values() -> None:
    values = yaml_file.read(naming.PRESETS / "gpu.yaml")
    assert naming.preset({"unrelated": 1, **values}) == "gpu"
    assert naming.preset({"unrelated": 1}) == "default"
