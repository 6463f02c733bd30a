"""Sentence vectors to distil from: our own encoder, any sentence-transformers or Hugging Face folder, or a file.

A teacher sees text, not tokens: its vocabulary and its width are its own, for only cosines are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rosphere import files
from rosphere.encoder import modules
from rosphere.encoder.config import Kind
from rosphere.errors import InputError
from rosphere.similarity import encoding, foreign
from rosphere.similarity import folder as similarity
from rosphere.similarity.vectors import Vectors, unit
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes

SUFFIX = ".safetensors"
VECTORS, KEYS = "vectors", "keys"


def vectors(teacher: Path, texts: Sequence[str], *, max_length: int, cache: Path | None = None) -> Vectors:
    """Unit vectors [len(texts), D] by ``teacher``: a folder, or a file that ``write`` made.

    With ``cache``, a folder, what a teacher's folder gives for these very texts is computed once: the name of the
    file says what weights, what texts, what length.

    Raises:
        InputError: there is no such teacher; a file lacks one of the texts.
    """
    if teacher.suffix == SUFFIX:
        return _read(teacher, texts)
    require_folder(teacher)
    kept = cache / f"{_content(teacher, texts, max_length)}{SUFFIX}" if cache else None
    if kept is not None and kept.is_file():
        return _read(kept, texts)
    found = _encoded(teacher, texts, max_length)
    if kept is not None:
        write(kept, texts, found)
    return found


def require_folder(teacher: Path) -> None:
    """Raises InputError where a folder is neither a model's nor one of sentence-transformers'."""
    if not ((teacher / "config.json").is_file() or modules.listed(teacher)):
        raise InputError(f"{teacher}: expected a teacher, a model's folder or a {SUFFIX} file of vectors")


def write(path: Path, texts: Sequence[str], vectors_ND: Vectors) -> None:
    """A file of vectors, each under BLAKE2's 16 bytes of its text; whole or not at all.

    Tensors: "vectors" float32 [N, D] and "keys" uint8 [N, 16].
    """
    if len(texts) != len(vectors_ND):
        raise ValueError(f"expected a vector for each of {len(texts)} texts, got {len(vectors_ND)}")
    with files.replacing(path) as fresh:
        save_file({VECTORS: np.ascontiguousarray(vectors_ND, np.float32), KEYS: _keys(texts)}, fresh)


def _keys(texts: Iterable[str]) -> NDArray[np.uint8]:
    marks = [np.frombuffer(hashlib.blake2b(t.encode(), digest_size=16).digest(), np.uint8) for t in texts]
    return np.stack(marks) if marks else np.empty((0, 16), np.uint8)


def require_vectors(path: Path) -> None:
    """Raises InputError where a file is not one that ``write`` made."""
    _tensors(path)


def _tensors(path: Path) -> tuple[Vectors, NDArray[np.uint8]]:
    if not path.is_file():
        raise InputError(f"{path}: expected a file of a teacher's vectors; none is there")
    try:
        with safe_open(path, framework="np") as file:
            return file.get_tensor(VECTORS), file.get_tensor(KEYS)
    except SafetensorError as error:
        raise InputError(f"{path}: expected the tensors {VECTORS!r} and {KEYS!r} ({error})") from error


def _read(path: Path, texts: Sequence[str]) -> Vectors:
    table, keys = _tensors(path)
    place = {key.tobytes(): number for number, key in enumerate(keys)}
    wanted = [key.tobytes() for key in _keys(texts)]
    missing = [text for text, key in zip(texts, wanted, strict=True) if key not in place]
    if missing:
        raise InputError(f"{path}: has no vector for {len(missing)} of {len(texts)} sentences, such as {missing[0]!r}")
    return unit(table[[place[key] for key in wanted]])


def _encoded(teacher: Path, texts: Sequence[str], max_length: int) -> Vectors:
    if like_ours(teacher):
        model = similarity.load(teacher).to(processes.device())
        return encoding.encode(model, Tokenizer(teacher), texts, max_length=max_length)
    return foreign.encode(foreign.load(teacher, max_length=max_length), texts)


def like_ours(teacher: Path) -> bool:
    """Whether ``similarity.load`` reads the folder as it is meant: [CLS] or mean of a whole language model,
    and a linear layer.
    """
    settings = [teacher / name / "config.json" for name in ("", "1_Pooling", similarity.DENSE)]
    needed = (*settings, teacher / similarity.DENSE / "model.safetensors", teacher / "tokenizer.json")
    if not all(path.is_file() for path in needed):
        return False
    config, pooling, dense = map(files.json_object, settings)
    return (
        config.get("model_type") in list(get_args(Kind))
        and all(str(name).endswith("ForMaskedLM") for name in config.get("architectures") or [""])
        and [key for key, value in pooling.items() if value is True and key.startswith("pooling_mode_")]
        in (["pooling_mode_cls_token"], ["pooling_mode_mean_tokens"])
        and str(dense.get("activation_function", "")).endswith("Identity")
        and dense.get("in_features") == dense.get("out_features") == config.get("hidden_size")
    )


def _content(teacher: Path, texts: Sequence[str], max_length: int) -> str:
    """A name for the content of all files of a folder, these texts in this order, the length and the precision."""
    mark = hashlib.blake2b(f"{max_length} fp32 {files.folder_hash(teacher)}".encode(), digest_size=16)
    for text in texts:
        mark.update(len(text).to_bytes(4, "big") + text.encode())
    return mark.hexdigest()
