"""A class of one or two texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from rosphere.clue import softmax, tfidf
from rosphere.clue.kinds.kind import Kind, Pairs, Prediction, accuracy
from rosphere.clue.sequences import Batch, Example, fitted, joined
from rosphere.clue.tasks import Row, Task
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer


@final
class Classification(Kind):
    """[CLS] text [SEP], or [CLS] text [SEP] text [SEP], and a score for each of the task's labels."""

    baseline = "TF-IDF + logistic regression"

    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
        parts = fitted(tokenizer.ids([clean(text) for text in task.texts(row)]), task.max_length)
        label = task.labels.index(str(row[task.gold])) if task.gold in row else 0
        return [Example(row=number, sequences=(joined(parts, tokenizer),), target=label)]

    def targets(self, task: Task, chosen: Sequence[Example], max_length: int) -> Tensor:
        """[N] numbers of labels."""
        return torch.tensor([example.target for example in chosen])

    def segments(self, task: Task) -> int:
        return 2 if task.pair else 1

    def head(self, task: Task, size: int, *, std: float) -> nn.Module:
        return softmax.linear(size, len(task.labels), std=std)

    def scores(self, head: nn.Module, vectors: Tensor, batch: Batch) -> Tensor:
        """[N, C]"""
        scores: Tensor = head(vectors).float()
        return scores

    def loss(self, scores: Tensor, batch: Batch) -> Tensor:
        return softmax.loss(scores, batch.target)

    def divergence(self, one: Tensor, other: Tensor) -> Tensor:
        return softmax.divergence(one, other)

    def kept(self, score: Tensor) -> Tensor:
        return score

    def predictions(
        self, task: Task, rows: Sequence[Row], made: Sequence[Example], kept: Sequence[Tensor], *, assign: bool
    ) -> list[Prediction]:
        return [task.labels[int(each.argmax())] for each in kept]

    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        return str(row[task.gold]) == guess

    def measures(self, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
        return {"accuracy": accuracy(self, task, rows, predictions)}

    def pairs(self, task: Task, row: Row, guess: Prediction) -> Pairs:
        return [(str(row[task.gold]), str(guess))]

    def said(self, task: Task, row: Row, guess: Prediction) -> dict[str, Any]:
        return {"gold": row[task.gold], "prediction": guess}

    def majority(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """The commonest class."""
        commonest = Counter(str(row[task.gold]) for row in train).most_common(1)[0][0]
        return [commonest for _ in dev]

    def simple(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """Logistic regression on TF-IDF of character 1- to 3-grams; of pairs on |a - b| and a * b."""
        from scipy import sparse
        from sklearn.linear_model import LogisticRegression

        classes = {str(row[task.gold]) for row in train}
        if len(classes) < 2:
            raise tfidf.NothingShared(f"all training rows have the label {min(classes)}")
        texts = {"train": [task.texts(row) for row in train], "dev": [task.texts(row) for row in dev]}
        vectorizer = tfidf.characters([part for parts in texts["train"] for part in parts], least=2)

        def features(rows: list[tuple[str, ...]]) -> sparse.csr_matrix:
            one, *other = (vectorizer.transform(column) for column in zip(*rows, strict=True))
            return sparse.hstack([abs(one - other[0]), one.multiply(other[0])]).tocsr() if other else one

        model = LogisticRegression(max_iter=1000, C=4.0)
        model.fit(features(texts["train"]), [str(row[task.gold]) for row in train])
        return [str(label) for label in np.asarray(model.predict(features(texts["dev"])))]

    def is_object(self, task: Task) -> bool:
        return False

    def written(self, task: Task, row: Row, guess: Prediction) -> object:
        return guess

    def line(self, task: Task, row: Row) -> Mapping[str, Any]:
        return {}

    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        label = str(value).lower() if isinstance(value, bool) else str(value)
        return label if isinstance(value, str | int) and label in task.labels else None

    def expected(self, task: Task) -> str:
        return f"one of {', '.join(task.labels)}"
