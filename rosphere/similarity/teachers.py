"""Sentence vectors to distil from: our own encoder, any sentence-transformers or Hugging Face folder, or a file.

A teacher sees text, not tokens: its vocabulary and its width are its own, for only cosines are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import get_args

from rosphere import files
from rosphere.encoder import modules
from rosphere.encoder.bare import is_bare
from rosphere.encoder.config import Kind
from rosphere.errors import InputError
from rosphere.similarity import encoding, foreign, teacher_vectors
from rosphere.similarity import folder as similarity
from rosphere.similarity.teacher_vectors import SUFFIX, Encode, Progress, StoredVectors
from rosphere.similarity.vectors import Vectors
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes


def vectors(
    teacher: Path,
    texts: Sequence[str],
    *,
    max_length: int,
    cache: Path | None = None,
    progress: Progress = lambda done, total: None,
    stopping: Callable[[], bool] = lambda: False,
) -> StoredVectors:
    """Unit vectors [len(texts), D] by ``teacher``: a folder, or a file that ``teacher_vectors.write`` made.

    With ``cache``, a folder, what a teacher's folder gives is computed once, by whatever stage first asks, and kept
    below a name that says what weights and what length (``teacher_vectors.stored``).

    Raises:
        InputError: there is no such teacher; a file lacks one of the texts; a shard is damaged.
        Interrupted: ``stopping()`` between two shards.
    """
    if teacher.suffix == SUFFIX:
        return teacher_vectors.of_file(teacher, texts)
    require_folder(teacher)
    encode = _Teacher(teacher, max_length)
    if cache is None:
        return teacher_vectors.in_memory(encode(texts))
    folder = cache / _content(teacher, max_length)
    return teacher_vectors.stored(folder, texts, encode, progress=progress, stopping=stopping)


def require_folder(teacher: Path) -> None:
    """Raises InputError where a folder is neither a model's nor one of sentence-transformers'."""
    if not ((teacher / "config.json").is_file() or modules.listed(teacher)):
        raise InputError(f"{teacher}: expected a teacher, a model's folder or a {SUFFIX} file of vectors")


def require_vectors(path: Path) -> None:
    """Raises InputError where a file is not one that ``teacher_vectors.write`` made."""
    teacher_vectors.mapped(path)


class _Teacher:
    """A folder's encoder, opened when it first encodes: where all vectors are known it never is."""

    def __init__(self, folder: Path, max_length: int) -> None:
        self.folder, self.max_length = folder, max_length

    def __call__(self, texts: Sequence[str]) -> Vectors:
        return self.encode(texts)

    @cached_property
    def encode(self) -> Encode:
        if like_ours(self.folder):
            model = similarity.load(self.folder).to(processes.device())
            return partial(encoding.encode, model, Tokenizer(self.folder), max_length=self.max_length)
        return partial(foreign.encode, foreign.load(self.folder, max_length=self.max_length))


def like_ours(teacher: Path) -> bool:
    """Whether ``similarity.load`` reads the folder as it is meant: [CLS] or mean of a language model, whole or without
    its head, and a linear layer.
    """
    settings = [teacher / name / "config.json" for name in ("", "1_Pooling", similarity.DENSE)]
    needed = (*settings, teacher / similarity.DENSE / "model.safetensors", teacher / "tokenizer.json")
    if not all(path.is_file() for path in needed):
        return False
    config, pooling, dense = map(files.json_object, settings)
    return (
        config.get("model_type") in list(get_args(Kind))
        and (
            (is_bare(teacher) and _plain(teacher))
            or all(str(name).endswith("ForMaskedLM") for name in config.get("architectures") or [""])
        )
        and [key for key, value in pooling.items() if value is True and key.startswith("pooling_mode_")]
        in (["pooling_mode_cls_token"], ["pooling_mode_mean_tokens"])
        and str(dense.get("activation_function", "")).endswith("Identity")
        and dense.get("in_features") == dense.get("out_features") == config.get("hidden_size")
    )


def _plain(teacher: Path) -> bool:
    """Whether a folder of sentence-transformers is nothing but our modules, and texts are given to it as they are."""
    path = teacher / "config_sentence_transformers.json"
    said = files.json_object(path) if path.is_file() else {}
    kinds = [each.kind for each in modules.listed(teacher)]
    return not (said.get("prompts") or said.get("default_prompt_name")) and kinds[:4] == similarity.ENCODER


def _content(teacher: Path, max_length: int) -> str:
    """A name for the content of all files of a folder, the length and the precision."""
    return hashlib.blake2b(f"{max_length} fp32 {files.folder_hash(teacher)}".encode(), digest_size=16).hexdigest()
