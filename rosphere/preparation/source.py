"""What every source of text gives to the preparation: documents, similar groups, task rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sentences that say the same. Groups of one family look alike and say different things (hard negatives)."""

    name: str
    family: str
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    documents: Callable[[], Iterator[str]]
    groups: Sequence[Group]
    tasks: Mapping[str, Mapping[str, Sequence[Row]]]  # task -> split -> rows in the task's own fields
    origin: Mapping[str, str]  # where each part came from, for the report
