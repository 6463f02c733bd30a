"""What a file says of a pair of sentences: alike or not, a class of inference, or a grade. One reading for all."""

from __future__ import annotations

import math
from typing import Literal

from rosphere.errors import InputError

Inference = Literal["contradiction", "neutral", "entailment"]
INFERENCE: tuple[Inference, ...] = ("contradiction", "neutral", "entailment")  # as grades 0, 1 and 2
UNLABELLED = ("", "-")  # "-": annotators disagreed


def value(given: object, where: str) -> float | Inference | None:
    """A number, a class of natural language inference, or None where there is no label.

    1, 1.0, true, "1", "1.0" and "1 " are one number.

    Raises:
        InputError: anything else, NaN and infinity too.
    """
    if given is None:
        return None
    if isinstance(given, str):
        word = given.strip().lower()
        if word in UNLABELLED:
            return None
        known = next((name for name in INFERENCE if name == word), None)
        if known:
            return known
        if word in ("true", "false"):
            return float(word == "true")
    number = _number(given)
    if number is None or not math.isfinite(number):
        shown = repr(given) if len(repr(given)) <= 40 else f"{repr(given)[:40]}…"
        raise InputError(
            f"{where}: expected a number as score, got {shown}, which is none of {', '.join(INFERENCE)} either"
        )
    return number


def _number(given: object) -> float | None:
    try:
        return float(given) if isinstance(given, int | float | str) else None
    except (ValueError, OverflowError):  # an integer of thousands of digits
        return None


def is_alike(given: float | Inference, where: str, *, positive_from: float | None = None) -> bool | None:
    """Whether a labelled pair says the same: 1 does, 0 does not; entailment does, contradiction does not. None is
    neither: neutral, and a grade below ``positive_from``, for a low grade is not yet a hard negative.

    Raises:
        InputError: a number that is neither 0 nor 1, which is a grade, where no threshold says what to make of grades.
    """
    if isinstance(given, str):
        return {"entailment": True, "contradiction": False}.get(given)
    if positive_from is not None:
        return True if given >= positive_from else None
    if given not in (0, 1):
        raise InputError(
            f"{where}: expected a label 0 or 1, got the grade {given:g}; say from which grade on a pair is alike "
            "(params.yaml: prepare.local.positive_from), or give graded pairs under prepare.local.graded"
        )
    return given == 1


def grade(given: object, where: str) -> float | None:
    """The label as a number; of inference 0 contradiction, 1 neutral, 2 entailment. None where there is no label."""
    found = value(given, where)
    return float(INFERENCE.index(found)) if isinstance(found, str) else found
