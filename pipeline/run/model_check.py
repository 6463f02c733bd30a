"""What can be seen before any work of models and vectors that others made."""

from __future__ import annotations

from pathlib import Path

from rosphere.encoder import config
from rosphere.encoder.hub import REPOSITORY
from rosphere.errors import InputError
from rosphere.similarity import folder as similarity
from rosphere.similarity import teachers
from rosphere.text import tokenizer


def require_initial(name: str, vocabulary: str | None) -> None:
    """Raises InputError where training cannot begin from ``pretrain.init``: no model of ours, or another vocabulary."""
    key, path = "params.yaml: pretrain.init", Path(name)
    if not (path.is_dir() or REPOSITORY.fullmatch(name)):
        raise InputError(f"{key}: no such folder, nor a hub name: {name}")
    if vocabulary is None:
        raise InputError(f"{key}: {name} needs its own vocabulary: prepare.vocabulary.path: {name}; got null")
    if path.is_dir():
        entries = config.read(path).vocab_size
        given = Path(vocabulary) / "vocab.txt" if Path(vocabulary).is_dir() else Path(vocabulary)
        if given.is_file() and len(ours := tokenizer.read_vocabulary(given)) > entries:
            raise InputError(f"{key}: {name} has {entries} token vectors, {given} has {len(ours)} entries")


def require_teacher(key: str, name: str) -> None:
    """Raises InputError where a folder or a file of vectors is none that sentences can be taught by."""
    path = Path(name)
    if path.suffix == teachers.SUFFIX:
        teachers.require_vectors(path)
    elif not (path / "config.json").is_file():
        raise InputError(
            f"params.yaml: {key}: {name}: expected a model's folder or a {teachers.SUFFIX} file of vectors"
        )


def require_encoder(key: str, name: str) -> None:
    """Raises InputError where a folder is no sentence encoder that ``similarity.save`` wrote."""
    try:
        similarity.weights_of(Path(name))
    except InputError as error:
        raise InputError(f"params.yaml: {key}: {error}") from error
    config.read(Path(name))
