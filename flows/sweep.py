"""A parameter sweep: many experiments of the pipeline, over the GPUs there are, one table, the best one promoted.

    python -m flows.sweep run NAME -S KEY=CHOICES ... --metric FILE:KEY [--direction minimize] [--stages STAGE ...]
    python -m flows.sweep show NAME
    python -m flows.sweep promote NAME

CHOICES is `25,50,100`, or for `--sampler tpe` and `random` also a range: `1e-4..1e-2`, `log:1e-4..1e-2`, `1..8`.
Every trial is a DVC experiment in a workspace of its own, run by `flows.pipeline` as a flow run tagged `sweep:NAME`
and grouped under one MLflow run of that name. What was tried is in an Optuna journal in `.run/sweeps`; a sweep that was
stopped goes on when it is run again, its unfinished trials first.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from flows import environment
from flows.process import Commands, unwinding_on_terminate
from pipeline.workspace import gpus, graph
from pipeline.workspace.environment import SWEEP, for_commands
from pipeline.workspace.exit_codes import INTERRUPTED
from pipeline.workspace.graph import PlanError

environment.enter()  # before Prefect is imported, as in flows/pipeline.py

from optuna.trial import Trial  # noqa: E402
from prefect import flow, get_run_logger, runtime, task  # noqa: E402
from prefect.artifacts import create_table_artifact  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.futures import PrefectFuture, as_completed  # noqa: E402
from prefect.states import Failed  # noqa: E402
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner  # noqa: E402

from flows import (  # noqa: E402
    ephemeral_server,  # noqa: E402
    experiment,
    naming,
    presence,
    reaching,
    space,
    study,
)
from flows.services import StartError  # noqa: E402
from flows.study import Direction, Study  # noqa: E402
from flows.task import carried_out  # noqa: E402
from pipeline.workspace import lock  # noqa: E402

Sampler = Literal["grid", "random", "tpe"]


def waiting() -> TaskRunner[Any]:
    """Threads that wait for trials; how many run is the flow's parameter."""
    return ThreadPoolTaskRunner(max_workers=64)


