"""Values that a dashboard or a file format may not take."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

from tests.faults.case import Ending, case
from tests.faults.ground import Place, set_param
from tests.faults.signals import recovered, settle

LONG = "长" * 10_000


@case("a loss that is no number", "ours")
def no_number(place: Place, source: random.Random, ending: Ending) -> None:
    set_param(place.root, ("pretrain", "schedule", "learning_rate"), 1e12)
    done = place.run(*place.repro())
    ending.exit = done.code
    ending.expect(done.code != 0 and "Traceback" not in done.output, f"exit {done.code}: {done.output[-300:]}")
    ending.expect((place.root / "models" / "pretrain" / "model.safetensors").exists(), "the earlier model is gone")
    set_param(place.root, ("pretrain", "schedule", "learning_rate"), 0.002)
    recovered(place, ending)


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
