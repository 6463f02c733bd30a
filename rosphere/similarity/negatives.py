"""Hard negatives: sentences of which people said that they do not say the same as a sentence of a group, and mined
ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rosphere.text import reading
from rosphere.text.cleaning import fingerprint
from rosphere.text.tokenizer import Tokenizer

Ids = NDArray[np.int64]


class Negatives:
    """What data/pairs/negatives.jsonl says of numbered sentences: ``of[n]`` are the tokens of all that are unlike n."""

    def __init__(self, path: Path, texts: Sequence[str], tokenizer: Tokenizer, *, max_length: int) -> None:
        place = {fingerprint(text): number for number, text in enumerate(texts)}
        found: list[tuple[int, str]] = []
        for number, row in reading.rows(path) if path.is_file() else ():  # prepare writes none where there are none
            one, two = (reading.text_field(row, k, path=path, number=number) for k in ("sentence1", "sentence2"))
            for text, other in ((one, two), (two, one)):
                if (mark := fingerprint(text)) in place:
                    found.append((place[mark], other))
        self.of: dict[int, list[Ids]] = {}
        for (number, _), ids in zip(found, tokenizer.ids([other for _, other in found]), strict=True):
            self.of.setdefault(number, []).append(np.array(ids[:max_length], np.int64))

    def add(self, mined: Mapping[int, Sequence[int]], sentences: Sequence[NDArray[np.integer]]) -> None:
        """Further ones, sentences by their numbers."""
        for number, others in mined.items():
            self.of.setdefault(number, []).extend(sentences[other].astype(np.int64) for other in others)

    def draw(self, pair: tuple[int, int], generator: np.random.Generator) -> list[Ids]:
        """One for each of two similar sentences: its own, else its partner's, for what is unlike the one is unlike the
        other; none where neither has one."""
        mine, theirs = (self.of.get(number, []) for number in pair)
        found = [own or others for own, others in ((mine, theirs), (theirs, mine))]
        return [each[int(generator.integers(len(each)))] for each in found if each]
