"""A fine-tuned model on disk: its encoder as a Hugging Face folder, the head and what the task is beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from rosphere import files
from rosphere.clue import declared, fit, sequence_classification
from rosphere.clue.declared import Declared
from rosphere.clue.model import TaskModel
from rosphere.clue.tasks import Task
from rosphere.encoder import folder as folders
from rosphere.encoder import tensors
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError

SETTINGS, WEIGHTS = "task.json", "head.safetensors"


def save(model: TaskModel, folder: Path, *, tokenizer: Path, own: Declared | None) -> None:
    """Writes the encoder without a vocabulary head, head.safetensors, task.json and a copy of the tokenizer's files.

    Where transformers has a head that says the same, the folder is also one of its RoFormerForSequenceClassification.
    ``own`` is what a task of one's own says of itself; None: the library declares it.
    """
    with torch.device("meta"):
        language = MaskedLanguageModel(model.encoder.config)
    language.bare = True
    language.encoder = model.encoder
    folders.save(language, folder, tokenizer=tokenizer)
    if sequence_classification.fits(model):
        sequence_classification.complete(model, folder)
    tensors.save(folder / WEIGHTS, model.head.state_dict())
    task = model.task
    files.write_json(
        folder / SETTINGS,
        {
            "name": task.name,
            "declared": dataclasses.asdict(own) if own else None,
            "max_length": task.max_length,
            "means": model.means,
        },
    )


def load(folder: Path) -> TaskModel:
    """The model of a folder that ``save`` wrote, on the CPU and in evaluation mode."""
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: not a task's model, {name} is missing")
    task, means = _settings(folder / SETTINGS)
    with torch.random.fork_rng(devices=[]):  # whatever is drawn is replaced or left out
        model = TaskModel(folders.load(folder, fresh_head=True).encoder, task, means=means)
    found = tensors.read(folder / WEIGHTS)
    like = model.head.state_dict()
    tensors.require_shapes(found, like, folder / WEIGHTS)
    if other := sorted(set(found) - set(like)):
        raise InputError(f"{folder / WEIGHTS}: {other[0]} is no tensor of such a head")
    model.head.load_state_dict(found)
    return model.eval()


def task_of(folder: Path) -> Task:
    """What the model of a folder was trained for."""
    return _settings(folder / SETTINGS)[0]


def _settings(path: Path) -> tuple[Task, bool]:
    values = files.json_object(path)
    try:
        own = Declared.of(values["declared"])
        task = own.task(str(values["name"])) if own else declared.named(str(values["name"]))
        return fit.with_length(task, int(values["max_length"])), bool(values["means"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: written by another version ({error}); train the model anew") from error
