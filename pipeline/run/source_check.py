"""What can be seen to be wrong with the source before any work: its text, pairs, tasks and vocabulary."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.run import labelled_check, task_check, vocabulary_check
from rosphere.clue.declared import Known, named
from rosphere.errors import InputError
from rosphere.preparation import graded, held_out, local, pairing, sample, writing
from rosphere.preparation.choosing import read_source
from rosphere.preparation.components import Components
from rosphere.preparation.contamination import HeldOut, Pair
from rosphere.preparation.documents.screening import Screening, screened
from rosphere.preparation.documents.workers import Workers
from rosphere.preparation.filtering import Filter
from rosphere.preparation.own_tasks import joining
from rosphere.preparation.reporting import messages
from rosphere.preparation.settings import Prepare, require_bounds
from rosphere.preparation.source import Graded, Source
from rosphere.preparation.splitting import split_documents

# What counts of `prepare` mean, in words.
SAID = {"dev_set_apart_of_train": "training rows set apart as dev"}
EMPTY = Source(documents=lambda: iter(()), groups=(), tasks={}, origin={})


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the check has read of what will be measured: of a source that is not here, the tasks of one's own alone."""

    held_out: Mapping[str, Sequence[Pair]]  # by set
    graded: Mapping[str, Sequence[Graded]] | None  # None: not known yet
    known: Known  # the tasks of one's own


def look_over(settings: Prepare, asked: list[str], labelled: Sequence[str], *, seed: int, everything: bool) -> Seen:
    """The files are there and begin well; all the rows of a large text are read by the stage itself."""
    require_bounds(settings)
    asked_for = settings.vocabulary
    pieces = vocabulary_check.named(asked_for.path, lowercase=asked_for.lowercase) if asked_for.path else None
    if settings.source == "sample":
        source = _of_sample(settings, asked, seed, whole=pieces is not None)
    elif settings.source == "local":
        source = _of_files(settings, asked, labelled, seed, everything=everything)
        everything = everything and bool(settings.local.pairs)
    else:
        source, everything = _of_hub(settings, asked, seed), False
    _tell_of_own(source)
    seen = _require_pairs(settings, source, seed, everything=everything)
    notes = messages(source)
    if pieces:
        looked_at = [named(name, source.known) for name in asked]
        notes += vocabulary_check.notes(pieces, source, looked_at)
    for line in notes:
        print(f"note: {line}", file=sys.stderr)
    return seen


def _of_sample(settings: Prepare, asked: list[str], seed: int, *, whole: bool) -> Source:
    """The sentences alone, unless the ``whole`` of it is wanted: reading that takes longer."""
    groups = sample.read_faq(Path(settings.sample.faq))
    own = settings.own(asked)
    other = [task for task in asked if task not in own and task not in sample.TASKS]
    if other:
        there = ", ".join(sample.TASKS)
        raise InputError(f"params.yaml: tasks: the source sample has no task {other[0]!r}; it has {there}")
    if whole:
        return read_source(settings, asked, seed)
    return joining.joined(dataclasses.replace(EMPTY, groups=groups), own, seed=seed)


def _of_files(settings: Prepare, asked: list[str], labelled: Sequence[str], seed: int, *, everything: bool) -> Source:
    files, own = settings.local, settings.own(asked)
    tasks = [task for task in asked if task not in own]
    if everything and not (files.pairs or settings.mining.enabled):
        raise InputError(
            "params.yaml: prepare.local.pairs: expected files of similar sentences, which simbert learns from,"
            " or prepare.mining.enabled: true; got neither"
        )
    _require_text(settings)
    task_check.require_there("local", "prepare.local.tasks", files.tasks, tasks)
    source = read_source(settings, asked, seed)
    for name in tasks:
        for line in task_check.look_over(named(name), source.tasks[name], Path(str(files.tasks)) / name):
            print(f"note: {line}", file=sys.stderr)
    if settings.mining.enabled:
        deque(source.answers(), maxlen=0)
    for name, rows in source.graded.items():
        graded.require_measurable(name, rows)
    labelled_check.require_not_measured(list(filter(os.path.isfile, labelled)), files.graded)
    return source


def _of_hub(settings: Prepare, asked: list[str], seed: int) -> Source:
    """The tasks of one's own: all else is downloaded by the stage."""
    if settings.hub.text is None:
        raise InputError("params.yaml: prepare.hub.text: expected the name of a dataset, got null")
    own = settings.own(asked)
    task_check.require_there(
        "hub", "prepare.hub.tasks", settings.hub.tasks, [task for task in asked if task not in own]
    )
    return joining.joined(EMPTY, own, seed=seed)


def _tell_of_own(source: Source) -> None:
    """The tasks under prepare.tasks: what is worth a word of their rows, and of their files."""
    for name, task in source.known.items():
        for line in task_check.look_over(task, source.tasks[name], None):
            print(f"note: {line}", file=sys.stderr)
        for what, count in source.counts[name].items():
            print(f"note: task {name}: {count} {SAID.get(what, what)}", file=sys.stderr)


def _require_text(settings: Prepare) -> None:
    """The first documents of every file can be read; of a small text, something is left and can be split."""
    documents, whole = local.probe(settings.local.text)
    if whole:
        asked = Screening(minimum=settings.minimum_characters, held_out={})
        with TemporaryDirectory() as folder, Workers(count=1) as workers:
            found = screened([documents], asked, Path(folder), workers)
            if not len(found.documents):
                raise InputError(f"params.yaml: prepare.local.text: no usable text: {found.counts}")
            split_documents(settings, found.documents)


def _require_pairs(settings: Prepare, source: Source, seed: int, *, everything: bool) -> Seen:
    """There is something to train on and something to hold out once all is dropped that must be."""
    for name, splits in source.tasks.items():
        writing.training_rows(name, splits, source.known)
    connected = Components(source.groups)
    groups = pairing.split(connected, source.negatives, share=settings.held_out, seed=seed)
    sets = held_out.pairs(groups.dev, source.graded, source.tasks, groups.dev_negatives, seed=seed, known=source.known)
    if everything:
        if not connected.groups:
            raise InputError(
                "params.yaml: prepare.local.pairs: expected groups of two or more different sentences, got none:"
                f" {dict(connected.counts)}"
            )
        pairing.require_measurable(groups, share=settings.held_out, seed=seed)
        if next(Filter(HeldOut(sets)).groups("pairs", groups.train), None) is None:
            count = len(groups.train)
            raise InputError(f"params.yaml: prepare.local.pairs: all {count} groups to train on are held out")
    graded_sets = None if settings.source == "hub" else source.graded
    return Seen(held_out=sets, graded=graded_sets, known=source.known)
