"""Metric points from several trainers at once: how many are lost, and how much the trainers are slowed down.

    python -m benchmarks.tracking [--processes 4] [--points 50000] [--work 4] [--rounds 2] [--json FILE]
    MLFLOW_TRACKING_URI=postgresql://... MLFLOW_DEFAULT_ARTIFACT_ROOT=s3://... python -m benchmarks.tracking

Each trainer does the same work a step (matrix products of --work milliseconds or so, one thread) and tells one point a
step. Rounds with tracking and without take turns. `slowdown`: of the loop's wall time, median of the rounds' ratios.
`slowdown_cpu`: of the trainers' own CPU time, which another load of the machine changes less. `recording`: share of the
loop spent recording points. `uploaders_cpu`: what the uploaders used by the end of the loop, as a share of the
trainers' CPU time; on a machine without a free core they take it from them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
SIZE = 192


def step(matrix: Any, products: int) -> float:
    for _ in range(products):
        matrix = np.tanh(matrix @ matrix)
    return float(matrix[0, 0])


def calibrated(milliseconds: float) -> int:
    """Products that take about so long here."""
    start, matrix = time.process_time(), np.eye(SIZE, dtype=np.float32)
    step(matrix, 200)
    return max(1, round(milliseconds / 1000 * 200 / (time.process_time() - start)))


def train(number: int, steps: int, products: int) -> Row:
    """One trainer, in a process of its own: waits for the start, works, tells."""
    import psutil

    from pipeline.run.identity import Identity
    from pipeline.tracking.recording import tracked

    me = Identity(
        name=f"trainer{number}",
        home=Path.cwd(),
        stage_fp=f"{Path.cwd().name}-{number}",
        pipeline_fp=Path.cwd().name,
        params={},
        pipeline_params={},
        deps={},
        upstream_metrics={},
        gpus=0,
    )
    matrix, telling = np.eye(SIZE, dtype=np.float32), 0.0
    step(matrix, products)
    print("ready", flush=True)
    sys.stdin.readline()
    with tracked(me, ()) as tracker:
        wall, cpu = time.perf_counter(), time.process_time()
        for index in range(steps):
            value = step(matrix, products)
            before = time.perf_counter()
            tracker.metrics(index, {"value": index + value})
            telling += time.perf_counter() - before
        row = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "telling": telling}
        uploaders = [child.cpu_times() for child in psutil.Process().children()]
    return {**row, "uploader": sum(times.user + times.system for times in uploaders)}


def together(place: Path, processes: int, steps: int, products: int, tracking: bool) -> list[Row]:
    command = [sys.executable, "-m", "benchmarks.tracking", "--train", str(steps), str(products)]
    code = str(Path(__file__).resolve().parents[1])
    env = {**os.environ, "ROSPHERE_TRACKING": "1" if tracking else "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": code}
    place.mkdir()
    team = [
        subprocess.Popen(
            [*command, str(n)], cwd=place, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for n in range(processes)
    ]
    for process in team:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    rows = [process.communicate()[0] for process in _started(team)]
    return [json.loads(row.splitlines()[-1]) for row in rows]


def _started(team: Sequence[subprocess.Popen[str]]) -> Sequence[subprocess.Popen[str]]:
    for process in team:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return team


def arrived(place: Path, processes: int, steps: int) -> Row:
    """How many points are missing or there twice, once everything has been delivered, and how long that took."""
    from mlflow import MlflowClient

    from pipeline.tracking import uploader
    from pipeline.workspace import links, paths

    start = time.perf_counter()
    while list(paths.run_logs(place).glob("*/events.jsonl")):
        time.sleep(1)
        if time.perf_counter() - start > 60:  # the uploaders have given up, then
            with contextlib.redirect_stdout(None):
                uploader.sync(place)
    seconds, client = time.perf_counter() - start, MlflowClient(links.tracking_uri(place))
    experiment = client.get_experiment_by_name(os.environ.get("MLFLOW_EXPERIMENT_NAME", "rosphere"))
    lost = twice = 0
    for number in range(processes):
        [run] = client.search_runs([experiment.experiment_id], f"tags.`stage.fp` = '{place.name}-{number}'")
        found = [point.step for point in client.get_metric_history(run.info.run_id, "value")]
        lost += len(set(range(steps)) - set(found))
        twice += len(found) - len(set(found))
    return {"lost": lost, "twice": twice, "seconds_after_the_end": round(seconds, 1)}


def measured(processes: int, points: int, work: float, rounds: int) -> Row:
    steps, products = points // processes, calibrated(work)
    on: list[list[Row]] = []
    off: list[list[Row]] = []
    arrivals = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            off.append(together(Path(folder) / f"off{turn}", processes, steps, products, tracking=False))
            place = Path(folder) / f"on{turn}-{os.getpid()}"
            on.append(together(place, processes, steps, products, tracking=True))
            arrivals.append(arrived(place, processes, steps))

    def total(rows: list[Row], name: str) -> float:
        return sum(float(row[name]) for row in rows)

    def ratio(name: str) -> float:
        return statistics.median(total(a, name) / total(b, name) - 1 for a, b in zip(on, off, strict=True))

    tracked = [row for rows in on for row in rows]
    return {
        "store": os.environ.get("MLFLOW_TRACKING_URI", "sqlite").partition(":")[0],
        "points": processes * steps,
        "step_ms": round(1000 * total(off[0], "cpu") / processes / steps, 2),
        "lost": sum(each["lost"] for each in arrivals),
        "twice": sum(each["twice"] for each in arrivals),
        "delivered_s_after_the_end": [each["seconds_after_the_end"] for each in arrivals],
        "slowdown": round(ratio("wall"), 4),
        "slowdown_cpu": round(ratio("cpu"), 4),
        "recording": round(total(tracked, "telling") / total(tracked, "wall"), 4),
        "microseconds_a_point": round(1e6 * total(tracked, "telling") / len(tracked) / steps, 1),
        "uploaders_cpu": round(total(tracked, "uploader") / total(tracked, "cpu"), 4),
        "wall_s": [round(max(row["wall"] for row in rows), 1) for rows in (*off, *on)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--work", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--train", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        steps, products, number = options.train
        print(json.dumps(train(number, steps, products)))
        return
    row = measured(options.processes, options.points, options.work, options.rounds)
    for name, value in row.items():
        print(f"{name:28}{value}")
    if options.json:
        options.json.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
