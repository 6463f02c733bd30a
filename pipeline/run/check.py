"""Looks params.yaml and the sources over before DVC empties any output folder, and tells DVC what the sources hold.

    python -m pipeline.run.check [--part]

DVC deletes a stage's outputs before it runs the stage, so what can be seen to be wrong is better seen here. And a
dvc.yaml cannot name files that params.yaml lists: their hashes go to data/sources, on which the stages depend that
read them. `make repro` and the flows come by here; before a bare `dvc repro` it is up to you.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.run import settings as config
from pipeline.tracking.recording import Tracking
from pipeline.workspace import dvc_yaml, yaml_file
from rosphere import files
from rosphere.clue.reading import named
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder.hub import REPOSITORY
from rosphere.encoder.precision import Requested
from rosphere.errors import UNUSABLE, InputError, message
from rosphere.preparation import local, sample
from rosphere.pretraining.recipe import Narrow, Wide
from rosphere.widening.sizes import widened
from stages import (
    dimension,
    evaluate,
    evaluate_paraphrases,
    evaluate_similarity,
    evaluate_vae,
    pretrain_scratch,
    roformer_sim,
    simbert,
    vmf_vae,
    widen,
)
from stages.prepare import Prepare

PARAMS, SOURCES = Path("params.yaml"), Path("data/sources")
VOCABULARY = 5000  # to try sizes with; the real one is known after prepare
SECTIONS: dict[str, Any] = {
    "seed": int,
    "precision": Requested,
    "tasks": list[str],
    "sizes": dict[str, Size],
    "prepare": Prepare,
    "dimension": dimension.Dimension,
    "pretrain": Narrow,
    "widen": widen.Widen,
    "pretrain_wide": Wide,
    "pretrain_scratch": pretrain_scratch.Scratch,
    "simbert": simbert.Simbert,
    "roformer_sim": roformer_sim.RoformerSim,
    "evaluate_similarity": evaluate_similarity.EvaluateSimilarity,
    "evaluate_paraphrases": evaluate_paraphrases.EvaluateParaphrases,
    "vmf_vae": vmf_vae.VmfVae,
    "evaluate_vae": evaluate_vae.EvaluateVae,
    "evaluate": evaluate.Evaluate,
    "tracking": Tracking,
}


def check(path: Path, *, everything: bool = True) -> dict[str, Any]:
    """The sections, by word. Raises InputError or FileNotFoundError at the first thing that cannot work.

    Without ``everything``, what a run of all stages needs and a part may do without is not asked for.
    """
    document = yaml_file.read(path)
    config.refuse_renamed(path, document)
    unknown = [word for word in document if word not in SECTIONS]
    if unknown:
        raise InputError(f"{path}: {unknown[0]}: no stage reads this section; there are {', '.join(SECTIONS)}")
    sections = {word: config.load(path, word, cls) for word, cls in SECTIONS.items()}
    for task in sections["tasks"]:
        named(task)
    _check_sizes(sections["sizes"], sections["pretrain"], sections["widen"])
    _check_models(sections["pretrain"], sections["roformer_sim"])
    if sections["pretrain_scratch"].enabled:
        _check_control(sections["pretrain"], sections["widen"])
    _check_source(sections["prepare"], sections["tasks"], everything=everything)
    return sections


def _check_sizes(sizes: dict[str, Size], narrow: Narrow, grown: widen.Widen) -> None:
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


def _check_models(narrow: Narrow, student: roformer_sim.RoformerSim) -> None:
    """What others made is there; what stages make may come."""
    if narrow.init and not (Path(narrow.init).is_dir() or REPOSITORY.fullmatch(narrow.init)):
        raise InputError(f"params.yaml: pretrain.init: no such folder, nor a hub name: {narrow.init}")
    labelled = [("supervised.files", file) for file in student.supervised.files]
    for key, name in [("teacher", student.teacher), ("init", student.init), *labelled]:
        if not (Path(name).exists() or Path(name).parts[:1] in (("models",), ("data",))):
            raise InputError(f"params.yaml: roformer_sim.{key}: no such file or folder: {name}")


def _check_control(narrow: Narrow, grown: widen.Widen) -> None:
    """The control has the shape and the FLOPs of a widened run from random weights; nothing else has one."""
    if narrow.init or not grown.size:
        got = f"pretrain.init: {narrow.init}" if narrow.init else "widen.size: null"
        raise InputError(
            f"params.yaml: pretrain_scratch.enabled: there is no control for {got}; set pretrain_scratch.enabled: false"
        )


def _check_source(settings: Prepare, tasks: list[str], *, everything: bool) -> None:
    """The files are there and begin well; all the rows of a large text are read by the stage itself."""
    path = settings.vocabulary.path
    if path and not (Path(path).exists() or REPOSITORY.fullmatch(path)):
        raise InputError(f"params.yaml: prepare.vocabulary.path: no such file or folder, nor a hub name: {path}")
    if settings.source == "sample":
        sample.read_faq(Path(settings.sample.faq))
        other = [task for task in tasks if task not in sample.TASKS]
        if other:
            there = ", ".join(sample.TASKS)
            raise InputError(f"params.yaml: tasks: the source sample has no task {other[0]!r}; it has {there}")
    elif settings.source == "local":
        own = settings.local
        if everything and not (own.pairs or settings.mining.enabled):
            raise InputError(
                "params.yaml: prepare.local.pairs: expected files of similar sentences, which simbert learns from,"
                " or prepare.mining.enabled: true; got neither"
            )
        local.probe(own.text)
        local.load(own.text, own.pairs, own.tasks, tasks, answers=own.answers, graded=own.graded)
    elif settings.hub.text is None:
        raise InputError("params.yaml: prepare.hub.text: expected the name of a dataset, got null")


def sources(sections: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """stage -> what params.yaml lists that the stage reads and no stage makes -> the hash of what is there."""
    prepared, student = sections["prepare"], sections["roformer_sim"]
    read: dict[str, Sequence[str | None]] = {"prepare": [prepared.vocabulary.path]}
    if prepared.source == "local":
        own = prepared.local
        read["prepare"] = [*read["prepare"], *own.text, *own.pairs, *own.answers, own.tasks, *own.graded.values()]
    read["pretrain"] = [sections["pretrain"].init]
    read["roformer_sim"] = student.supervised.files
    read["evaluate_paraphrases"] = [sections["evaluate_paraphrases"].teacher]
    made = dvc_yaml.outs(Path())  # DVC itself sees when that changes, and it may not be there yet
    own = {stage: [name for name in names if name and not _lies_in(name, made)] for stage, names in read.items()}
    return {stage: {name: mark for name in names if (mark := _mark(name))} for stage, names in own.items()}


def _lies_in(name: str, places: Sequence[Path]) -> bool:
    return any(Path(os.path.relpath(name)).is_relative_to(place) for place in places)


def _mark(name: str) -> str:
    """The hash of a file, a folder or all that a pattern matches; nothing where nothing is, such as of a hub name."""
    path = Path(name)
    if path.is_dir():
        return files.folder_hash(path)
    found = sorted(path for path in map(Path, glob.glob(name, recursive=True)) if path.is_file())
    return " ".join(map(files.file_hash, found))


def tell(held: Mapping[str, Mapping[str, str]]) -> None:
    """Writes what DVC takes for the sources of each stage; a file that says so already is left alone."""
    for stage, marks in held.items():
        path, text = SOURCES / f"{stage}.json", json.dumps(marks, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="store_true", help="not all of the stages will be run")
    try:
        tell(sources(check(PARAMS, everything=not parser.parse_args().part)))
    except (InputError, *UNUSABLE) as error:
        raise SystemExit(f"error: {message(error)}") from error


if __name__ == "__main__":
    main()
