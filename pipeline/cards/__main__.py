"""A copy of a finished model for others, whose card also has what later stages measured.

    python -m pipeline.cards models/roformer_sim published/encoder [--license cc-by-4.0] [--inputs "our own reviews"]

The licence and the origin of the texts are those of `card` in params.yaml unless they are given. Figures of a stage
that is not up to date with the model are left out, and that is said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.cards import card, training
from pipeline.cards.card import Card, Measured
from pipeline.run import settings
from pipeline.workspace import declaration, graph, paths
from pipeline.workspace.graph import Graph, PlanError, Stage
from rosphere import files
from rosphere.errors import UNUSABLE, InputError, message

PARAMS = Path("params.yaml")
KEPT_BACK = ("moments.safetensors",)  # what goes on training with, and nobody else


def published(model: Path, target: Path, said: Card) -> list[str]:
    """Writes the folder ``target``, which must not exist; what was left out, in words.

    Raises:
        InputError: ``model`` is no finished model of a stage, or ``target`` is there.
    """
    if target.exists():
        raise InputError(f"{target}: exists; give a folder that does not")
    card.kind(model)
    found, notes = measured(graph.discover(Path.cwd()), model)
    with files.appearing(target) as fresh:
        shutil.copytree(model, fresh, ignore=shutil.ignore_patterns(*KEPT_BACK))
        card.write(fresh, training.read(model), said, found, name=target.name)
    return notes


def measured(plan: Graph, model: Path) -> tuple[list[Measured], list[str]]:
    """What the stages behind a model's own found out about it, and which of them are not up to date."""
    maker = next((stage for stage in plan.stages if any(Path(out) == model for out in stage.outs)), None)
    if maker is None:
        raise InputError(f"{model}: no stage of dvc.yaml makes this folder")
    stale, found, notes = plan.stale(), [], []
    if maker.name in stale:
        notes.append(f"{model} is not what dvc.yaml and params.yaml would make now (`dvc status {maker.name}`)")
    declared = declaration.read(Path("stages"))
    for stage in _measuring(plan, maker):
        report = paths.report(stage.name)
        if stage.name in stale or not report.is_file():
            notes.append(f"figures of {stage.name} are left out: not up to date")
            continue
        word, _, item = stage.name.partition("@")
        figures = training.figures(declared.get(word), files.json_object(report), item)
        found.append(Measured(stage=stage.name, figures=figures))
    return found, notes


def _measuring(plan: Graph, maker: Stage) -> Iterator[Stage]:
    """The stages that read from ``maker``, train no model, and are about no other that has grown from it."""
    for stage in plan.stages:
        trained = [name for name in stage.upstream if name != maker.name and _trains(plan, name)]
        later = any(maker.name in plan.with_upstream([name]) for name in trained)
        if maker.name in stage.upstream and not _trains(plan, stage.name) and stage.metrics and not later:
            yield stage


def _trains(plan: Graph, name: str) -> bool:
    return any(Path(out).parts[0] == "models" for stage in plan.stages if stage.name == name for out in stage.outs)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.cards", description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="a folder below models/")
    parser.add_argument("target", type=Path, help="the folder to write")
    parser.add_argument("--license", help="of the model, as Hugging Face spells it")
    parser.add_argument("--inputs", help="whose texts they were, and under which licence")
    asked = parser.parse_args(arguments)
    try:
        model, target = (Path(os.path.abspath(path)) for path in (asked.model, asked.target))
        root = paths.enter()
        said = settings.load(PARAMS, "card", Card)
        given = {key: value for key in ("license", "inputs") if (value := getattr(asked, key)) is not None}
        model = model.relative_to(root) if model.is_relative_to(root) else model
        for note in published(model, target, replace(said, **given)):
            print(f"note: {note}", file=sys.stderr)
        print(target)
    except (InputError, PlanError, *UNUSABLE) as error:
        sys.exit(f"error: {message(error)}")


if __name__ == "__main__":
    main()