@task(task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
def trial(name: str, overrides: Sequence[str], sweep: str, targets: Sequence[str], metric: str, root: Path,
          commands: Commands) -> float | State[Any]:  # fmt: skip
    """One experiment, run to its end by `flows.pipeline`; the value of the metric there."""
    logger, tail = get_run_logger(), deque[str](maxlen=12)

    def on_line(line: str) -> None:
        logger.info("%s", line)
        tail.append(line)

    chosen = [argument for override in overrides for argument in ("-S", override)]
    command = [sys.executable, "-m", "flows.pipeline", *targets, "--name", name, *chosen]
    mine = {key: value for key, value in for_commands().items() if not key.startswith("PREFECT__")}
    code = carried_out(commands, command, on_line=on_line, env={**mine, SWEEP: sweep}, cwd=root)
    if isinstance(code, State):
        return code
    if code:
        return Failed(message="\n".join([f"exit code {code}", *tail]))
    return experiment.number(root, name, metric)


def title() -> str:
    """What the dashboard calls a run, unless a person has: the sweep."""
    return naming.given() or str(runtime.flow_run.parameters["name"])


@flow(name="sweep", flow_run_name=title, persist_result=False, task_runner=waiting())
def sweep(
    name: str,
    vary: dict[str, str],
    metric: str,
    direction: Direction = "minimize",
    sampler: Sampler = "grid",
    trials: int | None = None,
    targets: list[str] | None = None,
    at_once: int | None = None,
) -> list[dict[str, Any]] | State[Any]:
    """Run the pipeline with many values of its params and compare one figure.

    Args:
        name: of the sweep; run it again and it goes on.
        vary: keys of params.yaml and what to try: choices `25,50,100` or a range `1e-4..1e-2`, `log:1e-4..1e-2`.
        metric: a report and a key in it, `reports/roformer_sim.json:recall_at_1`.
        direction: which way is better.
        sampler: every combination (grid), or Optuna's random or tpe.
        trials: how many in all; for a grid all of them.
        targets: stages to bring up to date; everything when empty.
        at_once: experiments at a time; as many as there are GPUs, or one, when empty.
    """
    root = Path.cwd()
    try:
        with presence.required(), lock.alone(root, f"sweep-{name}"), Commands() as commands:
            require_writer(root, metric, targets or [])
            begun = study.opened(root, name, space.read(vary), metric, direction, sampler, trials)

            def submit(asked: Trial) -> PrefectFuture[Any]:
                overrides = [f"{key}={value}" for key, value in asked.params.items()]
                called = f"{name}-{experiment.called(overrides)}"
                asked.set_user_attr("experiment", called)
                return trial.submit(called, overrides, name, targets or [], metric, root, commands)

            exhaust(begun, submit, at_once or max(1, len(gpus.devices())))
    except PlanError as error:
        return Failed(message=str(error))
    if not begun.best:
        return Failed(message=f"no trial of the sweep {name} came to an end; see its task runs")
    get_run_logger().info("best: %s; python -m flows.sweep promote %s", begun.best["experiment"], name)
    return begun.table()


def require_writer(root: Path, metric: str, targets: Sequence[str]) -> None:
    """See to it that a stage writes the metric's file: better now than after the first experiment.

    Raises:
        PlanError: none of the stages to be run does.
    """
    file = Path(metric.partition(":")[0])
    planned = graph.discover(root).plan(targets, everything=True)
    if not any({file, *file.parents} & set(map(Path, stage.outs)) for stage in planned):
        reports = ", ".join(sorted(path for stage in planned for path in stage.metrics))
        raise PlanError(f"metric: {file} is written by no stage that this sweep runs; there are: {reports}")


def exhaust(begun: Study, submit: Callable[[Trial], PrefectFuture[Any]], at_once: int) -> None:
    """Ask, run, tell, until nothing is left to try."""
    running: dict[PrefectFuture[Any], Trial] = {}
    while True:
        while len(running) < at_once and (asked := begun.ask()):
            running[submit(asked)] = asked
        if not running:
            return
        first = next(as_completed(list(running)))
        first.wait()
        begun.tell(running.pop(first), first.result() if first.state.is_completed() else None)
        create_table_artifact(begun.table(), key="sweep", description=f"{begun.name}: {begun.metric}")


def _run(given: argparse.Namespace) -> int:
    vary = dict(each.split("=", 1) for each in given.vary if "=" in each)
    if len(vary) < len(given.vary):
        raise PlanError("-S: expected KEY=CHOICES, each key once")
    try:
        with unwinding_on_terminate(), reaching.required():
            ephemeral_server.provide(Path.cwd())
            state = sweep(
                given.name,
                vary,
                given.metric,
                given.direction,
                given.sampler,
                given.trials,
                given.targets,
                given.at_once,
                return_state=True,
            )
    except KeyboardInterrupt:
        print("interrupted: every experiment was stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    if not state.is_completed():
        print(state.message, file=sys.stderr)
        return 1
    return _show(given)


def _show(given: argparse.Namespace) -> int:
    begun = study.found(Path.cwd(), given.name)
    print(begun.text())
    return 0


def _promote(given: argparse.Namespace) -> int:
    begun = study.found(Path.cwd(), given.name)
    if not begun.best:
        raise PlanError(f"the sweep {given.name} has no finished trial")
    experiment.apply(Path.cwd(), begun.best["experiment"])
    print(f"{begun.best['experiment']} is in the workspace now: {begun.metric} {begun.best['value']:.6g}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m flows.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = parser.add_subparsers(required=True)
    run = words.add_parser("run", help="begin a sweep, or go on with it")
    run.add_argument("name")
    run.add_argument("-S", dest="vary", action="append", required=True, metavar="KEY=CHOICES")
    run.add_argument("--metric", required=True, metavar="FILE:KEY")
    run.add_argument("--direction", choices=("minimize", "maximize"), default="minimize")
    run.add_argument("--sampler", choices=("grid", "random", "tpe"), default="grid")
    run.add_argument("--trials", type=int)
    run.add_argument("--stages", dest="targets", nargs="+", metavar="STAGE", help="all that the metric needs; else all")
    run.add_argument("--at-once", type=int, help="experiments at a time")
    run.set_defaults(does=_run)
    for word, does, what in (("show", _show, "its trials"), ("promote", _promote, "bring its best into the workspace")):
        other = words.add_parser(word, help=what)
        other.add_argument("name")
        other.set_defaults(does=does)
    given = parser.parse_args()
    try:
        return int(given.does(given))
    except (PlanError, StartError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
