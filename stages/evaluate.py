"""evaluate@<task>: the encoder fine-tuned on one task, scored beside honest baselines."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pipeline.run import runner
from pipeline.run.settings import at_least
from rosphere.clue import analysis, baselines, finetuning, predicting, scoring, submission
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.model import TaskModel
from rosphere.clue.reading import is_test, named
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
Splits = Mapping[str, Sequence[Row]]


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
    batch_size: int
    dropout: float
    pooling: Literal["cls", "cls_and_means"]
    seeds: int = 1
    select: Literal["last", "best"] = "last"
    patience: int = 0
    layer_decay: float = 1.0
    r_drop: float = 0.0
    accumulate: int = 1
    gradient_checkpointing: bool = False
    schedule: EpochSchedule

    def __post_init__(self) -> None:
        at_least(self, epochs=1, batch_size=1, seeds=1, patience=0, r_drop=0, accumulate=1)
        if not 0 < self.layer_decay <= 1:
            raise InputError(f"layer_decay: expected a factor in (0, 1], got {self.layer_decay}")
        if self.patience and self.select != "best":
            raise InputError("patience: expected select: best, for without a look at dev there is nothing to wait for")

    def recipe(self) -> finetuning.Recipe:
        shared = {field.name for field in fields(finetuning.Recipe)} - {"schedule"}
        return finetuning.Recipe(schedule=self.schedule.over, **{name: getattr(self, name) for name in shared})


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


def train(task: Task, rows: Splits, tokenizer: Tokenizer, settings: Evaluate, number: int, job: runner.Job) -> Trained:
    """The encoder fine-tuned with the seed plus ``number``."""
    seed = job.scalar("seed", int) + number
    seed_everything(seed)
    language = folder.load(SOURCE, dropout=settings.dropout)
    tokenizer.require(language.config.vocab_size, model=SOURCE)
    model = TaskModel(language.encoder, task, means=settings.pooling == "cls_and_means")
    place = job.checkpoint if settings.seeds == 1 else job.checkpoint / f"seed-{number}"

    def progress(step: int, total: int, metrics: Mapping[str, float]) -> None:
        job.progress(number * total + step, settings.seeds * total, metrics)

    callbacks = Callbacks(progress=progress, stopping=job.stopping)
    history = finetuning.finetune(
        model,
        rows["train"],
        tokenizer,
        settings.recipe(),
        seed=seed,
        folder=place,
        callbacks=callbacks,
        dev=rows["dev"],
        precision=job.precision(language.config.hidden_size),
    )
    guesses = predicting.predict(model, rows["dev"], tokenizer)
    return Trained(model=model, history=history, guesses=guesses, score=scoring.score(task, rows["dev"], guesses))


def write(task: Task, rows: Splits, first: Trained, tokenizer: Tokenizer) -> None:
    """The first seed's predictions, where they are wrong, and what CLUE takes for the test sets."""
    target = PREDICTIONS / task.name
    submission.write_predictions(task, rows["dev"], first.guesses, target / "dev.jsonl")
    found = analysis.analyse(task, rows["dev"], first.guesses)
    text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
    (target / "analysis.json").write_text(text + "\n", encoding="utf-8")
    for split in filter(is_test, rows):
        if rows[split] and official(task, rows[split][0]):
            answers = predicting.predict(first.model, rows[split], tokenizer)
            submission.write_submission(task, rows[split], answers, target, split=split)


def judged(
    task: Task, rows: Splits, runs: Sequence[Trained], settings: Evaluate, tokenizer: Tokenizer
) -> dict[str, Any]:
    """Scores on dev; with several seeds their mean, with each of them beside it."""
    train, dev = rows["train"], rows["dev"]
    first, scores = runs[0], [run.score for run in runs]
    values: dict[str, Any] = {
        "metric": task.metric,
        "score": statistics.fmean(scores) if len(scores) > 1 else scores[0],
        "majority": scoring.score(task, dev, baselines.majority(task, train, dev)),
        "baseline": scoring.score(task, dev, baselines.simple(task, train, dev)),
        "baseline_name": baselines.name(task),
        "train_rows": len(train),
        "dev_rows": len(dev),
        "clue": official(task, dev[0]),
    }
    if beside := scoring.beside(task):
        simple = scoring.measures(task, dev, baselines.simple(task, train, dev))
        values |= {**scoring.measures(task, dev, first.guesses), f"baseline_{beside}": simple[beside]}
    if task.group and task.group in dev[0]:
        alone = predicting.predict(first.model, dev, tokenizer, assign=False)
        values["accuracy_without_assignment"] = scoring.score(task, dev, alone)
    if len(runs) > 1:
        values |= {"scores": scores, "score_std": statistics.stdev(scores)}
    if settings.select == "best":
        values |= {"selected_on_dev": True, "epochs_seen": [_epochs_seen(run.history) for run in runs]}
    return values


def _epochs_seen(history: History) -> int:
    return sum(finetuning.DEV in row and row["step"] > 0 for row in history)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m stages.evaluate TASK")
    with runner.stage(f"evaluate@{sys.argv[1]}") as job:
        task, settings = named(sys.argv[1]), job.section(Evaluate)
        rows = splits(task.name)
        if not rows.get("train") or not rows.get("dev"):
            raise InputError(f"{DATA / 'tasks' / task.name}: expected train.jsonl and dev.jsonl with rows")
        tokenizer = Tokenizer(DATA / "tokenizer")
        runs = [train(task, rows, tokenizer, settings, number, job) for number in range(settings.seeds)]
        numbered = [{"seed": float(n), **row} for n, run in enumerate(runs) for row in run.history]
        job.curve(numbered if settings.seeds > 1 else runs[0].history)
        write(task, rows, runs[0], tokenizer)
        job.artifact(PREDICTIONS / task.name)
        job.report(judged(task, rows, runs, settings, tokenizer))


if __name__ == "__main__":
    main()
