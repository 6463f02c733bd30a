"""DVC's graph as a Prefect flow: every stage that may be stale is one task, independent ones run at once.

    python -m flows.pipeline [STAGE ...] [--force] [--all] [--workers N] [-S KEY=VALUE ... [--name NAME]]

The graph is DVC's and is never copied here; whether a stage really has to run is DVC's decision too: a
task is `dvc --wait-for-lock repro -s STAGE`, which skips a stage whose dependencies came out unchanged.

With overrides the run is a DVC experiment in a workspace of its own (flows/experiment.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flows import environment
from flows.process import Commands, unwinding_on_terminate
from pipeline.workspace.environment import SWEEP, for_commands
from pipeline.workspace.exit_codes import INTERRUPTED
from pipeline.workspace.graph import PlanError, Stage, discover

# Prefect reads its settings once, when it is imported; set here, they also hold for the runs that a worker
# or `serve` starts, which import this module and never pass through `main`.
environment.enter()

from prefect import flow, get_run_logger, runtime, tags  # noqa: E402
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.futures import PrefectFuture, as_completed  # noqa: E402
from prefect.states import Failed  # noqa: E402
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner  # noqa: E402

from flows import (  # noqa: E402
    artifacts,
    deaths,
    ephemeral_server,
    experiment,
    naming,
    presence,
    reaching,
    task,
)
from flows.services import StartError  # noqa: E402
from flows.task import Outcome  # noqa: E402
from pipeline.workspace import lock, outputs  # noqa: E402

QUEUED = 180.0  # seconds that a run from a queue waits for the workspace: the one before it may still be saving
EXPERIMENT = "experiment"  # the deployment whose queue lets runs work side by side: never in the workspace itself


def at_once(workers: int) -> TaskRunner[Any]:
    """Runs that many stages at once. Threads, not processes: a stage is a process of its own anyway."""
    return ThreadPoolTaskRunner(max_workers=workers)


def title() -> str:
    """What the dashboard calls a run unless a person has: its experiment or its targets, and when it began."""
    if name := naming.given():
        return name
    given = runtime.flow_run.parameters
    what = experiment.called(given["overrides"] or [], given["name"]) or " ".join(given["targets"] or ["everything"])
    return f"{what} {time.strftime('%m-%d %H:%M')}"


@flow(name="pipeline", flow_run_name=title, persist_result=False, task_runner=at_once(environment.workers()))
def pipeline(
    targets: list[str] | None = None,
    force: bool = False,
    all_stages: bool = False,
    overrides: list[str] | None = None,
    name: str | None = None,
) -> list[Outcome] | State[Any]:
    """Bring the pipeline up to date.

    Args:
        targets: stages, globs (`evaluate@t*`) or words (`evaluate` for every `evaluate@...`), run with all
            they depend on; everything when empty.
        force: run the targets (everything when empty) even if they are up to date.
        all_stages: also submit the stages that are up to date; DVC skips them one by one.
        overrides: `key=value` for params.yaml; the run is then a DVC experiment in a workspace of its own.
        name: of that experiment; made from the overrides when empty.
    """
    root, called = Path.cwd(), experiment.called(overrides or [], name)
    if runtime.deployment.name == EXPERIMENT and not overrides:
        return Failed(message="expected overrides, such as vmf_vae.kappa=50: without, use the deployment `pipeline`")
    patience = QUEUED if runtime.deployment.id else 0.0
    try:
        with deaths.noted(root), presence.required(), lock.alone(root, called, patience=patience):
            deaths.declare(root)
            place = experiment.workspace(root, called, overrides or []) if called else root
            done = bring_up_to_date(place, targets or [], force=force, everything=all_stages)
            if called and not isinstance(done, State):
                experiment.save(root, place, called, discover(place))
                get_run_logger().info("saved: dvc exp show, dvc exp apply %s", called)
            return done
    except PlanError as error:
        return Failed(message=str(error))


def bring_up_to_date(
    root: Path, targets: Sequence[str], *, force: bool, everything: bool
) -> list[Outcome] | State[Any]:
    """Run what is stale in the workspace `root`; what became of each stage, or a failure that says how to go on."""
    with ExitStack() as after, Commands() as commands:  # in this order: nothing is brought back while a stage runs
        require_sound(root, commands, part=bool(targets))
        graph = discover(root)
        after.callback(bring_back, outputs.Kept(root, graph))
        plan = graph.plan(targets, force=force, everything=everything)
        forced = graph.forced(targets) if force else frozenset()
        get_run_logger().info(
            "stages that may run: %s", ", ".join(stage.name for stage in plan) or "none, all up to date"
        )
        before = artifacts.numbers(root, graph)

        def submit(stage: Stage, upstream: list[PrefectFuture[Any]]) -> PrefectFuture[Any]:
            arguments = (stage.name, stage.name in forced, root, commands)
            return task.of(stage, commands).submit(*arguments, wait_for=upstream)

        futures = schedule(plan, submit)
    outcomes = [_outcome(name, future) for name, future in futures.items()]
    if outcomes:
        artifacts.write(root, graph, outcomes, before)
    failure = describe_failure(futures)
    return Failed(message=failure) if failure else outcomes


def bring_back(kept: outputs.Kept) -> None:
    """What DVC emptied for the stages that failed or were stopped, and nothing else."""
    if back := kept.restore():
        get_run_logger().info("as they were before: the outputs of %s", ", ".join(back))


def require_sound(root: Path, commands: Commands, *, part: bool) -> None:
    """Let the workspace look its params.yaml and its sources over (`pipeline/run/check.py`), if it knows how to.

    Raises:
        PlanError: something there cannot work.
    """
    if not (root / "pipeline" / "run" / "check.py").is_file():
        return
    lines: list[str] = []
    command = [sys.executable, "-m", "pipeline.run.check", *(["--part"] if part else [])]
    if commands.run(command, on_line=lines.append, env=for_commands(), cwd=root):
        raise PlanError("\n".join(lines[-20:]))


def schedule(
    plan: Sequence[Stage], submit: Callable[[Stage, list[PrefectFuture[Any]]], PrefectFuture[Any]]
) -> dict[str, PrefectFuture[Any]]:
    """Submit each stage once its upstream stages in the plan have ended, and wait for all.

    Submitting everything at once would be shorter, but a task that waits for another one keeps a worker
    thread meanwhile, and a stage that could run would wait behind it.
    """
    planned = {stage.name for stage in plan}
    futures: dict[str, PrefectFuture[Any]] = {}
    ended: set[str] = set()
    while len(ended) < len(plan):
        for stage in plan:
            needs = planned & set(stage.upstream)
            if stage.name not in futures and needs <= ended:
                futures[stage.name] = submit(stage, [futures[name] for name in sorted(needs)])
        first = next(as_completed([future for name, future in futures.items() if name not in ended]))
        first.wait()  # a future that is done still asks the server for its state, which may lag; after this it knows
        ended |= {name for name, future in futures.items() if future is first}
    return {stage.name: futures[stage.name] for stage in plan}


def _outcome(name: str, future: PrefectFuture[Any]) -> Outcome:
    if future.state.is_completed():
        outcome: Outcome = future.result()
        return outcome
    return Outcome(stage=name, how=future.state.name or "Unknown", seconds=None)


def describe_failure(futures: dict[str, PrefectFuture[Any]]) -> str:
    """What failed and what was not run, the last lines of each failure, and how to go on; or nothing."""
    failed = {name: future.state for name, future in futures.items() if future.state.is_failed()}
    missing = [n for n, future in futures.items() if not future.state.is_completed() and n not in failed]
    if not failed and not missing:
        return ""
    headline = f"failed: {', '.join(failed) or 'nothing'}" + (f"; not run: {', '.join(missing)}" if missing else "")
    tails = [f"--- {name}: {state.message}" for name, state in failed.items()]
    return "\n".join([headline, *tails, "what is finished stays, and the same run again goes on from there"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Bring the pipeline up to date.")
    parser.add_argument("targets", nargs="*", metavar="STAGE", help="a stage, a glob, or a word for all its @-stages")
    parser.add_argument("--force", action="store_true", help="run the targets even if they are up to date")
    parser.add_argument("--all", action="store_true", help="submit stages that are up to date as well")
    parser.add_argument("--workers", type=int, default=environment.workers(), help="stages at once")
    parser.add_argument("-S", dest="overrides", action="append", metavar="KEY=VALUE", help="as a DVC experiment")
    parser.add_argument("--name", help="of that experiment")
    given = parser.parse_args()
    run = pipeline.with_options(task_runner=at_once(given.workers))
    sweep = os.environ.get(SWEEP)
    try:
        with unwinding_on_terminate(), reaching.required(), tags(*([f"sweep:{sweep}"] if sweep else [])):
            ephemeral_server.provide(Path.cwd())
            state = run(given.targets, given.force, given.all, given.overrides, given.name, return_state=True)
    except KeyboardInterrupt:
        print("interrupted: every stage was stopped; the next run resumes", file=sys.stderr)
        return INTERRUPTED
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    if state.is_completed():
        return 0
    print(state.message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
