"""What a stage says of itself in its script, once: `DECLARATION = Declaration(...)`.

The check and the schema import it, for the settings. Everybody else reads it from the script's text (`read`), without
running the script: the page needs no torch, and stays a function of files that dvc.yaml can name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from pipeline.workspace.yaml_file import ConfigError

Better = Literal["lower", "higher"]
NAME = "DECLARATION"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A number that a metric has to beat."""

    key: str  # where it stands in a report, as of a metric
    name: str  # "TF-IDF"; {baseline_name} is that text of the metric's own report
    stage: str = ""  # whose report: "pretrain", "evaluate_vae@gaussian"; the metric's own if none is said
    item: str = ""  # the only item that it is a rival of


@dataclass(frozen=True, kw_only=True)
class Metric:
    key: str  # dotted path in the stage's report: "negation.paraphrase_nearer"
    label: str
    better: Better | None = None  # None where neither is known to be better
    format: str = ".4g"
    listed: bool = True  # whether it has a row, or a column, in a table of its section
    headline: str = (
        ""  # what the top of the page calls it, if it is one of those; {item} and the report's texts may stand there
    )
    rivals: tuple[Rival, ...] = ()

    @property
    def word(self) -> str:
        return self.key.rpartition(".")[2]

    def text(self, report: Mapping[str, Any]) -> str:
        """The value in a report, as the page writes it."""
        return format(value(report, self.key), self.format)


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A figure of one column of the stage's curve over another, a line an item."""

    name: str  # of its file
    title: str
    x: str
    y: str
    x_label: str
    y_label: str


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """`read` knows no classes: `settings` is None there."""

    title: str  # of the section of the page; stages with the same title share one
    settings: type[Any] | None = None  # of its section of params.yaml
    items: str = ""  # of a stage with items: the key of params.yaml that lists them
    metrics: tuple[Metric, ...] = ()
    figures: tuple[str | Lines, ...] = ()  # Lines, or names in pipeline.report.figures.DRAWERS
    others: tuple[str, ...] = ()  # how names in its report begin that are not the model's: what it is held against
    certificates: tuple[str, ...] = ()  # files that go along with every model that grows from this stage's

    @property
    def figure_names(self) -> tuple[str, ...]:
        return tuple(map(named, self.figures))

    @property
    def listed(self) -> tuple[Metric, ...]:
        """Those in the tables of the page."""
        return tuple(metric for metric in self.metrics if metric.listed)

    def better(self, key: str) -> Better | None:
        """Which way the number is better that stands in the report, or in MLflow, under `key`; None: nobody knows."""
        *path, word = re.split("[./]", key)
        if any(part.startswith(self.others) for part in path):
            return None
        return next((metric.better for metric in self.metrics if metric.word == word), None)

    def main(self, key: str) -> bool:
        """Whether the top of the page speaks of it."""
        word = re.split("[./]", key)[-1]
        return any(metric.headline and metric.word == word for metric in self.metrics)


def named(figure: str | Lines) -> str:
    return figure if isinstance(figure, str) else figure.name


KINDS: Mapping[str, Callable[..., Any]] = {kind.__name__: kind for kind in (Declaration, Lines, Metric, Rival)}


def value(report: Mapping[str, Any], key: str) -> Any:
    """What stands in a report under a dotted key."""
    return reduce(lambda node, word: node[word], key.split("."), report)


def held(report: Mapping[str, Any], key: str) -> bool:
    """Whether something stands in a report under a dotted key."""
    node: Any = report
    for word in key.split("."):
        if not (isinstance(node, Mapping) and word in node):
            return False
        node = node[word]
    return True


def read(folder: Path) -> dict[str, Declaration]:
    """The declarations of the scripts in `folder` by the word of the stage, in its order; not all scripts have one.

    Raises:
        ConfigError: a declaration is not made of literals and of the classes here.
    """
    found: dict[str, Declaration] = {}
    for path in sorted(folder.glob("*.py")):
        for node in _parsed(path).body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [NAME]:
                found[path.stem] = _built(node.value, path)
    return found


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}: {error.msg}") from error


def _built(node: ast.expr, path: Path) -> Any:
    """The value of an expression, as Python would give it."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_built(each, path) for each in node.elts)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and not node.args):
        expected = f"a literal, a tuple or one of {', '.join(KINDS)} with names"
        raise ConfigError(f"{path}:{node.lineno}: {NAME}: expected {expected}, got {ast.unparse(node)}")
    given = {each.arg or "": each.value for each in node.keywords if each.arg != "settings"}
    try:
        return KINDS[node.func.id](**{name: _built(each, path) for name, each in given.items()})
    except TypeError as error:
        raise ConfigError(f"{path}:{node.lineno}: {NAME}: {error}") from error
