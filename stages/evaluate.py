"""evaluate@<task>: the encoder fine-tuned on one task, scored beside honest baselines."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration, Metric, Rival
from rosphere.clue import analysis, baselines, declared, finetuning, fit, predicting, scoring, splitting, submission
from rosphere.clue import folder as folders
from rosphere.clue.baselines import Baselines
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.model import TaskModel
from rosphere.clue.overrides import Overrides
from rosphere.clue.reading import is_scored, is_test
from rosphere.clue.tasks import Row, Task, official
from rosphere.encoder import folder
from rosphere.errors import InputError
from rosphere.randomness.state import seed_everything
from rosphere.text import reading
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule

DATA, SOURCE, PREDICTIONS = Path("data"), Path("models/pretrain_wide"), Path("reports/predictions")
TARGET = Path("models/evaluate")  # the first seed's model of each task
Splits = Mapping[str, Sequence[Row]]
Floor = Mapping[str, Baselines]  # split -> what was measured of the baselines on it


@dataclass(frozen=True, kw_only=True)
class EpochSchedule:
    """A schedule whose number of steps follows from the epochs and the rows."""

    learning_rate: float
    warmup: float = 0.1
    decay: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = 0.01
    clip: float = 1.0
    log_every: int = 20
    checkpoint_every: int = 200

    def over(self, steps: int) -> Schedule:
        return Schedule(steps=steps, **{name: getattr(self, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    epochs: int
    minimum_steps: int = 0
    batch_size: int
    dropout: float
    pooling: Literal["cls", "cls_and_means"]
    seeds: int = 1
    select: Literal["last", "best"] = "last"
    select_share: float = 0.1
    patience: int = 0
    layer_decay: float = 1.0
    r_drop: float = 0.0
    accumulate: int = 1
    gradient_checkpointing: bool = False
    tasks: dict[str, Overrides] = field(default_factory=dict)
    schedule: EpochSchedule

    def __post_init__(self) -> None:
        at_least(self, epochs=1, minimum_steps=0, batch_size=1, seeds=1, patience=0, r_drop=0, accumulate=1)
        if not 0 < self.layer_decay <= 1:
            raise InputError(f"layer_decay: expected a factor in (0, 1], got {self.layer_decay}")
        if not 0 < self.select_share < 1:
            raise InputError(f"select_share: expected a share between 0 and 1, got {self.select_share}")
        if self.patience and self.select != "best":
            raise InputError("patience: expected select: best, else there is nothing to wait for")
        for name in self.tasks:
            try:
                self.of(name).schedule.over(1)  # refuses numbers that no schedule takes
            except InputError as error:
                raise InputError(f"tasks.{name}.{error}") from error

    def of(self, task: str) -> Evaluate:
        """The settings of one task."""
        given = self.tasks[task].given() if task in self.tasks else {}
        own = {key: value for key, value in given.items() if key in self.__dataclass_fields__}
        rest = {key: value for key, value in given.items() if key in EpochSchedule.__dataclass_fields__}
        return replace(self, tasks={}, **own, schedule=replace(self.schedule, **rest))

    def max_length(self, task: str) -> int | None:
        """Tokens of its rows, instead of those that the task declares."""
        return self.tasks[task].max_length if task in self.tasks else None

    def recipe(self) -> finetuning.Recipe:
        shared = {each.name for each in fields(finetuning.Recipe)} - {"schedule"}
        return finetuning.Recipe(schedule=self.schedule.over, **{name: getattr(self, name) for name in shared})


DECLARATION = Declaration(
    title="Tasks",
    settings=Evaluate,
    items="tasks",
    metrics=(
        Metric(
            key="score",
            label="score on dev",
            better="higher",
            format=".3f",
            headline="{item} ({metric})",
            rivals=(
                Rival(key="majority", name="the majority baseline"),
                Rival(key="baseline", name="{baseline_name}"),
            ),
        ),
    ),
    figures=("tasks",),
)


def splits(name: str) -> dict[str, list[Row]]:
    folder_ = DATA / "tasks" / name
    return {path.stem: [row for _, row in reading.rows(path)] for path in sorted(folder_.glob("*.jsonl"))}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One seed's model and what it said to dev."""

    model: TaskModel
    history: History
    guesses: list[Prediction]
    score: float
    chosen_on: int  # training rows set apart to choose the epoch by
    tests: Mapping[str, list[Prediction]]  # split -> what it said to it: of the first seed all, else those with answers


