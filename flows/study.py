"""The journal of a sweep: what was tried, what came of it, what to try next; an Optuna study in a journal file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from flows import experiment
from flows import space as spaces
from pipeline.workspace import lock, paths
from pipeline.workspace.graph import PlanError

Direction = Literal["minimize", "maximize"]
STOPPED = TrialState.PRUNED  # by a kill or a cancel, and to be tried again


class Study:
    """One sweep.

    Attributes:
        name, metric: what it is called, and the report and key that it compares.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        space: Mapping[str, BaseDistribution] | None = None,
        first: Iterable[Mapping[str, Any]] = (),
        more: int = 0,
        live: bool = True,
    ) -> None:
        """What is left to try: the combinations `first`, then `more` that the sampler chooses from `space`.

        `live` is whether a process is at it: without one, a trial that was never told is stopped, not running.
        """
        self.name, self.metric = study.study_name, str(study.user_attrs["metric"])
        self._study, self._space, self._first, self._more = study, dict(space or {}), deque(first), more
        self._states = {} if live else {TrialState.RUNNING: "stopped"}

    def ask(self) -> Trial | None:
        """The next combination to try; None when all have been."""
        if self._first:
            self._study.enqueue_trial(dict(self._first.popleft()))
        elif self._more:
            self._more -= 1
        else:
            return None
        return self._study.ask(self._space)

    def tell(self, trial: Trial, value: float | None) -> None:
        """The result of a trial; None: it failed."""
        if value is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    @property
    def best(self) -> dict[str, Any] | None:
        """The row of the best trial so far."""
        rows = [row for row in self.table() if row["value"] is not None]
        return rows[0] if rows else None

    def table(self) -> list[dict[str, Any]]:
        """A row a trial, the best first, then what failed or runs."""
        worst = float("inf")
        sign = 1 if self._study.direction == optuna.study.StudyDirection.MINIMIZE else -1
        trials = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state is not STOPPED]
        return [
            self._row(trial) for trial in sorted(trials, key=lambda t: worst if t.value is None else sign * t.value)
        ]

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        state = self._states.get(trial.state, trial.state.name.lower())
        name = trial.user_attrs.get("experiment", "")
        return {"trial": trial.number, "experiment": name, **trial.params, "value": trial.value, "state": state}

    def text(self) -> str:
        """The table in Markdown."""
        rows = self.table()
        keys = list(dict.fromkeys(key for row in rows for key in row))
        lines = [f"{self.name}: {self.metric}, {self._study.direction.name.lower()}", ""]
        lines += ["| " + " | ".join(keys) + " |", "| " + " | ".join("---" for _ in keys) + " |"]
        return "\n".join(lines + ["| " + " | ".join(_cell(row.get(key)) for key in keys) + " |" for row in rows])


def opened(
    root: Path,
    name: str,
    space: Mapping[str, BaseDistribution],
    metric: str,
    direction: Direction,
    sampler: str,
    trials: int | None,
) -> Study:
    """The sweep `name`, begun or gone on with: what was left running by a stop is tried again first.

    Raises:
        PlanError: it was begun on another commit or for another metric or space, no number of trials where one is
            needed, a grid over a range.
    """
    file = paths.sweep_journal(root, name)
    combinations = spaces.grid(space) if sampler == "grid" else []
    if sampler != "grid" and not trials:
        raise PlanError(f"--sampler {sampler} needs a number of --trials")
    if ":" not in metric:
        raise PlanError(f"metric: expected FILE:KEY such as reports/vmf_vae.json:kl, got {metric!r}")
    file.parent.mkdir(parents=True, exist_ok=True)
    storage = _storage(file)
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
    typed = {key: repr(distribution) for key, distribution in space.items()}
    _agree(study, {"commit": experiment.commit(root), "metric": metric, "space": typed})
    study.sampler = _sampler(sampler, seed=len(study.trials))
    left = study.get_trials(states=(TrialState.RUNNING,))
    for trial in left:
        study.tell(trial.number, state=STOPPED)
    done = [trial.params for trial in study.get_trials(states=(TrialState.COMPLETE,))]
    if sampler == "grid":
        return Study(study, space=space, first=[each for each in combinations if each not in done][:trials])
    failed = len(study.get_trials(states=(TrialState.FAIL,)))
    more = max(0, int(trials or 0) - len(done) - failed - len(left))
    return Study(study, space=space, first=[trial.params for trial in left], more=more)


def found(root: Path, name: str) -> Study:
    """The sweep `name`, to look at.

    Raises:
        PlanError: there is none of that name.
    """
    file = paths.sweep_journal(root, name)
    if not file.is_file():
        there = ", ".join(sorted(path.stem for path in file.parent.glob("*.jsonl"))) or "none"
        raise PlanError(f"no sweep {name!r} in {file.parent}; there are: {there}")
    study = optuna.load_study(storage=_storage(file), study_name=name)
    return Study(study, live=lock.held(root, f"sweep-{name}"))


def _agree(study: optuna.Study, about: Mapping[str, Any]) -> None:
    """Note what the sweep is about when it begins; refuse to go on with another one under its name."""
    known = study.user_attrs
    for key, value in about.items():
        if known.get(key, value) != value:
            begun = f"the sweep {study.study_name} was begun with the {key} {known[key]}"
            raise PlanError(f"{begun}, now it is {value}: give it another name")
        study.set_user_attr(key, value)


def _sampler(word: str, seed: int) -> optuna.samplers.BaseSampler:
    # A grid is enqueued; its sampler is never asked.
    return optuna.samplers.TPESampler(seed=seed) if word == "tpe" else optuna.samplers.RandomSampler(seed=seed)


def _storage(file: Path) -> JournalStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return JournalStorage(JournalFileBackend(str(file)))


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
