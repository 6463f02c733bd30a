"""DVC's graph as a Prefect flow: every stage that may be stale is one task, independent ones run at once.

    python -m flows.pipeline [STAGE ...] [--force] [--all] [--workers N]

The graph is DVC's and is never copied here; whether a stage really has to run is DVC's decision too: a
task is `dvc --wait-for-lock repro -s STAGE`, which skips a stage whose dependencies came out unchanged.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from flows import environment, metrics
from flows.graph import Graph, PlanError, Stage, discover
from flows.process import Closed, Commands, unwinding_on_terminate
from flows.transcript import KILLED, Progress, Transcript

# Prefect reads its settings once, when it is imported; set here, they also hold for the runs that a worker
# or `serve` starts, which import this module and never pass through `main`.
environment.prepare(Path.cwd())

from prefect import flow, get_run_logger, runtime, task  # noqa: E402
from prefect.artifacts import (  # noqa: E402
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.client.schemas.objects import State, TaskRun  # noqa: E402
from prefect.futures import PrefectFuture, as_completed  # noqa: E402
from prefect.states import Cancelled, Failed  # noqa: E402
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner  # noqa: E402
from prefect.tasks import Task  # noqa: E402

PROGRESS_EVERY = 2.0  # seconds between two updates of a progress bar


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one stage. `how`: a `Transcript.how`, or the state of a task that did not complete."""

    stage: str
    how: str
    seconds: float | None


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=2)
def reproduce(stage: str, force: bool, root: Path, commands: Commands) -> Outcome | State[Any]:
    """Let DVC bring one stage up to date; its lines become the task's log."""
    started = time.monotonic()
    logger, bars, transcript = get_run_logger(), ProgressBars(stage), Transcript()

    def on_line(line: str) -> None:
        match transcript.read(line):
            case Progress() as progress:
                bars.show(progress)
            case str() as text:
                logger.info("%s", text)

    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "-s", stage]
    if force:
        command.append("--force")
    env = {**environment.for_commands(), "PREFECT_FLOW_RUN_URL": f"/runs/flow-run/{runtime.flow_run.id}"}
    try:
        code = commands.run(command, on_line=on_line, env=env, cwd=root)
    except Closed:
        return Cancelled(message="not started, the run is ending")
    if code and commands.closed:
        return Cancelled(message="stopped with its flow")
    if code:
        code = code if transcript.exit_code is None else transcript.exit_code
        tail = "\n".join([f"exit code {code}", *list(transcript.tail)[-8:]])
        return Failed(name="Killed" if code in KILLED else "Failed", message=tail)
    return Outcome(stage=stage, how=transcript.how, seconds=round(time.monotonic() - started, 1))