def train(task: Task, rows: Splits, tokenizer: Tokenizer, settings: Evaluate, number: int, job: runner.Job) -> Trained:
    """The encoder fine-tuned with the seed plus ``number``."""
    seed = job.scalar("seed", int) + number
    seed_everything(seed)
    language = folder.load(SOURCE, dropout=settings.dropout, fresh_head=True)
    tokenizer.require(language.config.vocab_size, model=SOURCE)
    model = TaskModel(language.encoder, task, means=settings.pooling == "cls_and_means")
    place = job.checkpoint if settings.seeds == 1 else job.checkpoint / f"seed-{number}"

    def progress(step: int, total: int, metrics: Mapping[str, float]) -> None:
        job.progress(number * total + step, settings.seeds * total, metrics)

    callbacks = Callbacks(progress=progress, stopping=job.stopping)
    learnt, chosen = set_apart(task, rows["train"], settings, seed)
    history = finetuning.finetune(
        model,
        learnt,
        tokenizer,
        settings.recipe(),
        seed=seed,
        folder=place,
        callbacks=callbacks,
        dev=chosen,
        precision=job.precision(language.config.hidden_size),
    )
    guesses = predicting.predict(model, rows["dev"], tokenizer)
    asked = [split for split in filter(is_test, rows) if rows[split] and (number == 0 or is_scored(task, rows[split]))]
    tests = {split: predicting.predict(model, rows[split], tokenizer) for split in asked}
    score = scoring.score(task, rows["dev"], guesses)
    return Trained(model=model, history=history, guesses=guesses, score=score, chosen_on=len(chosen), tests=tests)


def set_apart(task: Task, train: Sequence[Row], settings: Evaluate, seed: int) -> tuple[Sequence[Row], Sequence[Row]]:
    """What is learnt, and with select: best the training rows by which the epoch is chosen: never those reported.

    Raises:
        InputError: too few rows that differ.
    """
    if settings.select == "last":
        return train, ()
    learnt, chosen = splitting.apart(
        train, lambda row: splitting.together(task, row), share=settings.select_share, seed=seed
    )
    if not learnt or not chosen:
        raise InputError(f"evaluate.select: best needs training rows that differ, {task.name} has {len(train)}")
    return learnt, chosen


def write(task: Task, rows: Splits, first: Trained) -> None:
    """The first seed's predictions for dev and the test sets, where dev's are wrong, and what CLUE takes."""
    target = PREDICTIONS / task.name
    submission.write_predictions(task, rows["dev"], first.guesses, target / "dev.jsonl")
    found = analysis.analyse(task, rows["dev"], first.guesses)
    text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
    (target / "analysis.json").write_text(text + "\n", encoding="utf-8")
    for split, answers in first.tests.items():
        submission.write_predictions(task, rows[split], answers, target / f"{split}.jsonl")
        if official(task, rows[split][0]):
            submission.write_submission(task, rows[split], answers, target, split=split)


