"""Tensors in files that others made: safetensors, or torch files without unpickling code; whole or in shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from rosphere import files
from rosphere.errors import InputError, first_line

NAMES = ("model.safetensors", "pytorch_model.bin")
WRAPPED = "module."  # what torch's DataParallel puts before every name


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, by name, on the CPU.

    Raises:
        InputError: the file cannot be read, with what it seems to be; or it holds something else than tensors by name.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, ValueError, OSError) as error:
            raise InputError(f"{path}: not a safetensors file ({_said(error)}): {files.seems(path)}") from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file torch says anything, from EOFError to UnicodeDecodeError
        raise InputError(f"{path}: not a torch file of plain tensors ({_said(error)}): {files.seems(path)}") from error
    return _plain(found, path)


def names(path: Path) -> list[str]:
    """Of the tensors of a safetensors file, without reading them. Raises InputError where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({_said(error)}): {files.seems(path)}") from error


def save(path: Path, named: Mapping[str, Tensor]) -> None:
    """A safetensors file as transformers writes it."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
    save_file(whole, path, metadata={"format": "pt"})


def _said(error: Exception) -> str:
    """The first line, which is enough; not torch's advice to load with less caution."""
    if "WeightsUnpickler error" in str(error):
        return "it holds code or objects, or is damaged, and nothing is unpickled"
    return first_line(error, 160)


def _plain(found: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected tensors by name, got {type(found).__name__}")
    other = [key for key, value in found.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if other:
        raise InputError(
            f"{path}: expected tensors by name, got {type(found[other[0]]).__name__} under {str(other[0])[:80]!r}: "
            "a checkpoint of a training? Save the model alone"
        )
    return dict(found)


def one(path: Path, name: str, shape: tuple[int | None, ...]) -> Tensor:
    """The tensor of that name; None in ``shape`` is any size.

    Raises:
        InputError: the file cannot be read, has no such tensor, or one of another shape.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected the tensor {name!r}; there is no such file")
    found = read(path).get(name)
    if found is None:
        raise InputError(f"{path}: tensor {name} is missing")
    if found.dim() != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(f"{path}: {name} has shape {tuple(found.shape)}, expected ({wanted})")
    return found


def require_shapes(found: Mapping[str, Tensor], like: Mapping[str, Tensor], path: Path) -> None:
    """Raises InputError where a tensor of ``like`` is missing from ``found``, or has another shape there."""
    for name, expected in like.items():
        if name not in found:
            raise InputError(f"{path}: tensor {name} is missing")
        if found[name].shape != expected.shape:
            raise InputError(f"{path}: {name} has shape {tuple(found[name].shape)}, expected {tuple(expected.shape)}")


def of_folder(folder: Path) -> tuple[dict[str, Tensor], Path]:
    """All tensors of a model's folder, and the file that they or their list were found in.

    Raises:
        InputError: there are none, a shard that is listed is missing, or a file cannot be read.
    """
    for name in NAMES:
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _unwrapped({key: tensor for part in _parts(index) for key, tensor in read(part).items()}), index
        if (folder / name).is_file():
            return _unwrapped(read(folder / name)), folder / name
    raise InputError(f"{folder}: expected weights in {' or '.join(NAMES)}, neither is there")


def _parts(index: Path) -> list[Path]:
    """The shards that a list names, which lie beside it."""
    listed = files.json_object(index).get("weight_map")
    if not (isinstance(listed, dict) and all(isinstance(name, str) and name for name in listed.values())):
        raise InputError(f"{index}: expected 'weight_map', tensor names to file names")
    names = sorted(set(listed.values()))
    for name in names:
        if Path(name).name != name:
            raise InputError(f"{index}: expected names of files beside it, got {name[:80]!r}")
        if not (index.parent / name).is_file():
            raise InputError(f"{index.parent / name}: missing, though the list of shards names it")
    return [index.parent / name for name in names]


def _unwrapped(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without the prefix that DataParallel gives all names, where all have it."""
    if found and all(name.startswith(WRAPPED) for name in found):
        return {name.removeprefix(WRAPPED): tensor for name, tensor in found.items()}
    return found