class ProgressBars:
    """One Prefect progress artifact for each name that a stage reports progress under."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._bars: dict[str, tuple[UUID, float]] = {}

    def show(self, progress: Progress) -> None:
        bar, shown = self._bars.get(progress.name, (None, 0.0))
        now = time.monotonic()
        if bar is None:
            key = _key(self._stage, progress.name)
            bar = cast(UUID, create_progress_artifact(progress.percent, key=key, description=self._stage))
        elif now - shown >= PROGRESS_EVERY or progress.done >= progress.total:
            update_progress_artifact(bar, progress=progress.percent)
        else:
            return
        self._bars[progress.name] = (bar, now)


def _key(stage: str, name: str) -> str:
    """An artifact key, for which Prefect allows a-z, 0-9 and dashes."""
    words = stage if name == stage else f"{stage}-{name}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def at_once(workers: int) -> TaskRunner[Any]:
    """Runs that many stages at once. Threads, not processes: a stage is a process of its own anyway."""
    return ThreadPoolTaskRunner(max_workers=workers)


@flow(name="pipeline", persist_result=False, task_runner=at_once(environment.workers()))
def pipeline(
    targets: list[str] | None = None, force: bool = False, all_stages: bool = False
) -> list[Outcome] | State[Any]:
    """Bring the pipeline up to date.

    Args:
        targets: stages, globs (`evaluate@t*`) or words (`evaluate` for every `evaluate@...`), run with all
            they depend on; everything when empty.
        force: run the targets (everything when empty) even if they are up to date.
        all_stages: also submit the stages that are up to date; DVC skips them one by one.
    """
    root, wanted, logger = Path.cwd(), targets or [], get_run_logger()
    try:
        with sole_run(root), Commands() as commands:
            graph = discover(root)
            plan = graph.plan(wanted, force=force, everything=all_stages)
            forced = graph.forced(wanted) if force else frozenset()
            logger.info("stages that may run: %s", ", ".join(stage.name for stage in plan) or "none, all up to date")
            before = _metrics(root, graph)

            def submit(stage: Stage, upstream: list[PrefectFuture[Any]]) -> PrefectFuture[Any]:
                arguments = (stage.name, stage.name in forced, root, commands)
                return _task(stage, commands).submit(*arguments, wait_for=upstream)

            futures = schedule(plan, submit)
    except PlanError as error:
        return Failed(message=str(error))
    outcomes = [_outcome(name, future) for name, future in futures.items()]
    if outcomes:
        create_table_artifact([asdict(outcome) for outcome in outcomes], key="stages", description="what ran")
        create_markdown_artifact(metrics.table(before, _metrics(root, graph)), key="metrics", description="metrics")
    failure = describe_failure(futures)
    return Failed(message=failure) if failure else outcomes


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


def _task(stage: Stage, commands: Commands) -> Task[..., Any]:
    def only_if_killed(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
        return state.name == "Killed" and not commands.closed

    return reproduce.with_options(
        name=stage.name,
        task_run_name=stage.name,
        description=stage.desc or None,
        tags={"gpu"} if stage.gpus else set(),
        retry_condition_fn=only_if_killed,
    )


@contextmanager
def sole_run(root: Path) -> Iterator[None]:
    """Hold this workspace against other pipeline runs; the kernel lets go of it whatever ends us.

    Raises:
        PlanError: another pipeline run holds it.
    """
    file = root / ".run" / "pipeline.lock"
    file.parent.mkdir(exist_ok=True)
    with file.open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise PlanError(f"another pipeline run (process {handle.read().strip()}) is working in {root}") from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def _metrics(root: Path, graph: Graph) -> metrics.Numbers:
    """The metrics now. A broken file costs the table, not the run: its stage may yet rewrite it."""
    try:
        return metrics.read(root, [path for stage in graph.stages for path in stage.metrics])
    except ValueError as error:
        get_run_logger().warning("no metrics table: %s", error)
        return {}


def _outcome(name: str, future: PrefectFuture[Any]) -> Outcome:
    if future.state.is_completed():
        outcome: Outcome = future.result()
        return outcome
    return Outcome(stage=name, how=future.state.name or "Unknown", seconds=None)


def describe_failure(futures: dict[str, PrefectFuture[Any]]) -> str:
    """One line naming what failed and what was not run, then the last lines of each failure; or nothing."""
    failed = {name: future.state for name, future in futures.items() if future.state.is_failed()}
    missing = [n for n, future in futures.items() if not future.state.is_completed() and n not in failed]
    if not failed and not missing:
        return ""
    headline = f"failed: {', '.join(failed) or 'nothing'}" + (f"; not run: {', '.join(missing)}" if missing else "")
    return "\n".join([headline, *(f"--- {name}: {state.message}" for name, state in failed.items())])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Bring the pipeline up to date.")
    parser.add_argument("targets", nargs="*", metavar="STAGE", help="a stage, a glob, or a word for all its @-stages")
    parser.add_argument("--force", action="store_true", help="run the targets even if they are up to date")
    parser.add_argument("--all", action="store_true", help="submit stages that are up to date as well")
    parser.add_argument("--workers", type=int, default=environment.workers(), help="stages at once")
    given = parser.parse_args()
    run = pipeline.with_options(task_runner=at_once(given.workers))
    try:
        with unwinding_on_terminate():  # a SIGTERM that simply ended us would leave Prefect's temporary server
            state = run(given.targets, given.force, given.all, return_state=True)
    except KeyboardInterrupt:
        print("interrupted: every stage was stopped; the next run resumes", file=sys.stderr)
        return 130
    except RuntimeError as error:
        if not str(error).startswith("Failed to reach API"):
            raise
        print(f"{error}; start that server, or unset PREFECT_API_URL to run without one", file=sys.stderr)
        return 1
    if state.is_completed():
        return 0
    print(state.message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
