"""Looks params.yaml and the sources over before DVC empties any output folder, and tells DVC what the sources hold.

    python -m pipeline.run.check [--part | --inputs]

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
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import stages
from pipeline.cards.card import Card
from pipeline.report.language import Report
from pipeline.run import labelled_check, model_check, source_check
from pipeline.run import settings as config
from pipeline.run.typed import hint
from pipeline.tracking.promotion import directed
from pipeline.tracking.recording import Tracking
from pipeline.workspace import declaration, dvc_yaml, paths, yaml_file
from pipeline.workspace.declaration import Declaration
from rosphere import files as our_files
from rosphere.clue.tasks import TASKS
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.precision import Requested
from rosphere.errors import UNUSABLE, InputError, message
from rosphere.preparation import finding
from rosphere.preparation.own_tasks.declaration import check_names
from rosphere.preparation.own_tasks.joining import CLUE
from rosphere.preparation.settings import Prepare, Vocabulary
from rosphere.pretraining.recipe import Narrow
from rosphere.widening.sizes import widened
from stages.roformer_sim import RoformerSim
from stages.widen import Widen

PARAMS, SOURCES = Path("params.yaml"), Path("data/sources")
CONTROLS = ("pretrain_longer", "pretrain_scratch")
VOCABULARY = 5000  # to try sizes with; the real one is known after prepare
# Of no stage, of many, or of the page, which declares nothing.
SHARED: dict[str, Any] = {
    "seed": int,
    "precision": Requested,
    "tasks": list[str],
    "sizes": dict[str, Size],
    "card": Card,
    "tracking": Tracking,
    "report": Report,
}


@runtime_checkable
class Reading(Protocol):
    """Settings that name files which the stage reads and no stage makes, or may."""

    def sources(self) -> Sequence[str | None]:
        """Files, folders or patterns; what is no such thing, a hub name or null, is passed over."""


@cache
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
    initial = _check_initial(sections["pretrain"], sections["prepare"].vocabulary)
    if sections["vmf_vae"].decoder == "pretrained":
        model_check.require_language_model(sections["pretrain"], sections["pretrain_wide"].schedule.steps)
    _check_sizes(sections["sizes"], sections["pretrain"], sections["widen"], initial)
    _check_models(sections)
    _check_champions(sections["tracking"])
    for control in CONTROLS:
        if sections[control].enabled:
            _check_control(control, sections["pretrain"], sections["widen"])
    labelled = sections["roformer_sim"].supervised.files
    seen = source_check.look_over(
        sections["prepare"], sections["tasks"], labelled, seed=sections["seed"], everything=everything
    )
    _check_labelled(labelled, sections["tasks"], seen)
    return sections


def _check_names(tasks: Sequence[str], settings: Prepare, of_tasks: Mapping[str, object]) -> None:
    """Every task is declared, by the library or under prepare.tasks, and so is each that has settings of its own."""
    check_names(settings.tasks, CLUE)
    for task in tasks:
        if task not in settings.tasks and task not in TASKS:
            near = hint(task, [*settings.tasks, *TASKS])
            raise InputError(f"params.yaml: tasks: unknown task {task!r}{near}; one's own stand under prepare.tasks")
    if unlisted := [task for task in settings.tasks if task not in tasks]:
        print(f"note: declared under prepare.tasks, not listed under tasks: {', '.join(unlisted)}", file=sys.stderr)
    for task in of_tasks:
        if task not in settings.tasks and task not in TASKS:
            raise InputError(
                f"params.yaml: evaluate.tasks: {task!r} is no task; there are {', '.join([*settings.tasks, *TASKS])}"
            )


def _check_initial(narrow: Narrow, vocabulary: Vocabulary) -> EncoderConfig | None:
    """The shape of a published model that pretraining begins from; None where there is none, or not yet."""
    if not narrow.init:
        return None
    return model_check.require_initial(narrow, vocabulary.path, lowercase=vocabulary.lowercase)


def _check_sizes(sizes: dict[str, Size], narrow: Narrow, grown: Widen, initial: EncoderConfig | None) -> None:
    """The sizes are known, and the one, or the published model, can be grown into the other."""
    old = encoder_config(sizes, narrow.size, vocabulary=VOCABULARY, dropout=0.0)
    if not grown.size:
        return
    new = encoder_config(sizes, grown.size, vocabulary=VOCABULARY, dropout=0.0)
    if narrow.init and initial is None:  # of the hub: its own config.json speaks for itself in the stage
        return
    old = initial or old
    try:
        widened(
            old,
            width=new.hidden_size,
            heads=new.num_attention_heads,
            feed_forward=new.intermediate_size,
            layers=new.num_hidden_layers,
        )
    except InputError as error:
        remedy = "; widen.size: null keeps the model's own size" if initial else ""
        raise InputError(
            f"params.yaml: widen.size: {narrow.init or narrow.size} to {grown.size}: {error}{remedy}"
        ) from error


def _check_models(sections: Mapping[str, Any]) -> None:
    """What others made is there and is what it should be; what stages make may come."""
    student: RoformerSim = sections["roformer_sim"]
    labelled = [("roformer_sim.supervised.files", file) for file in student.supervised.files]
    named = [("roformer_sim.teacher", student.teacher), ("roformer_sim.init", student.init), *labelled]
    named += [("roformer_sim.weight_averaging.start", student.weight_averaging.start)]
    for key, name in [*named, ("static.teacher", sections["static"].teacher)]:
        if _not_made([name]) and not Path(name).exists():
            raise InputError(f"params.yaml: {key}: no such file or folder: {name}")
    miner = sections["simbert"].hard_negatives.teacher
    _require_deps(miner, student)
    given = {f"{word}.teacher": sections[word].teacher for word in ("roformer_sim", "static", "evaluate_paraphrases")}
    for key, teacher in (given | {"simbert.hard_negatives.teacher": miner}).items():
        for name in _not_made([teacher]):
            model_check.require_teacher(key, name)
    for name in _not_made([student.init]):
        model_check.require_encoder("roformer_sim.init", name)


def _require_deps(miner: str | None, student: RoformerSim) -> None:
    """By whom hard negatives are found is a dep of the stage in dvc.yaml, or a newer one would go unseen."""
    if miner and not _not_made([miner]):
        expected = "a folder or file that no stage makes, which data/sources/simbert.json can tell of"
        raise InputError(f"params.yaml: simbert.hard_negatives.teacher: expected {expected}; got {miner}")
    own, known = student.hard_negatives.teacher, (student.teacher, student.init)
    if own and own not in known:
        expected = f"roformer_sim.teacher or roformer_sim.init, {' or '.join(dict.fromkeys(known))}"
        raise InputError(f"params.yaml: roformer_sim.hard_negatives.teacher: expected {expected}; got {own}")


def _check_champions(tracking: Tracking) -> None:
    """The stages are there, and it is known which way their metrics are better."""
    declared = declarations()
    for name, rule in tracking.models.items():
        try:
            directed(rule, declared)
        except InputError as error:
            raise InputError(f"params.yaml: tracking.models.{name}.{error}") from error


def _check_labelled(names: Sequence[str], tasks: list[str], seen: source_check.Seen) -> None:
    """Labelled pairs can be read, and some are left beside what is measured."""
    graded = seen.graded
    trained = None if graded is None else {n: any(row.split == "train" for row in graded[n]) for n in graded}
    labelled_check.require_made(names, tasks, trained, seen.known)
    own = [name for name in _not_made(names) if os.path.isfile(name)]
    for line in labelled_check.require_left(own, seen.held_out):
        print(f"note: {line}", file=sys.stderr)


def _check_control(control: str, narrow: Narrow, grown: Widen) -> None:
    """A control has the FLOPs of a run that began with random weights and was widened; nothing else has one."""
    if narrow.init or not grown.size:
        got = f"pretrain.init: {narrow.init}" if narrow.init else "widen.size: null"
        raise InputError(f"params.yaml: {control}.enabled: there is no control for {got}; set {control}.enabled: false")


def inputs(path: Path) -> list[str]:
    """What params.yaml names that no stage makes, as it is written there: files, folders, patterns, hub names."""
    sections = [config.load(path, word, cls) for word, cls in types().items()]
    return [name for each in sections if isinstance(each, Reading) for name in _not_made(each.sources())]


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
    parser.add_argument("--inputs", action="store_true", help="only print what params.yaml names and no stage makes")
    options = parser.parse_args()
    try:
        paths.enter()
        if options.inputs:
            print("\n".join(inputs(PARAMS)))
            return
        tell(sources(check(PARAMS, everything=not options.part)))
    except (InputError, *UNUSABLE) as error:
        raise SystemExit(f"error: {message(error)}") from error


if __name__ == "__main__":
    main()
