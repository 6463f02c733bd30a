"""Looks params.yaml and the sources over before DVC empties any output folder, and tells DVC what the sources hold.

    python -m pipeline.run.check [--part]

DVC deletes a stage's outputs before it runs the stage, so what can be seen to be wrong is better seen here. And a
dvc.yaml cannot name files that params.yaml lists: their hashes go to data/sources, on which the stages depend that
read them. `make repro` and the flows come by here; before a bare `dvc repro` it is up to you.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import stages
from pipeline.run import settings as config
from pipeline.run import task_check, vocabulary_check
from pipeline.tracking.promotion import directed
from pipeline.tracking.recording import Tracking
from pipeline.workspace import declaration, dvc_yaml, yaml_file
from pipeline.workspace.declaration import Declaration
from rosphere import files as our_files
from rosphere.clue.reading import named
from rosphere.clue.tasks import TASKS
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder.hub import REPOSITORY
from rosphere.encoder.precision import Requested
from rosphere.errors import UNUSABLE, InputError, message
from rosphere.preparation import contamination, finding, graded, local, pairing, sample, writing
from rosphere.preparation.components import Components
from rosphere.preparation.graded import GradedFiles, place_of
from rosphere.preparation.own_tasks import joining
from rosphere.preparation.own_tasks.declaration import check_names
from rosphere.preparation.own_tasks.joining import CLUE
from rosphere.preparation.source import Source
from rosphere.pretraining.recipe import Narrow
from rosphere.similarity import labelled_pairs
from rosphere.text import tokenizer
from rosphere.widening.sizes import widened
from stages.prepare import Prepare, messages, read_source
from stages.roformer_sim import RoformerSim
from stages.widen import Widen

PARAMS, SOURCES = Path("params.yaml"), Path("data/sources")
EMPTY = Source(documents=lambda: iter(()), groups=(), tasks={}, origin={})
CONTROLS = ("pretrain_longer", "pretrain_scratch")
VOCABULARY = 5000  # to try sizes with; the real one is known after prepare
# Of no stage, or of many.
SHARED: dict[str, Any] = {
    "seed": int,
    "precision": Requested,
    "tasks": list[str],
    "sizes": dict[str, Size],
    "tracking": Tracking,
}


@runtime_checkable
class Reading(Protocol):
    """Settings that name files which the stage reads and no stage makes, or may."""

    def sources(self) -> Sequence[str | None]:
        """Files, folders or patterns; what is no such thing, a hub name or null, is passed over."""


def declarations() -> dict[str, Declaration]:
    """What the stages say of themselves, by their words, with their settings."""
    words = declaration.read(Path(stages.__path__[0]))
    return {word: vars(importlib.import_module(f"{stages.__name__}.{word}"))[declaration.NAME] for word in words}


def types() -> dict[str, Any]:
    """The sections of params.yaml: what each of them is read as."""
    own = {word: each.settings for word, each in declarations().items() if each.settings is not None}
    return SHARED | own


def check(path: Path, *, everything: bool = True) -> dict[str, Any]:
    """The sections, by word. Raises InputError or FileNotFoundError at the first thing that cannot work.

    Without ``everything``, what a run of all stages needs and a part may do without is not asked for.
    """
    document = yaml_file.read(path)
    config.refuse_renamed(path, document)
    known = types()
    unknown = [word for word in document if word not in known]
    if unknown:
        raise InputError(f"{path}: {unknown[0]}: no stage reads this section; there are {', '.join(known)}")
    sections = {word: config.load(path, word, cls) for word, cls in known.items()}
    _check_names(sections["tasks"], sections["prepare"], sections["evaluate"].tasks)
    _check_sizes(sections["sizes"], sections["pretrain"], sections["widen"])
    _check_models(sections["pretrain"], sections["roformer_sim"])
    _check_champions(sections["tracking"])
    for control in CONTROLS:
        if sections[control].enabled:
            _check_control(control, sections["pretrain"], sections["widen"])
    labelled = sections["roformer_sim"].supervised.files
    _check_source(sections["prepare"], sections["tasks"], labelled, sections["seed"], everything=everything)
    _check_labelled(labelled)
    return sections


def _check_names(tasks: Sequence[str], settings: Prepare, of_tasks: Mapping[str, object]) -> None:
    """Every task is declared, by the library or under prepare.tasks, and so is each that has settings of its own."""
    check_names(settings.tasks, CLUE)
    for task in tasks:
        if task not in settings.tasks:
            named(task)
    for task in of_tasks:
        if task not in settings.tasks and task not in TASKS:
            raise InputError(
                f"params.yaml: evaluate.tasks: {task!r} is no task; there are {', '.join([*settings.tasks, *TASKS])}"
            )


def _check_sizes(sizes: dict[str, Size], narrow: Narrow, grown: Widen) -> None:
    """The sizes are known, and the one can be grown into the other."""
    old = encoder_config(sizes, narrow.size, vocabulary=VOCABULARY, dropout=0.0)
    if not grown.size:
        return
    new = encoder_config(sizes, grown.size, vocabulary=VOCABULARY, dropout=0.0)
    if narrow.init:  # not of that size: its own config.json speaks for itself in the stage
        return
    try:
        widened(
            old,
            width=new.hidden_size,
            heads=new.num_attention_heads,
            feed_forward=new.intermediate_size,
            layers=new.num_hidden_layers,
        )
    except InputError as error:
        raise InputError(f"params.yaml: widen.size: {narrow.size} to {grown.size}: {error}") from error


def _check_models(narrow: Narrow, student: RoformerSim) -> None:
    """What others made is there; what stages make may come."""
    if narrow.init and not (Path(narrow.init).is_dir() or REPOSITORY.fullmatch(narrow.init)):
        raise InputError(f"params.yaml: pretrain.init: no such folder, nor a hub name: {narrow.init}")
    labelled = [("supervised.files", file) for file in student.supervised.files]
    for key, name in [("teacher", student.teacher), ("init", student.init), *labelled]:
        if not (Path(name).exists() or Path(name).parts[:1] in (("models",), ("data",))):
            raise InputError(f"params.yaml: roformer_sim.{key}: no such file or folder: {name}")


def _check_champions(tracking: Tracking) -> None:
    """The stages are there, and it is known which way their metrics are better."""
    declared = declarations()
    for name, rule in tracking.models.items():
        try:
            directed(rule, declared)
        except InputError as error:
            raise InputError(f"params.yaml: tracking.models.{name}.{error}") from error


def _check_labelled(names: Sequence[str]) -> None:
    """Labelled pairs that no stage makes can be read."""
    for name in _not_made(names):
        if os.path.isfile(name):
            labelled_pairs.read(Path(name))


def _check_control(control: str, narrow: Narrow, grown: Widen) -> None:
    """A control has the FLOPs of a run that began with random weights and was widened; nothing else has one."""
    if narrow.init or not grown.size:
        got = f"pretrain.init: {narrow.init}" if narrow.init else "widen.size: null"
        raise InputError(f"params.yaml: {control}.enabled: there is no control for {got}; set {control}.enabled: false")


def _vocabulary(name: str) -> list[str] | None:
    """A vocabulary that lies here is read; one of the hub is downloaded by the stage, and none here."""
    path = Path(name)
    if path.exists():
        return tokenizer.read_vocabulary(path / "vocab.txt" if path.is_dir() else path)
    if not REPOSITORY.fullmatch(name):
        raise InputError(f"params.yaml: prepare.vocabulary.path: no such file or folder, nor a hub name: {name}")
    return None


def _check_source(
    settings: Prepare, asked: Sequence[str], labelled: Sequence[str], seed: int, *, everything: bool
) -> None:
    """The files are there and begin well; all the rows of a large text are read by the stage itself."""
    vocabulary = _vocabulary(settings.vocabulary.path) if settings.vocabulary.path else None
    own = settings.own(asked)
    tasks = [task for task in asked if task not in own]
    if settings.source == "sample":
        sample.read_faq(Path(settings.sample.faq))
        other = [task for task in tasks if task not in sample.TASKS]
        if other:
            there = ", ".join(sample.TASKS)
            raise InputError(f"params.yaml: tasks: the source sample has no task {other[0]!r}; it has {there}")
        source = read_source(settings, list(asked), seed) if vocabulary else joining.joined(EMPTY, own, seed=seed)
        _check_own(source)
    elif settings.source == "local":
        files = settings.local
        if everything and not (files.pairs or settings.mining.enabled):
            raise InputError(
                "params.yaml: prepare.local.pairs: expected files of similar sentences, which simbert learns from,"
                " or prepare.mining.enabled: true; got neither"
            )
        local.probe(files.text)
        task_check.require_there("local", "prepare.local.tasks", files.tasks, tasks)
        source = local.load(
            files.text,
            files.pairs,
            files.tasks,
            tasks,
            answers=files.answers,
            graded=files.graded,
            positive_from=files.positive_from,
        )
        for name, splits in source.tasks.items():
            for line in task_check.look_over(named(name), splits, Path(str(files.tasks)) / name):
                print(f"note: {line}", file=sys.stderr)
        source = joining.joined(source, own, seed=seed)
        _check_own(source)
        _check_graded(files.graded, source, labelled)
        _check_pairs(settings, source, everything=everything and bool(files.pairs))
        for line in messages(source):
            print(f"note: {line}", file=sys.stderr)
    elif settings.hub.text is None:
        raise InputError("params.yaml: prepare.hub.text: expected the name of a dataset, got null")
    else:
        task_check.require_there("hub", "prepare.hub.tasks", settings.hub.tasks, tasks)
        source = joining.joined(EMPTY, own, seed=seed)
        _check_own(source)
    if vocabulary:
        looked_at = [named(name, source.known) for name in asked]
        for line in vocabulary_check.notes(vocabulary, source, looked_at, lowercase=settings.vocabulary.lowercase):
            print(f"note: {line}", file=sys.stderr)


def _check_own(source: Source) -> None:
    """The tasks under prepare.tasks: what is worth a word of their rows, and of their files."""
    for name, task in source.known.items():
        for line in task_check.look_over(task, source.tasks[name], None):
            print(f"note: {line}", file=sys.stderr)
        for what, count in source.counts[name].items():
            print(f"note: task {name}: {count} {what}", file=sys.stderr)


def _check_graded(places: Mapping[str, str | GradedFiles], source: Source, labelled: Sequence[str]) -> None:
    """What is measured can be, and is not what roformer_sim.supervised.files trains on."""
    for name, rows in source.graded.items():
        graded.require_measurable(name, rows)
    for file in filter(os.path.isfile, labelled):
        mark = our_files.file_hash(Path(file))
        for name, place in places.items():
            measured = next(
                (path for path in graded.measured(Path(place_of(place))) if our_files.file_hash(path) == mark), None
            )
            if measured:
                raise InputError(
                    f"params.yaml: roformer_sim.supervised.files: {file} is {measured} of the graded set {name}, which"
                    f" is measured; data/pairs/graded/{name}.jsonl has what may be trained on"
                )


def _check_pairs(settings: Prepare, source: Source, *, everything: bool) -> None:
    """There is something to train on and something to hold out once all is dropped that must be."""
    for name, splits in source.tasks.items():
        writing.training_rows(name, splits, source.known)
    connected = Components(source.groups)
    groups = pairing.split(connected, source.negatives, share=settings.held_out, seed=0)
    sets = pairing.held_out_sets(groups.dev, source.graded, source.tasks, groups.dev_negatives, source.known)
    if everything:
        left = next(contamination.without_overlaps(groups.train, contamination.HeldOut(sets), Counter()), None)
        if not groups.dev or left is None:
            raise InputError(
                "params.yaml: prepare.local.pairs: expected groups of similar sentences to train on and to hold out"
                f" (prepare.held_out: {settings.held_out}), got {len(groups.train) if left else 0} and"
                f" {len(groups.dev)}: {dict(connected.counts)}"
            )


def sources(sections: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """stage -> what params.yaml lists that the stage reads and no stage makes -> the hash of what is there."""
    read = {word: settings.sources() for word, settings in sections.items() if isinstance(settings, Reading)}
    own = {stage: _not_made(names) for stage, names in read.items()}
    return {stage: {name: mark for name in names if (mark := _mark(name))} for stage, names in own.items()}


def _not_made(names: Sequence[str | None]) -> list[str]:
    """Those that are no stage's: DVC itself sees when an output changes, and it may not be there yet."""
    made = dvc_yaml.outs(Path())
    return [name for name in names if name and not _lies_in(name, made)]


def _lies_in(name: str, places: Sequence[Path]) -> bool:
    return any(Path(os.path.relpath(name)).is_relative_to(place) for place in places)


def _mark(name: str) -> str:
    """The hash of a file, a folder or all that a pattern matches; nothing where nothing is, such as of a hub name."""
    path = Path(name)
    if path.is_dir():
        return our_files.folder_hash(path)
    return " ".join(map(our_files.file_hash, finding.matches(name)))


def tell(held: Mapping[str, Mapping[str, str]]) -> None:
    """Writes what DVC takes for the sources of each stage; a file that says so already is left alone."""
    for stage, marks in held.items():
        path, text = SOURCES / f"{stage}.json", json.dumps(marks, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            our_files.write_text(path, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="store_true", help="not all of the stages will be run")
    try:
        tell(sources(check(PARAMS, everything=not parser.parse_args().part)))
    except (InputError, *UNUSABLE) as error:
        raise SystemExit(f"error: {message(error)}") from error


if __name__ == "__main__":
    main()
