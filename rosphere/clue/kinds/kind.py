"""What a kind of task is: all that differs between the tasks of one kind and those of another.

A new kind is a module with one class, its line in ``kinds.table.KINDS``, and its reader of gold in ``gold.table.GOLD``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from rosphere.clue.sequences import Batch, Example
from rosphere.clue.tasks import Row, Task
from rosphere.text.tokenizer import Tokenizer

# a class; the number of a choice; the text of an answer; or entities (label, first character, last character)
Prediction = str | int | list[tuple[str, int, int]]
Pairs = list[tuple[str, str]]  # (gold, predicted)
NOTHING = "(none)"  # gold: an entity was invented; predicted: one was missed, or a choice that is not there


class Kind(ABC):
    """The decisions that depend on the kind of a task. It holds no state: a task and its rows come with every call.

    ``baseline`` names what ``simple`` does. ``beside`` is a measure that is reported beside the task's metric, for the
    model and for the baseline.
    """

    baseline: str
    beside: str | None = None

    # Examples

    @abstractmethod
    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
        """What is made of row ``number``, in the order of its text; a row without gold gets any valid target."""

    @abstractmethod
    def targets(self, task: Task, chosen: Sequence[Example], max_length: int) -> Tensor:
        """The targets [N, ...] of a batch whose longest sequence has ``longest`` tokens."""

    # Model

    @abstractmethod
    def segments(self, task: Task) -> int:
        """How many segments the head reads as wholes: 1 of a text, 2 of a pair; 0 if it reads tokens one by one."""

    @abstractmethod
    def head(self, task: Task, size: int, *, std: float) -> nn.Module:
        """The layer on top of vectors of ``size``; ``std`` is the encoder's for initialisation."""

    @abstractmethod
    def scores(self, head: nn.Module, vectors: Tensor, batch: Batch) -> Tensor:
        """Scores [N, ...] of the batch's examples from vectors [B, size], or [B, L, size] where segments are 0."""

    @abstractmethod
    def loss(self, scores: Tensor, batch: Batch) -> Tensor:
        """Mean over the examples."""

    @abstractmethod
    def divergence(self, one: Tensor, other: Tensor) -> Tensor:
        """(KL(p || q) + KL(q || p)) / 2 of two scores of the same batch, mean over the examples (R-Drop)."""

    # Prediction

    @abstractmethod
    def kept(self, score: Tensor) -> Tensor:
        """What is needed of one example's scores for its prediction; all examples' are held in memory together."""

    @abstractmethod
    def predictions(
        self, task: Task, rows: Sequence[Row], made: Sequence[Example], kept: Sequence[Tensor], *, assign: bool
    ) -> list[Prediction]:
        """One prediction per row, in order. With ``assign``, rows of one group get different choices."""

    # Measures and analysis

    @abstractmethod
    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        """Whether a prediction is wholly right."""

    @abstractmethod
    def measures(self, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Everything that is measured; the task's metric is one of them."""

    @abstractmethod
    def pairs(self, task: Task, row: Row, guess: Prediction) -> Pairs:
        """(gold, predicted) labels of a row, for confusions; none where there are no classes."""

    @abstractmethod
    def said(self, task: Task, row: Row, guess: Prediction) -> dict[str, Any]:
        """{"gold", "prediction"} in words."""

    # Baselines

    @abstractmethod
    def majority(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """The commonest answer of the training rows, for every row of dev."""

    @abstractmethod
    def simple(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """Something simple that reads the text."""

    # Files

    @abstractmethod
    def is_object(self, task: Task) -> bool:
        """Whether CLUE wants one JSON object {id: prediction} instead of lines."""

    @abstractmethod
    def written(self, row: Row, guess: Prediction) -> object:
        """The prediction as it stands in files, a JSON value."""

    @abstractmethod
    def line(self, row: Row) -> Mapping[str, Any]:
        """What CLUE wants in a line of a submission after "id" and "label"."""

    @abstractmethod
    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        """A JSON value as a prediction, or None if it is none; without the row only what all rows share is checked."""

    @abstractmethod
    def expected(self, task: Task) -> str:
        """What ``parsed`` takes, in words for a complaint."""


def accuracy(kind: Kind, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    """The share of rows whose prediction is wholly right."""
    hits = [kind.right(task, row, guess) for row, guess in zip(rows, predictions, strict=True)]
    return sum(hits) / len(hits)
