"""Several counted language models as one: p = sum of share x p of each, linear interpolation.

Little text of the kind that is wanted and much of another are counted apart: in one table the little is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rosphere import files
from rosphere.errors import InputError
from rosphere.text import ngrams
from rosphere.text.ngrams import Ids, NGrams

SHARES = "shares"


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """``shares`` sum to one; the parts have one vocabulary, one beginning and one end."""

    parts: Sequence[NGrams]
    shares: Sequence[float]

    @property
    def vocabulary(self) -> int:
        return self.parts[0].vocabulary

    @property
    def end(self) -> int:
        return self.parts[0].end

    def log_probabilities(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
        """log p of each token of each sequence and of its end: arrays one longer than the sequences."""
        each = [part.log_probabilities(sequences) for part in self.parts]
        return [np.log(self._mixed([np.exp(one) for one in of_one])) for of_one in zip(*each, strict=True)]

    def distribution(self, written: Sequence[int]) -> NDArray[np.float64]:
        """p [V] of what comes after the beginning and these tokens."""
        return self._mixed([part.distribution(written) for part in self.parts])

    def unigrams(self) -> NDArray[np.float64]:
        """p [V] without a context."""
        return self._mixed([part.unigrams() for part in self.parts])

    def followers(self, written: Sequence[int], length: int) -> Ids:
        """Tokens that were seen in any part after the last ``length`` tokens, sorted."""
        return np.unique(np.concatenate([part.followers(written, length) for part in self.parts]))

    def _mixed(self, chances: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.sum([s * p for s, p in zip(self.shares, chances, strict=True)], axis=0)
        return found


def save(found: Mixture, path: Path) -> None:
    """All parts in one safetensors file."""
    named = (ngrams.tensors(part).items() for part in found.parts)
    parts = {f"{number}.{name}": tensor for number, items in enumerate(named) for name, tensor in items}
    with files.replacing(path) as fresh:
        save_file({SHARES: np.array(found.shares, np.float64), **parts}, fresh)


def _tensor(file: Any, number: int, name: str) -> Any:
    return file.get_tensor(f"{number}.{name}")


def load(path: Path) -> Mixture:
    """What ``save`` wrote. Raises InputError where the file is another."""
    try:
        with safe_open(path, framework="np") as file:
            shares = file.get_tensor(SHARES).tolist()
            parts = [ngrams.of_tensors(partial(_tensor, file, number)) for number in range(len(shares))]
    except (SafetensorError, FileNotFoundError) as error:
        raise InputError(f"{path}: expected counted n-grams ({error})") from error
    return Mixture(parts=parts, shares=shares)
