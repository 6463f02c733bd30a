"""Which of two versions of a model is to be served: the rule that moves the alias `champion`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rosphere.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A version takes the alias if its metric is better by more than the spread, measured on the same data."""

    measured_by: str  # the stage whose run brings the metric, and registers the model
    metric: str
    better: Literal["higher", "lower"]
    spread: float | str  # how far runs that differ only in their seed lie apart: a number, or a metric of the run
    folder: str = ""  # below models/; that of the model's name if none is given
    measured_on: list[str] = field(default_factory=list)  # dependencies of the stage without which nothing compares

    def __post_init__(self) -> None:
        if isinstance(self.spread, float) and not self.spread >= 0:
            raise InputError(f"spread: expected 0 or more, got {self.spread}")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is known of a version: its run's final metrics and the hashes of what its stage read."""

    metrics: Mapping[str, float]
    deps: Mapping[str, str]


def decision(rule: Champion, new: Measured, old: Measured | None) -> tuple[bool, str]:
    """Whether `new` takes the alias from `old` (None: nobody has it, or nothing is known of who has), and why."""
    if rule.metric not in new.metrics:
        return False, f"the run has no metric {rule.metric}"
    value = new.metrics[rule.metric]
    if old is None:
        return True, f"{rule.metric} {value:g}, the first"
    if rule.metric not in old.metrics:
        return False, f"the champion's run has no metric {rule.metric}: choose by hand"
    if other := [path for path in rule.measured_on if new.deps.get(path) != old.deps.get(path)]:
        return False, f"measured on another {other[0]} than the champion: choose by hand"
    before = old.metrics[rule.metric]
    gain = value - before if rule.better == "higher" else before - value
    spread = _spread(rule, new, old)
    change = f"{rule.metric} {value:g} after {before:g}, a gain of {gain:g}"
    return gain > spread, f"{change}, {'more' if gain > spread else 'not more'} than the spread {spread:g}"


def _spread(rule: Champion, *runs: Measured) -> float:
    if isinstance(rule.spread, str):
        return max(run.metrics.get(rule.spread, 0.0) for run in runs)
    return rule.spread