def judged(
    task: Task, rows: Splits, runs: Sequence[Trained], settings: Evaluate, tokenizer: Tokenizer, floor: Floor
) -> dict[str, Any]:
    """Scores on dev, and on test sets with answers; with several seeds their mean, with each of them beside it."""
    train, dev = rows["train"], rows["dev"]
    first, scores = runs[0], [run.score for run in runs]
    values: dict[str, Any] = {
        "metric": task.metric,
        "score": statistics.fmean(scores) if len(scores) > 1 else scores[0],
        "majority": floor["dev"].majority[task.metric],
        "baseline": floor["dev"].simple[task.metric],
        "baseline_name": floor["dev"].name,
        "train_rows": len(train),
        "dev_rows": len(dev),
        "steps": first.history[-1]["step"],
        "clue": official(task, dev[0]),
    }
    if beside := scoring.beside(task):
        simple = floor["dev"].simple[beside]
        values |= {**scoring.measures(task, dev, first.guesses), f"baseline_{beside}": simple}
    values |= _tested(task, rows, runs, floor) | _fitted(task, dev, tokenizer)
    if task.group and task.group in dev[0]:
        alone = predicting.predict(first.model, dev, tokenizer, assign=False)
        values["accuracy_without_assignment"] = scoring.score(task, dev, alone)
    if len(runs) > 1:
        values |= {"scores": scores, "score_std": statistics.stdev(scores)}
    if settings.select == "best":
        values |= {"selected_on_train_rows": first.chosen_on, "select_share": settings.select_share}
        values |= {"epochs_seen": [_epochs_seen(run.history) for run in runs]}
    return values


def _tested(task: Task, rows: Splits, runs: Sequence[Trained], floor: Floor) -> dict[str, Any]:
    """Scores on the test sets of one's own that have answers, the seeds' mean, beside the baselines there."""
    values: dict[str, Any] = {}
    for split in floor:
        if split != "dev":
            scores = [scoring.score(task, rows[split], run.tests[split]) for run in runs]
            values |= {f"{split}_score": statistics.fmean(scores), f"{split}_rows": len(rows[split])}
            values |= {
                f"{split}_majority": floor[split].majority[task.metric],
                f"{split}_baseline": floor[split].simple[task.metric],
            }
    return values


def _fitted(task: Task, dev: Sequence[Row], tokenizer: Tokenizer) -> dict[str, Any]:
    """How many of the dev rows are cut, at the length that was trained with, and the share of unknown tokens."""
    found = fit.measured(task, dev, tokenizer)
    return {f"dev_{key}": found[key] for key in ("cut", "cut_share", "unknown_share") if key in found}


def floors(task: Task, rows: Splits) -> Floor:
    """The baselines on dev and on test sets with answers: before training, so that none of them can cost its result."""
    scored = ["dev", *(split for split in filter(is_test, rows) if is_scored(task, rows[split]))]
    found = {split: baselines.measured(task, rows["train"], rows[split]) for split in scored}
    if found["dev"].stands_in:
        print(f"evaluate@{task.name}: baseline: {found['dev'].name}", flush=True)
    return found


def _epochs_seen(history: History) -> int:
    return sum(finetuning.DEV in row and row["step"] > 0 for row in history)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m stages.evaluate TASK")
    with runner.stage(f"evaluate@{sys.argv[1]}") as job:
        name = sys.argv[1]
        all_tasks = job.section(Evaluate)
        settings, (task, own) = all_tasks.of(name), declared.read(DATA / "tasks" / name)
        task = fit.with_length(task, all_tasks.max_length(name))
        rows = splits(name)
        if not rows.get("train") or not rows.get("dev"):
            raise InputError(f"{DATA / 'tasks' / task.name}: expected train.jsonl and dev.jsonl with rows")
        tokenizer = Tokenizer(DATA / "tokenizer")
        floor = floors(task, rows)
        runs = [train(task, rows, tokenizer, settings, number, job) for number in range(settings.seeds)]
        numbered = [{"seed": float(n), **row} for n, run in enumerate(runs) for row in run.history]
        job.curve(numbered if settings.seeds > 1 else runs[0].history)
        write(task, rows, runs[0])
        said = declared.declaration(DATA / "tasks" / name)
        folders.save(runs[0].model, TARGET / name, tokenizer=DATA / "tokenizer", own=said)
        job.artifact(PREDICTIONS / task.name)
        job.report({**judged(task, rows, runs, settings, tokenizer, floor), "own": own})


if __name__ == "__main__":
    main()
