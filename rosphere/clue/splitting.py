"""Rows set apart by a share and a seed; rows that belong together stay together."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from rosphere.clue.tasks import Row, Task
from rosphere.text.cleaning import fingerprint

T = TypeVar("T")


def together(task: Task, row: Row) -> bytes:
    """Equal for rows that must not be on two sides: of reading and of choices those of one text, else equal texts."""
    texts = task.texts(row)
    if task.kind == "spans":
        return fingerprint(texts[1])
    if task.kind == "choices" and not task.blank and fingerprint(texts[0]) != fingerprint(""):
        return fingerprint(texts[0])
    return fingerprint("\t".join(texts))


def apart(rows: Sequence[T], key: Callable[[T], Hashable], *, share: float, seed: int) -> tuple[list[T], list[T]]:
    """(the others, those set apart), both in the order of ``rows``; about ``share`` of them, by whole groups.

    At least one group on each side, where there are two.
    """
    groups: dict[Hashable, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(key(row), []).append(number)
    names = sorted(groups, key=lambda name: groups[name][0])
    random.Random(seed).shuffle(names)
    wanted, chosen = max(1, round(share * len(rows))), set[int]()
    for name in names[: len(names) - 1]:
        if len(chosen) >= wanted:
            break
        chosen.update(groups[name])
    kept = [row for number, row in enumerate(rows) if number not in chosen]
    return kept, [row for number, row in enumerate(rows) if number in chosen]
