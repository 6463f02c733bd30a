"""What is prepared of which source: the section ``prepare`` of params.yaml."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rosphere.errors import InputError
from rosphere.preparation.documents.workers import require_engine
from rosphere.preparation.graded import GradedFiles
from rosphere.preparation.labelled import PairFiles
from rosphere.preparation.local import TextFiles
from rosphere.preparation.mining import Mining
from rosphere.preparation.naming import place_of
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.text.tokenizer import SPECIALS


@dataclass(frozen=True, kw_only=True)
class Sample:
    faq: str
    sentiment: list[int]  # train and dev rows
    entities: list[int]


@dataclass(frozen=True, kw_only=True)
class Local:
    text: list[str | TextFiles]
    pairs: list[str | PairFiles]
    tasks: str | None
    general: list[str | PairFiles] = dataclasses.field(default_factory=list)  # pairs of others, against forgetting
    answers: list[str] = dataclasses.field(default_factory=list)  # for mining
    graded: dict[str, str | GradedFiles] = dataclasses.field(default_factory=dict)  # name -> file or folder
    positive_from: float | None = None  # the grade from which on a graded pair among ``pairs`` is alike


@dataclass(frozen=True, kw_only=True)
class Hub:
    text: str | None
    split: str
    field: str
    limit: int | None
    pairs: str | None
    tasks: dict[str, str]
    graded: dict[str, str] = dataclasses.field(default_factory=dict)  # name -> dataset
    positive_from: float | None = None


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    path: str | None  # a vocab.txt, or a model's folder or hub name; null trains one on the corpus
    size: int
    minimum: int  # occurrences below which an entry is left out
    lowercase: bool


@dataclass(frozen=True, kw_only=True)
class Prepare:
    source: Literal["sample", "local", "hub"]
    sample: Sample
    local: Local
    hub: Hub
    vocabulary: Vocabulary
    whole_words: bool
    minimum_characters: int
    maximum_characters: int | None  # of the whole corpus; null takes all
    dev_share: float
    held_out: float  # share of the similar groups kept for evaluation
    sentence_characters: list[int]  # shortest and longest sentence for vmf_vae
    held_out_letters: int = 4  # of a held-out text that is cut out of documents; shorter ones stay
    workers: int | None = None  # processes; null takes all cores
    engine: str = "local"  # or the address of a Dask scheduler, tcp://host:8786
    mining: Mining = dataclasses.field(default_factory=Mining)
    tasks: dict[str, OwnTask] = dataclasses.field(default_factory=dict)  # of the user's own, whatever the source

    def own(self, tasks: Sequence[str]) -> dict[str, OwnTask]:
        """Those of the tasks asked for that are declared here."""
        return {name: self.tasks[name] for name in tasks if name in self.tasks}

    def sources(self) -> list[str | None]:
        """What is read that no stage makes."""
        own = self.local
        files = [*map(place_of, [*own.text, *own.pairs, *own.general, *own.graded.values()]), *own.answers, own.tasks]
        tasks = (task.files for task in self.tasks.values())
        of_tasks = (place for given in tasks for place in ([given] if isinstance(given, str) else given.values()))
        return [self.vocabulary.path, *(files if self.source == "local" else ()), *of_tasks]


def two(values: list[int], key: str) -> tuple[int, int]:
    if len(values) != 2:
        raise InputError(f"params.yaml: prepare.{key}: expected two numbers, got {values}")
    if min(values) < 1:
        raise InputError(f"params.yaml: prepare.{key}: expected numbers of 1 or more, got {values}")
    return values[0], values[1]


def require_bounds(settings: Prepare) -> None:
    """Raises InputError for numbers with which nothing can be prepared."""
    shortest, longest = two(settings.sentence_characters, "sentence_characters")
    if shortest > longest:
        raise InputError(
            f"params.yaml: prepare.sentence_characters: expected the shorter first, got {settings.sentence_characters}"
        )
    if settings.source == "sample":
        two(settings.sample.sentiment, "sample.sentiment")
        two(settings.sample.entities, "sample.entities")
    for key, share in (("held_out", settings.held_out), ("dev_share", settings.dev_share)):
        if not 0 <= share <= 1:
            raise InputError(f"params.yaml: prepare.{key}: expected a share, 0 to 1, got {share}")
    if settings.workers is not None and settings.workers < 1:
        raise InputError(f"params.yaml: prepare.workers: expected 1 or more, or null, got {settings.workers}")
    require_engine(settings.engine)
    vocabulary = settings.vocabulary
    if vocabulary.path is None and vocabulary.size <= len(SPECIALS):
        least = len(SPECIALS) + 1
        raise InputError(f"params.yaml: prepare.vocabulary.size: expected {least} or more, got {vocabulary.size}")
