"""The kinds of tasks by the names that ``Task.kind`` gives them."""

from __future__ import annotations

from rosphere.clue.kinds.choices import Choices
from rosphere.clue.kinds.classification import Classification
from rosphere.clue.kinds.entities import Entities
from rosphere.clue.kinds.kind import Kind
from rosphere.clue.kinds.spans import Spans

KINDS: dict[str, Kind] = {
    "classification": Classification(),
    "choices": Choices(),
    "entities": Entities(),
    "spans": Spans(),
}
