"""evaluate@<task>: the encoder fine-tuned on one task, scored beside honest baselines."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rosphere import fitting
from rosphere.clue import baselines, finetuning, scoring, submission
from rosphere.clue.reading import named
from rosphere.clue.tasks import Row
from rosphere.encoder import folder
from rosphere.errors import InputError
from rosphere.fitting import Callbacks, Schedule
from rosphere.text import reading
from rosphere.text.tokenizer import Tokenizer
from stages import runner

DATA, SOURCE = Path("data"), Path("models/pretrain_wide")


@dataclass(frozen=True, kw_only=True)
class Pace:
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
    rows: int
    dropout: float
    pair_features: bool
    schedule: Pace


def splits(name: str) -> dict[str, list[Row]]:
    folder_ = DATA / "tasks" / name
    return {path.stem: [row for _, row in reading.rows(path)] for path in sorted(folder_.glob("*.jsonl"))}


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m stages.evaluate TASK")
    with runner.stage(f"evaluate@{sys.argv[1]}") as job:
        task, settings, seed = named(sys.argv[1]), job.section(Evaluate), job.scalar("seed", int)
        rows = splits(task.name)
        if not rows.get("train") or not rows.get("dev"):
            raise InputError(f"{DATA / 'tasks' / task.name}: expected train.jsonl and dev.jsonl with rows")
        tokenizer = Tokenizer(DATA / "tokenizer")
        fitting.seed_everything(seed)
        language = folder.load(SOURCE, dropout=settings.dropout)
        tokenizer.require(language.config.vocab_size, model=SOURCE)
        model = finetuning.TaskModel(language.encoder, task, pair_features=settings.pair_features)
        recipe = finetuning.Recipe(epochs=settings.epochs, rows=settings.rows, schedule=settings.schedule.over)
        callbacks = Callbacks(progress=job.progress, stopping=job.stopping)
        history = finetuning.finetune(
            model, rows["train"], tokenizer, recipe, seed=seed, folder=job.checkpoint, callbacks=callbacks
        )
        job.curve(history)
        target = Path("reports/predictions") / task.name
        guesses = finetuning.predict(model, rows["dev"], tokenizer)
        submission.write_predictions(task, rows["dev"], guesses, target / "dev.jsonl")
        if task.clue and rows.get("test"):
            answers = finetuning.predict(model, rows["test"], tokenizer)
            submission.write_submission(task, rows["test"], answers, target)
        job.report(
            {
                "metric": task.metric,
                "score": scoring.score(task, rows["dev"], guesses),
                "majority": scoring.score(task, rows["dev"], baselines.majority(task, rows["train"], rows["dev"])),
                "baseline": scoring.score(task, rows["dev"], baselines.simple(task, rows["train"], rows["dev"])),
                "baseline_name": "lexicon" if task.kind == "entities" else "TF-IDF + logistic regression",
                "train_rows": len(rows["train"]),
                "dev_rows": len(rows["dev"]),
                "clue": task.clue,
            }
        )


if __name__ == "__main__":
    main()
