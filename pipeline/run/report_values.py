"""Values as a report file holds them: plain JSON, finite, numbers rounded to 6 significant digits."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any


def plain(value: Any, where: str) -> Any:
    """`value` as JSON can hold it; `where` names it in an error.

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: a value is no number, text, truth value, None, sequence or mapping.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _finite(float(value), where)
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}: {key}") for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where}: expected a plain value for the report, got {type(value).__name__}")


def rounded(value: float) -> float:
    """6 significant digits; an int stays as it is."""
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number for the report, got {value}")
    return rounded(value)
