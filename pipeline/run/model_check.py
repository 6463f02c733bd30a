"""What can be seen before any work of models and vectors that others made."""

from __future__ import annotations

from pathlib import Path

from pipeline.run import vocabulary_check
from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.hub import REPOSITORY
from rosphere.errors import InputError
from rosphere.pretraining.recipe import Narrow
from rosphere.similarity import folder as similarity
from rosphere.similarity import teacher_vectors, teachers


def require_initial(narrow: Narrow, vocabulary: str | None, *, lowercase: bool) -> EncoderConfig | None:
    """The shape of the model that ``pretrain.init`` names, if it lies here; one of the hub is downloaded by the stage.

    Raises:
        InputError: training cannot begin from it: no model of ours, files that cannot be read, fewer positions than
            rows have tokens, one segment where the later stages need two, or another tokenizer.
    """
    key, name = "params.yaml: pretrain.init", str(narrow.init)
    path = Path(name)
    if not (path.is_dir() or REPOSITORY.fullmatch(name)):
        raise InputError(f"{key}: no such folder, nor a hub name: {name}")
    if vocabulary is None:
        raise InputError(f"{key}: {name} needs its own vocabulary: prepare.vocabulary.path: {name}; got null")
    if not path.is_dir():
        return None
    shape = folder.load(path, fresh_head=True).config
    if not shape.rotary and narrow.sequence > shape.max_position_embeddings:
        raise InputError(
            f"{key}: {name} has positions for {shape.max_position_embeddings} tokens, pretrain.sequence is "
            f"{narrow.sequence}"
        )
    if shape.type_vocab_size < 2:
        raise InputError(f"{key}: {name} has type_vocab_size 1; simbert and roformer_sim tell two segments apart")
    pieces = vocabulary_check.named(vocabulary, lowercase=lowercase)
    if pieces is not None:
        pieces.require(shape.vocab_size, model=path)
        pieces.require_same(path)
    return shape


def require_language_model(narrow: Narrow, steps: int) -> None:
    """Raises InputError where a text VAE is to begin as a language model and there will be none: a published encoder
    without a vocabulary head that is not pretrained, not even in the ``steps`` after widening."""
    path = Path(str(narrow.init))
    if narrow.init is None or narrow.schedule.steps or steps or not path.is_dir():
        return
    if folder.load(path, fresh_head=True).bare:
        raise InputError(
            f"params.yaml: vmf_vae.decoder: pretrained begins as a language model; {narrow.init} has no vocabulary "
            "head, and pretrain and pretrain_wide have no steps to train one: set vmf_vae.decoder: fresh"
        )


def require_teacher(key: str, name: str) -> None:
    """Raises InputError where a folder or a file of vectors is none that sentences can be taught by."""
    path = Path(name)
    if path.suffix == teacher_vectors.SUFFIX:
        teachers.require_vectors(path)
        return
    try:
        teachers.require_folder(path)
    except InputError as error:
        raise InputError(f"params.yaml: {key}: {error}") from error


def require_encoder(key: str, name: str) -> None:
    """Raises InputError where a folder is no sentence encoder that ``similarity.save`` wrote."""
    try:
        similarity.load(Path(name))
    except InputError as error:
        raise InputError(f"params.yaml: {key}: {error}") from error
