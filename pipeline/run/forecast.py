"""What a run will do and how long it will take here, said before it begins and kept for its stages to show.

    python -m pipeline.run.forecast

A stage takes as long as it did here last time; one that has not run here yet, as long as with the default's params on
the machine of usual.json, by the ratio of the two machines' matrix products. Both are scaled by the steps that
params.yaml asks for now. It is a guess of the right order, and put right by every stage that ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.workspace import paths, yaml_file
from pipeline.workspace.dvc_yaml import LOCK, PARAMS
from pipeline.workspace.environment import FORECAST
from pipeline.workspace.graph import PlanError, discover
from rosphere import files
from rosphere.errors import InputError

USUAL = Path(__file__).with_name("usual.json")
EARLY = 0.03  # of the whole: before that, how fast it goes says little about the rest
# In a process of its own, since a library of matrices asks for its threads when it is loaded.
MEASURE = """
import time, numpy
a = numpy.ones((768, 768), numpy.float32)
best = 1e9
for _ in range(12):  # of processor time: neighbours do not count
    began = time.process_time(); a @ a; best = min(best, time.process_time() - began)
print(2 * 768**3 / best / 1e9)
"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A stage that is to run, and the seconds that it may take; None: nothing is known."""

    name: str
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Of one run."""

    began: float  # seconds since the epoch
    stages: tuple[Expected, ...]

    @classmethod
    def read(cls, path: Path) -> Forecast:
        values = files.json_object(path)
        return cls(began=values["began"], stages=tuple(Expected(**each) for each in values["stages"]))

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, {"began": self.began, "stages": [vars(each) for each in self.stages]})

    @property
    def seconds(self) -> float:
        return sum(each.seconds or 0.0 for each in self.stages)

    def ended(self) -> set[str]:
        """The stages that have left their speed since the run began."""
        found = ((each.name, paths.speed(each.name)) for each in self.stages)
        return {name for name, path in found if path.is_file() and path.stat().st_mtime >= self.began}

    def place(self, name: str, ended: set[str]) -> str:
        """Where the run is when this stage begins: "5/24"."""
        return f"{len(ended - {name}) + 1}/{len(self.stages)}"

    def share(self, name: str, done: float, ended: set[str]) -> float:
        """Of the whole run, with ``done`` of this stage, by the time that was expected."""
        known = {each.name: each.seconds or 0.0 for each in self.stages}
        spent = sum(seconds for each, seconds in known.items() if each in ended and each != name)
        return min(1.0, (spent + done * known.get(name, 0.0)) / self.seconds) if self.seconds else 0.0

    def left(self, share: float, now: float) -> float:
        """Seconds to the end: as expected at first, then as the part that is done has taken."""
        rest = (1 - share) * self.seconds
        if share < EARLY:
            return rest
        pace = (now - self.began) / (share * self.seconds)
        trust = min(1.0, share / (4 * EARLY))
        return rest * (trust * pace + (1 - trust))


def here() -> Forecast | None:
    """The forecast of the run that this process is part of, if it was begun with one."""
    path = os.environ.get(FORECAST)
    return Forecast.read(Path(path)) if path and Path(path).is_file() else None


def steps(params: Mapping[str, Any], name: str) -> int | None:
    """That its section of params.yaml asks for."""
    section = params.get(name.partition("@")[0])
    schedule = section.get("schedule") if isinstance(section, Mapping) else None
    found = schedule.get("steps") if isinstance(schedule, Mapping) else None
    return found if isinstance(found, int) else None


def expected(
    name: str, params: Mapping[str, Any], lock: Mapping[str, Any], usual: Mapping[str, Any], slower: float
) -> Expected:
    """``slower``: than the machine of ``usual``."""
    path, now = paths.speed(name), steps(params, name)
    if path.is_file():
        before = steps(lock.get("stages", {}).get(name, {}).get("params", {}).get(PARAMS, {}), name)
        return Expected(name=name, seconds=files.json_object(path)["seconds"] * _ratio(now, before))
    known = usual["stages"].get(name) or usual["stages"].get(name.partition("@")[0])
    if known is None:
        return Expected(name=name, seconds=None)
    share = _ratio(now, known.get("steps"))
    if like := known.get("like"):  # a control, whose steps follow from those of others
        shares = [_ratio(steps(params, each), usual["stages"][each].get("steps")) for each in like]
        share = sum(shares) / len(shares)
    return Expected(name=name, seconds=known["seconds"] * slower * share)


def _ratio(now: int | None, before: int | None) -> float:
    return now / before if now and before else 1.0


def gflops() -> float:
    """Of a matrix product in float32 with one thread, 10^9 operations a second."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], env={**os.environ, **ONE_THREAD}, capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"a matrix product could not be timed: {done.stderr.strip()[-300:]}")
    return float(done.stdout)


def made(root: Path) -> Forecast:
    """Of everything that `dvc repro` may run now."""
    plan = discover(root).plan()
    params = yaml_file.read(root / PARAMS)
    lock = yaml_file.read(root / LOCK) if (root / LOCK).is_file() else {}
    usual = files.json_object(USUAL)
    slower = usual["gflops"] / gflops() if plan else 1.0
    stages = tuple(expected(each.name, params, lock, usual, slower) for each in plan if each.cmd)
    return Forecast(began=time.time(), stages=stages)


def told(forecast: Forecast) -> list[str]:
    """What a person is to know before the run begins."""
    if not forecast.stages:
        return ["nothing to run: everything is as params.yaml and the code say"]
    unknown = [each.name for each in forecast.stages if each.seconds is None]
    beside = f", {', '.join(unknown)} not counted" if unknown else ""
    long = f"about {spoken(forecast.seconds)} on this machine if it is free{beside}"
    return [
        f"{len(forecast.stages)} stages may run, {long}:",
        "  " + ", ".join(f"{each.name} {spoken(each.seconds)}" for each in forecast.stages if each.seconds is not None),
        "Ctrl-C stops it, and the same command goes on from there.",
    ]


def spoken(seconds: float) -> str:
    """As a person says it: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def main() -> int:
    try:
        forecast = made(Path.cwd())
        forecast.write(paths.forecast(Path.cwd()))
    except (InputError, PlanError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(told(forecast)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
