"""Values that a dashboard or a file format may not take."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

from tests.faults.case import Ending, case
from tests.faults.ground import CHANGED, RATE, Place, set_param
from tests.faults.signals import recovered, settle

TELL = """
import math
from pathlib import Path
from pipeline.run.identity import Identity
from pipeline.tracking.recording import tracked
long = {"text": "\u957f" * 10000}
me = Identity(name="x", home=Path.cwd(), stage_fp="x", pipeline_fp="x", params=long, pipeline_params=long, deps={},
              upstream_metrics={}, gpus=0)
with tracked(me, ()) as tracker:
    tracker.metrics(1, {"nan": math.nan, "high": math.inf, "low": -math.inf})
    tracker.final(1, {"loss": math.nan})
"""


@case("a loss that is no number", "ours")
def no_number(place: Place, source: random.Random, ending: Ending) -> None:
    set_param(place.root, RATE, 1e12)
    done = place.run(*place.repro())
    ending.exit = done.code
    ending.expect(done.code != 0 and "Traceback" not in done.output, f"exit {done.code}: {done.output[-300:]}")
    ending.expect((place.root / "models" / "pretrain" / "model.safetensors").exists(), "the earlier model is gone")
    set_param(place.root, RATE, CHANGED)
    recovered(place, ending)


@case("a parameter of 10,000 characters, metrics that are no numbers", "toy")
def long_values(place: Place, source: random.Random, ending: Ending) -> None:
    """Whatever a stage of the toy may say goes the same way: from a run log to the store."""
    done = place.run("/bin/sh", "-c", f"exec python -c '{TELL}'")
    ending.exit, ending.seconds = done.code, done.seconds
    ending.expect(done.code == 0, done.output[-300:])
    settle(place, ending)
    with closing(sqlite3.connect(place.root / "mlflow.db")) as database:
        states = {row[0] for row in database.execute("select status from runs")}
        longest = database.execute("select max(length(value)) from params").fetchone()[0]
    ending.expect(states == {"FINISHED"} and longest == 6000, f"{states}, {longest} characters")


@case("a run name with emoji", "ours")
def emoji(place: Place, source: random.Random, ending: Ending) -> None:
    name = "试验 🚀 №1/2"
    done = place.run(*place.repro(), MLFLOW_RUN_NAME=name)
    ending.exit, ending.seconds = done.code, done.seconds
    ending.same = place.equal()
    settle(place, ending)
    with closing(sqlite3.connect(place.root / "mlflow.db")) as database:
        names = [row[0] for row in database.execute("select name from runs")]
    ending.expect(name in names, f"runs are called {names}")
