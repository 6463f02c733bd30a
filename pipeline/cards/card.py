"""The README.md of a model's folder, with Hugging Face's front matter: what it is, how it is used, what it learnt from.

The words stand in templates/; figures and counts come from training.json and, in a folder made for others, from the
stages that measured the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.cards import training
from pipeline.cards.training import Figure, Phase
from rosphere import files
from rosphere.cli import models
from rosphere.encoder import modules
from rosphere.encoder.bare import is_bare
from rosphere.errors import InputError

FILE = "README.md"
LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")  # as in Hugging Face's list of identifiers
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """Section `card` of params.yaml: what no stage can know."""

    license: str = "unknown"  # of the models, as Hugging Face spells it
    inputs: str | None = None  # whose texts they are, and under which licence, in a sentence

    def __post_init__(self) -> None:
        if not LICENSE.fullmatch(self.license):
            raise InputError(f"license: expected a word such as mit, apache-2.0 or unknown, got {self.license!r}")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What Hugging Face calls a kind of model, and the template that says the rest."""

    template: str
    task: str | None  # pipeline_tag
    library: str  # library_name
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a stage found out about a finished model."""

    stage: str
    figures: tuple[Figure, ...]


# By the mark of a folder.
KINDS = {
    "modules.json": Kind(
        template="sentence_encoder.md.j2",
        task="sentence-similarity",
        library="sentence-transformers",
        tags=("sentence-transformers", "feature-extraction", "sentence-similarity"),
    ),
    "vae.json": Kind(template="text_vae.md.j2", task="text-generation", library="rosphere", tags=("vae",)),
    "head.safetensors": Kind(template="task.md.j2", task=None, library="rosphere", tags=()),
    "config.json": Kind(
        template="language_model.md.j2", task="fill-mask", library="transformers", tags=("fill-mask", "text-generation")
    ),
}
STATIC = replace(KINDS["modules.json"], template="static_encoder.md.j2")  # a table instead of a network
BARE = Kind(template="encoder.md.j2", task="feature-extraction", library="transformers", tags=("feature-extraction",))
TASKS = {  # pipeline_tag by the kind of a task (rosphere/clue/kinds)
    "classification": "text-classification",
    "entities": "token-classification",
    "spans": "question-answering",
    "choices": "multiple-choice",
}


def kind(folder: Path) -> Kind:
    """Raises InputError where a folder holds no model of ours."""
    if modules.static(folder):
        return STATIC
    mark = models.mark(folder)
    return BARE if mark == "config.json" and is_bare(folder) else KINDS[mark]


def describes(folder: Path) -> bool:
    """Whether a folder holds a model of ours: a stage of one's own may make another, and a control none."""
    return any((folder / mark).is_file() for mark in models.MARKS)


def _task(folder: Path, found: Kind) -> str | None:
    """The pipeline_tag."""
    if found is not KINDS["head.safetensors"]:
        return found.task
    from rosphere.clue.folder import task_of

    return TASKS[task_of(folder).kind]


def text(
    folder: Path, phases: Sequence[Phase], said: Card, measured: Sequence[Measured] = (), name: str | None = None
) -> str:
    """The card of a folder: front matter and Markdown. ``name``: what it is to be called, with what it is opened."""
    found = kind(folder)
    body = TEMPLATES.get_template(found.template).render(
        name=name or folder.name,
        folder=name or folder.as_posix(),
        phases=phases,
        data=training.data(phases),
        measured=measured,
        said=said,
        **_facts(folder),
    )
    return f"---\n{_front_matter(folder, found, phases, said, measured, name or folder.name)}\n---\n\n{body}"


def write(
    folder: Path, phases: Sequence[Phase], said: Card, measured: Sequence[Measured] = (), name: str | None = None
) -> None:
    files.write_text(folder / FILE, text(folder, phases, said, measured, name))


def _facts(folder: Path) -> dict[str, Any]:
    """What a folder's own files say of its model, for the templates."""
    if modules.static(folder):
        return {"table": _shape(folder)}
    names = [name for name in ("config.json", "vae.json", "task.json") if (folder / name).is_file()]
    read = {name: files.json_object(folder / name) for name in names}
    vae, task = read.get("vae.json"), read.get("task.json")
    config = vae["encoder"] if vae else read["config.json"]
    return {
        "config": config,
        "bert": config.get("model_type") == "bert",
        "own_activation": str(config.get("hidden_act", "")).partition(":")[2] != "",
        "shape": vae["shape"] if vae else None,
        "task": task,
        **(_of_sentences(folder) if models.mark(folder) == "modules.json" else {}),
    }


def _shape(folder: Path) -> tuple[int, int]:
    """Of the table of a static encoder."""
    from rosphere.static import folder as static

    pieces, dimensions = static.load(folder).table_PD.shape
    return pieces, dimensions


def _of_sentences(folder: Path) -> dict[str, Any]:
    from rosphere.similarity import folder as similarity

    return {
        "pooling": similarity.pooling_of(folder),
        "lexical": (folder / similarity.WORDS).is_dir(),
        "writes": (folder / similarity.EDITS).is_file(),
        "bare": is_bare(folder),
        "length": similarity.LENGTH,
    }


def _front_matter(
    folder: Path, found: Kind, phases: Sequence[Phase], said: Card, measured: Sequence[Measured], name: str
) -> str:
    from huggingface_hub import ModelCardData

    published = [each.init for each in phases if each.init and not each.init.startswith(training.MODELS)]
    task = _task(folder, found)
    return str(
        ModelCardData(
            language="zh",
            license=said.license,
            library_name=found.library,
            pipeline_tag=task,
            tags=["rosphere", *found.tags],
            base_model=published[0] if published else None,
            model_name=name,
            eval_results=_results(task or "other", phases, measured) or None,
        ).to_yaml()
    )


def _results(task: str, phases: Sequence[Phase], measured: Sequence[Measured]) -> list[Any]:
    """Every figure as Hugging Face's model-index has it: of the stage that trained the model and of those after it."""
    from huggingface_hub import EvalResult

    last = [Measured(stage=phases[-1].stage, figures=phases[-1].figures)] if phases else []
    return [
        EvalResult(
            task_type=task,
            dataset_type="rosphere",
            dataset_name=f"held out from the training data ({each.stage})",
            metric_type=figure.key,
            metric_name=figure.label,
            metric_value=figure.value,
        )
        for each in (*last, *measured)
        for figure in each.figures
    ]
