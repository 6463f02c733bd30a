"""How long a run may take: what is known of here and of elsewhere, and how a run's own pace puts it right."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.run import forecast
from pipeline.run.forecast import Expected, Forecast
from pipeline.run.progress import Progress
from pipeline.workspace import dvc_yaml, paths
from pipeline.workspace.environment import FORECAST
from rosphere import files
from tests.test_house import ROOT

USUAL = {
    "gflops": 80.0,
    "stages": {
        "pretrain": {"seconds": 100.0, "steps": 1000},
        "evaluate": {"seconds": 30.0},
        "control": {"seconds": 60.0, "like": ["pretrain"]},
    },
}
PARAMS: dict[str, Any] = {"pretrain": {"schedule": {"steps": 500}}, "evaluate": {"schedule": {}}}
RUN = Forecast(
    began=1000.0,
    stages=tuple(Expected(name=n, seconds=s) for n, s in (("a", 100.0), ("b", 300.0), ("c", None), ("d", 600.0))),
)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(name: str, seconds: float, at: float = 2000.0) -> None:
    path = paths.speed(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seconds": seconds}))
    os.utime(path, (at, at))


def test_a_stage_that_has_not_run_here_takes_what_it_takes_elsewhere_by_steps_and_speed() -> None:
    def found(name: str) -> float | None:
        return forecast.expected(name, PARAMS, {}, USUAL, 2.0).seconds

    assert found("pretrain") == 100.0 * 2.0 * 500 / 1000
    assert found("evaluate@own") == 30.0 * 2.0
    assert found("control") == 60.0 * 2.0 * 500 / 1000
    assert found("of_your_own") is None


def test_a_stage_that_has_run_here_takes_what_it_took_by_steps() -> None:
    ran("pretrain", 40.0)
    lock = {"stages": {"pretrain": {"params": {"params.yaml": {"pretrain": {"schedule": {"steps": 250}}}}}}}
    assert forecast.expected("pretrain", PARAMS, lock, USUAL, 2.0).seconds == 80.0
    assert forecast.expected("pretrain", PARAMS, {}, USUAL, 2.0).seconds == 40.0


def test_what_has_ended_is_what_left_its_speed_since_the_run_began() -> None:
    ran("a", 1.0)
    ran("b", 1.0, at=999.0)
    assert RUN.ended() == {"a"}
    assert RUN.place("b", RUN.ended()) == "2/4"
    assert RUN.share("b", 0.5, {"a"}) == pytest.approx(0.25)
    assert RUN.share("c", 1.0, {"a", "b"}) == pytest.approx(0.4), "nothing is known of it"
    assert RUN.share("a", 1.0, {"a"}) == pytest.approx(0.1), "it counts itself once"


def test_the_rest_is_as_expected_at_first_and_then_at_the_pace_of_what_is_done() -> None:
    assert RUN.left(0.0, now=1050.0) == 1000.0
    assert RUN.left(0.5, now=2000.0) == pytest.approx(1000.0), "half took 1000 s, not 500"
    assert RUN.left(1.0, now=2000.0) == 0.0


@given(st.floats(0, 1), st.floats(0, 1e5), st.integers(0, 3))
def test_shares_stay_within_the_whole_and_rests_are_no_debts(done: float, later: float, count: int) -> None:
    share = RUN.share("d", done, {"a", "b", "c"} if count else {"a"})
    assert 0.0 <= share <= 1.0
    assert RUN.left(share, now=RUN.began + later) >= 0.0


def test_it_is_read_as_it_was_written(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert forecast.here() is None
    RUN.write(paths.forecast(workspace))
    monkeypatch.setenv(FORECAST, str(paths.forecast(workspace)))
    assert forecast.here() == RUN
    monkeypatch.setenv(FORECAST, str(workspace / "elsewhere.json"))
    assert forecast.here() is None


def test_what_is_said() -> None:
    first, second, _ = forecast.told(RUN)
    assert first == "4 stages may run, about 17 min on this machine if it is free, c not counted:"
    assert second == "  a 2 min, b 5 min, d 10 min"
    assert forecast.told(Forecast(began=0.0, stages=())) == [
        "nothing to run: everything is as params.yaml and the code say"
    ]
    assert [forecast.spoken(n) for n in (0.2, 59, 61, 12000)] == ["1 s", "59 s", "1 min", "3 h 20 min"]


def test_a_stages_lines_say_how_far_the_run_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran("a", 1.0)
    monkeypatch.setattr("pipeline.run.progress.time.time", lambda: 1200.0)
    shown = Progress("b", RUN)
    shown.begin()
    shown.show(50, 100, {"loss": 2.0})
    assert capsys.readouterr().out.splitlines() == [
        "b: run 2/4 10%, 28 min left",
        "::progress b 50/100 loss=2 | run 2/4 25%, 10 min left",
    ]


def test_the_machine_is_measured() -> None:
    assert 0.1 < forecast.gflops() < 1e5


def test_every_stage_of_ours_has_a_usual_time() -> None:
    known = files.json_object(forecast.USUAL)["stages"]
    assert {name.partition("@")[0] for name in known} == set(dvc_yaml.entries(ROOT))
    assert all(each["seconds"] > 0 for each in known.values())
