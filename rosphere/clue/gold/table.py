"""How the right answers of each kind of task are read.

Apart from ``kinds``, because `prepare` reads answers and trains nothing: a change to a loss must not make it stale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from rosphere.clue.gold import choices, classification, entities, spans
from rosphere.clue.tasks import Row, Task

# (task, row, its place in a file, counts of repairs) -> the row to keep; InputError where its answer cannot be used
Reader = Callable[[Task, Row, str, Counter[str]], Row]

GOLD: dict[str, Reader] = {
    "classification": classification.read,
    "choices": choices.read,
    "entities": entities.read,
    "spans": spans.read,
}
