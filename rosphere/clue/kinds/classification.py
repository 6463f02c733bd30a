"""A class of one or two texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from torch import Tensor, nn

from rosphere.clue import softmax, tfidf
from rosphere.clue.kinds.kind import Pairs, Prediction
from rosphere.clue.kinds.one_of import OneOf
from rosphere.clue.sequences import Batch, Example, fitted, joined
from rosphere.clue.tasks import Row, Task
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer


@final
class Classification(OneOf):
    """[CLS] text [SEP], or [CLS] text [SEP] text [SEP], and a score for each of the task's labels."""

    baseline = "TF-IDF + logistic regression"

    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
        parts = fitted(tokenizer.ids([clean(text) for text in task.texts(row)]), task.max_length)
        label = task.labels.index(str(row[task.gold])) if task.gold in row else 0
        return [Example(row=number, sequences=(joined(parts, tokenizer),), target=label)]

    def segments(self, task: Task) -> int:
        return 2 if task.pair else 1

    def head(self, task: Task, size: int, *, std: float) -> nn.Module:
        return softmax.linear(size, len(task.labels), std=std)

    def scores(self, head: nn.Module, vectors: Tensor, batch: Batch) -> Tensor:
        """[N, C]"""
        scores: Tensor = head(vectors).float()
        return scores

    def predictions(
        self, task: Task, rows: Sequence[Row], made: Sequence[Example], kept: Sequence[Tensor], *, assign: bool
    ) -> list[Prediction]:
        return [task.labels[int(each.argmax())] for each in kept]

    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        return str(row[task.gold]) == guess

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

    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        label = str(value).lower() if isinstance(value, bool) else str(value)
        return label if isinstance(value, str | int) and label in task.labels else None

    def expected(self, task: Task) -> str:
        return f"one of {', '.join(task.labels)}"
