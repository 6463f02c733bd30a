"""The numbers in a nested document, flat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flat(values: Mapping[str, Any], *, separator: str = "/", lists: bool = True, above: str = "") -> dict[str, float]:
    """The numeric leaves of nested mappings, under keys joined with `separator`; of `lists` too, by index."""
    found: dict[str, float] = {}
    for key, value in values.items():
        if lists and isinstance(value, (list, tuple)):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, Mapping):
            found |= flat(value, separator=separator, lists=lists, above=f"{above}{key}{separator}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[f"{above}{key}"] = float(value)
    return found
