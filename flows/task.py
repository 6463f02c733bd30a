"""One stage as a Prefect task: DVC brings it up to date, its lines and progress appear in the run."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import get_run_logger, runtime, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Cancelled, Failed
from prefect.tasks import Task

from flows.process import Closed, Commands
from flows.transcript import Progress, Transcript
from pipeline.workspace.environment import FLOW_RUN, for_commands
from pipeline.workspace.exit_codes import KILLED
from pipeline.workspace.graph import Stage
from pipeline.workspace.outputs import ROOM

PROGRESS_EVERY = 2.0  # seconds between two updates of a progress bar


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one stage. `how`: a `Transcript.how`, or the state of a task that did not complete."""

    stage: str
    how: str
    seconds: float | None


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=2)
def reproduce(stage: str, force: bool, root: Path, commands: Commands) -> Outcome | State[Any]:
    """Let DVC bring one stage of the workspace `root` up to date; its lines become the task's log."""
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
    env = {**for_commands(), FLOW_RUN: str(runtime.flow_run.id)}
    code = carried_out(commands, command, on_line=on_line, env=env, cwd=root)
    if isinstance(code, State):
        return code
    if code:
        code = code if transcript.exit_code is None else transcript.exit_code
        tail = "\n".join([f"exit code {code}", *list(transcript.tail)[-8:]])
        return Failed(name="Killed" if code in KILLED else "Failed", message=tail)
    if transcript.unsaved:
        return Failed(message="\n".join([f"not in DVC's cache; {ROOM}", *list(transcript.tail)[-8:]]))
    return Outcome(stage=stage, how=transcript.how, seconds=round(time.monotonic() - started, 1))


def carried_out(
    commands: Commands, command: Sequence[str], *, on_line: Callable[[str], None], env: Mapping[str, str], cwd: Path
) -> int | State[Any]:
    """Run a command to its end: its exit code, or that it was cancelled with the flow that `commands` belong to."""
    try:
        code = commands.run(command, on_line=on_line, env=env, cwd=cwd)
    except Closed:
        return Cancelled(message="not started, the run is ending")
    return Cancelled(message="stopped with its flow") if code and commands.closed else code


def of(stage: Stage, commands: Commands) -> Task[..., Any]:
    """The task of this stage, under its own name; tried again only if it was killed, and not by us."""

    def only_if_killed(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
        return state.name == "Killed" and not commands.closed

    return reproduce.with_options(
        name=stage.name,
        task_run_name=stage.name,
        description=stage.desc or None,
        tags={"gpu"} if stage.gpus else set(),
        retry_condition_fn=only_if_killed,
    )


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
