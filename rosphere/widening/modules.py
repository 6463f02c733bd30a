"""The modules of a sentence-transformers folder behind a widened encoder: grown so that no cosine changes.

Pooling takes each copy of a feature alike, so that it has nothing to grow but its stated width. A dense layer reads the
copies in shares, as everything in the encoder does, and writes what it wrote. Where it is square and linear, as
RoFormer-Sim's, it is grown by rows too, v to (v, ..., v) / sqrt(k), so that the folder stays one of that kind: inner
products are the same at any width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rosphere import files
from rosphere.encoder import tensors
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.modules import Module
from rosphere.widening import growth, maps, plan
from rosphere.widening.maps import Copies, Map

WIDTHS = ("word_embedding_dimension", "embedding_dimension")
STATIC = ("Normalize", "Dropout")


@dataclass
class Grower:
    """Writes the modules behind the encoder one by one; ``reads`` is how what reads their vector now grows."""

    source: Path
    target: Path
    old: EncoderConfig
    new: EncoderConfig
    noise: float
    seed: int

    def __post_init__(self) -> None:
        self.units = plan.growth(self.old, self.new, self.seed)
        self.reads: Map | None = self.units["read hidden"]  # None: the vector is as it was
        self.generator = torch.Generator().manual_seed(self.seed + 2)  # neither the isometry's nor the weights'

    def carry(self, modules: list[Module]) -> str | None:
        """Writes them all; or the first that cannot be grown is named, and none is of use."""
        for module in modules:
            grow = {"Pooling": self._pooling, "Dense": self._dense, "LayerNorm": self._norm}.get(module.kind)
            place = self.target / module.path
            place.mkdir(parents=True, exist_ok=True)
            if module.kind in STATIC:
                files.copy_present(self.source / module.path, place, ("config.json",))
            elif grow is None or not grow(self.source / module.path, place):
                return module.path or module.kind
        return None

    def _pooling(self, source: Path, place: Path) -> bool:
        settings = files.json_object(source / "config.json")
        found = [key for key in WIDTHS if key in settings]
        if self.reads is not None and any(settings[key] != self.old.hidden_size for key in found):
            return False
        grown = {key: self.new.hidden_size for key in found}
        files.write_json(place / "config.json", {**settings, **(grown if self.reads is not None else {})})
        return True

    def _dense(self, source: Path, place: Path) -> bool:
        settings = files.json_object(source / "config.json")
        if self.reads is None:
            files.copy_present(source, place, ("config.json", *tensors.NAMES))
            return True
        path = _weights(source)
        size, old = settings.get("in_features"), self.old.hidden_size
        odd = settings.get("module_input_name", "sentence_embedding") != "sentence_embedding"
        if odd or type(size) is not int or size < old or size % old:
            return False
        weight = tensors.one(path, "linear.weight", (None, size))
        bias = tensors.one(path, "linear.bias", (len(weight),)) if settings.get("bias", True) else None
        square = size == old == len(weight) and str(settings.get("activation_function", "")).endswith("Identity")
        wide = {"linear.weight": torch.cat([self._read(part) for part in torch.split(weight, old, dim=1)], dim=1)}
        if bias is not None:
            wide["linear.bias"] = bias
        if square:
            rows = spread(self.new.hidden_size, old)
            wide = {name: maps.apply(rows, tensor, 0) for name, tensor in wide.items()}
        self.reads = maps.dual(spread(self.new.hidden_size, old)) if square else None
        widths = {"in_features": wide["linear.weight"].shape[1], "out_features": len(wide["linear.weight"])}
        files.write_json(place / "config.json", {**settings, **widths})
        tensors.save(place / tensors.NAMES[0], wide)
        return True

    def pooler(self, source: Path, target: Path) -> None:
        """A square linear layer on the pooled states by itself, its tensors called weight and bias."""
        width = self.old.hidden_size
        weight, bias = tensors.one(source, "weight", (width, width)), tensors.one(source, "bias", (width,))
        columns = growth.read(weight, self.units["read hidden"], noise=self.noise, generator=self.generator)
        rows = spread(self.new.hidden_size, width)
        tensors.save(target, {"weight": maps.apply(rows, columns, 0), "bias": maps.apply(rows, bias, 0)})

    def _read(self, weight: Tensor) -> Tensor:
        """Columns that read the vector as it has grown."""
        reads = self.reads
        assert reads is not None
        if reads is self.units["read hidden"]:
            return growth.read(weight, reads, noise=self.noise, generator=self.generator)
        return maps.apply(reads, weight, 1)

    def _norm(self, source: Path, place: Path) -> bool:
        settings = files.json_object(source / "config.json")
        exact = self.new.hidden_size % self.old.hidden_size == 0 and self.old.biased
        if self.reads is not None and (settings.get("dimension") != self.old.hidden_size or not exact):
            return False
        path = _weights(source)
        named = tensors.read(path)
        if self.reads is not None:
            settings["dimension"] = self.new.hidden_size
            named = {name: maps.apply(self.units["write hidden"], tensor, 0) for name, tensor in named.items()}
        files.write_json(place / "config.json", settings)
        tensors.save(place / tensors.NAMES[0], named)
        return True


def spread(new: int, old: int) -> Copies:
    """v to its copies, each over the root of their number: inner products stay, whatever the width."""
    origin = torch.arange(new) % old
    return Copies(old=old, origin=origin, scale=torch.bincount(origin).double().rsqrt()[origin])


def left_behind(source: Path, target: Path) -> Iterator[str]:
    """Files of the source that are not in the target and are not the encoder's own in another format."""
    there = {path.relative_to(target) for path in files.below(target)}
    for path in files.below(source):
        name = path.relative_to(source)
        if name not in there and not _other_format(name):
            yield str(name)


def _other_format(name: Path) -> bool:
    """The very weights once more, which are written as safetensors."""
    return name.name.startswith(("pytorch_model", "model-")) or name.name.endswith(".index.json")


def _weights(folder: Path) -> Path:
    """The file of a module's tensors; that which we would write where there is none, for the message."""
    found = (folder / name for name in tensors.NAMES if (folder / name).is_file())
    return next(found, folder / tensors.NAMES[0])
