"""What the page says of one subject, as data: its title, its metrics with their labels, its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    key: str  # dotted path in the stage's report: "negation.paraphrase_nearer"
    label: str
    better: Better | None = None  # None where neither is known to be better
    format: str = ".4g"

    @property
    def word(self) -> str:
        return self.key.rpartition(".")[2]

    def text(self, report: Mapping[str, Any]) -> str:
        """The value in a report, as the page writes it."""
        value = reduce(lambda node, word: node[word], self.key.split("."), report)
        return format(value, self.format)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    title: str  # of the section
    metrics: tuple[Metric, ...]
    figures: tuple[str, ...]  # names in figures.FIGURES
