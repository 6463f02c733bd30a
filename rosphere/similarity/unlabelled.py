"""Sentences of the corpus in contrastive batches: each is its own paraphrase, seen twice with other tokens left out.

Groups of similar sentences are few and of one kind. Trained on them alone, an encoder forgets the characters of every
other text; a sentence that has to be found again by what is left of it keeps them. Deletion is the augmentation that
serves sentence vectors best (Wu et al. 2020, CLEAR, arXiv 2012.15466); dropout, as in SimCSE (Gao et al. 2021,
arXiv 2104.08821), acts beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text.corpus import of_sentences

Ids = NDArray[np.int64]
SHORTEST = 6  # tokens: of a shorter sentence too little would be left


class Flat(Sequence[Ids]):
    """Sentences of ids end to end in one array of 4 bytes a token: a million lists would be ten times as large."""

    def __init__(self, sentences: Iterable[NDArray[np.integer]], lengths: NDArray[np.int64]) -> None:
        self.ends = np.cumsum([0, *lengths])
        self.ids = np.empty(self.ends[-1], np.int32)
        for number, ids in enumerate(sentences):
            self.ids[self.ends[number] : self.ends[number + 1]] = ids

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        place = range(len(self))[number]
        return self.ids[self.ends[place] : self.ends[place + 1]].astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Sentences as ids, of which ``batch_size`` a step are taken, each token left out with probability ``deletion``."""

    sentences: Sequence[Ids]
    batch_size: int
    deletion: float

    def __post_init__(self) -> None:
        if not 0 <= self.deletion < 1:
            raise InputError(f"deletion: expected a share in [0, 1), got {self.deletion}")
        if not 1 <= self.batch_size <= len(self.sentences):
            got = f"{self.batch_size} of {len(self.sentences)}"
            raise InputError(f"unlabelled: expected 1 sentence a step or more, of those there are, got {got}")

    def draw(self, generator: np.random.Generator) -> list[tuple[int, Ids, Ids]]:
        """(number of the sentence, one view, another) for each of a step's sentences, all different."""
        chosen = generator.choice(len(self.sentences), size=self.batch_size, replace=False)
        found = []
        for number in chosen.tolist():
            first, second = (self._view(self.sentences[number], generator) for _ in range(2))
            found.append((number, first, second))
        return found

    def _view(self, ids: Ids, generator: np.random.Generator) -> Ids:
        """What is left of a sentence, in order; one token at least."""
        kept = generator.random(len(ids)) >= self.deletion
        kept[generator.integers(len(ids))] = True
        return ids[kept]


def of_corpus(
    folder: Path, *, batch_size: int, deletion: float, max_length: int, most: int, seed: int
) -> Unlabelled | None:
    """At most ``most`` sentences of a prepared split, drawn by the seed, cut at ``max_length`` tokens.

    Fewer than ``batch_size`` a step where there are no more; None where none is long enough, or none are asked for.
    """
    if not batch_size:
        return None
    corpus = of_sentences(folder)
    lengths = corpus.lengths
    long_enough = np.flatnonzero(lengths >= SHORTEST)
    chosen = stream(seed, Stream.UNLABELLED).permutation(long_enough)[:most]
    if not len(chosen):
        return None
    found = Flat((corpus.document(int(n))[0][:max_length] for n in chosen), lengths[chosen].clip(max=max_length))
    return Unlabelled(sentences=found, batch_size=min(batch_size, len(found)), deletion=deletion)
