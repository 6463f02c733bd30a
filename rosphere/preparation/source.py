"""What every source of text gives to the preparation: documents, similar groups, task rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rosphere.clue.declared import Declared
from rosphere.clue.tasks import Task
from rosphere.text.reading import Meter

Row = Mapping[str, Any]
Origin = Literal["group", "answers", "passage", "near", "general"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sentences that say the same. Groups of one family look alike and say different things (hard negatives)."""

    name: str
    family: str
    texts: tuple[str, ...]
    origin: Origin = "group"  # given as a group, or mined: see mining.py; or of the general ones


@dataclass(frozen=True, kw_only=True)
class Negative:
    """Two sentences of which people said that they do not say the same."""

    name: str
    sentence1: str
    sentence2: str


@dataclass(frozen=True, kw_only=True)
class Graded:
    """A pair of sentences with a grade by people, of a set used for evaluation."""

    sentence1: str
    sentence2: str
    score: float
    split: Literal["train", "dev", "test"]


@dataclass(frozen=True, kw_only=True)
class Text:
    """Documents of one place. With a ``weight`` of 2 each is read twice in an epoch, of 0.5 one half of them."""

    name: str
    documents: Callable[[], Iterator[str]]
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Source:
    documents: Callable[[], Iterator[str]]
    groups: Sequence[Group]
    tasks: Mapping[str, Mapping[str, Sequence[Row]]]  # task -> split -> rows in the task's own fields
    origin: Mapping[str, str]  # where each part came from, for the report
    answers: Callable[[], Iterator[Sequence[str]]] = lambda: iter(())  # the answers to one question after another
    graded: Mapping[str, Sequence[Graded]] = field(default_factory=dict)
    # task -> what was dropped or repaired in reading, such as {"dev_dropped_unlabelled": 50}
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    negatives: Sequence[Negative] = ()
    general: Sequence[Group] = ()  # trained on beside the user's own, and never held out
    # what was read and kept, and dropped for which reason, by where it is from: "pairs", "graded_<name>"
    rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    declared: Mapping[str, Declared] = field(default_factory=dict)  # tasks of the user's own, as they are written down
    known: Mapping[str, Task] = field(default_factory=dict)  # the same, as they are used
    unseen: Sequence[str] = ()  # texts by which writing may be judged: held out whatever tasks are asked for
    texts: Sequence[Text] = ()  # the same documents, in the same order, where they are of several places
    progress: Meter = field(default_factory=Meter)  # of documents()
    unread: Sequence[str] = ()  # files that were found, and are of no format that is read

    def by_text(self) -> Sequence[Text]:
        """The documents by where they are from: one place, if nothing else is said."""
        return self.texts or (Text(name=self.origin.get("documents", ""), documents=self.documents),)
