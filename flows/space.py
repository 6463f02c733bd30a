"""What a sweep may try, as one types it: `25,50,100`, `1e-4..1e-2`, `log:1e-4..1e-2`, `1..8`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pipeline.workspace.graph import PlanError

RANGE = re.compile(r"(log:)?([-+.\deE]+)\.\.([-+.\deE]+)")
OPENING, CLOSING = "[{(", "]})"


def read(space: Mapping[str, str]) -> dict[str, BaseDistribution]:
    """A distribution for every key: a range of whole numbers if both ends are such, of floats, or a list of choices.

    Choices stay the text that was typed, as an override holds it.

    Raises:
        PlanError: no key, a range whose ends are no numbers or the wrong way round, an empty list.
    """
    if not space:
        raise PlanError("a sweep needs something to vary, such as vmf_vae.kappa=25,50,100")
    return {key: _distribution(key, text) for key, text in space.items()}


def grid(space: Mapping[str, BaseDistribution]) -> list[dict[str, str]]:
    """Every combination of choices.

    Raises:
        PlanError: a range, which has no end of values.
    """
    for key, distribution in space.items():
        if not isinstance(distribution, CategoricalDistribution):
            raise PlanError(f"{key}: a grid needs choices such as 1,2,4, not a range; or give --sampler tpe")
    choices = [[str(choice) for choice in each.choices] for each in space.values()]  # type: ignore[attr-defined]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*choices)]


def _distribution(key: str, text: str) -> BaseDistribution:
    if found := RANGE.fullmatch(text.strip()):
        return _range(key, text, *found.groups())
    choices = split(text)
    if not all(choices):
        raise PlanError(f"{key}: expected choices such as 1,2,4 or a range such as 1e-4..1e-2, got {text!r}")
    return CategoricalDistribution(choices)


def _range(key: str, text: str, log: str | None, low: str, high: str) -> BaseDistribution:
    try:
        if low.isdecimal() and high.isdecimal():
            return IntDistribution(int(low), int(high), log=bool(log))
        return FloatDistribution(float(low), float(high), log=bool(log))
    except ValueError as error:
        raise PlanError(f"{key}: expected a range such as 1e-4..1e-2, got {text!r} ({error})") from error


def split(text: str) -> Sequence[str]:
    """At commas, but not at those inside brackets, which belong to a list or a mapping."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in OPENING) - (letter in CLOSING)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
