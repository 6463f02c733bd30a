"""The next token of a paraphrase, weighed by three: the model, counted n-grams, and the source.

    log p(w) = MODEL log p_model(w) + COUNTS log p_counts(w) + what the source says of w

A small model knows what a sentence is about and not how one is written, counts know the opposite (log-linear fusion, as
in statistical machine translation). What the source says stands for a pointer (See et al. 2017, arXiv 1704.04368): its
tokens that are not yet written get COPY, those of them that follow the last token there get AHEAD more, and what was
written already, and is not due again, loses REPEAT. A pair of tokens that was seen neither in the counted text nor in
the source is refused.

What a row gets depends on its own source and tokens alone. Shapes: N rows, V vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rosphere.text.mixture import Mixture

MODEL, COUNTS = 0.5, 0.5
COPY, AHEAD, REPEAT = 1.0, 1.5, 2.0


class Guide:
    """Of one batch: ``sources`` are the token ids of each row's text."""

    def __init__(self, counts: Mixture, sources: Sequence[Sequence[int]]) -> None:
        self.counts, self.sources = counts, sources

    def __call__(self, logits_NV: Tensor, rows: Sequence[int], written: Sequence[Sequence[int]]) -> Tensor:
        """The model's logits of these rows, which have come so far, with all three in them; -inf stays."""
        added = np.stack([self.added(self.sources[row], written[row]) for row in rows])
        return MODEL * logits_NV.log_softmax(-1) + torch.from_numpy(added).to(logits_NV.device)

    def added(self, source: Sequence[int], written: Sequence[int]) -> NDArray[np.float32]:
        """[V]: what counts and source add to the model's share; -inf where a pair of tokens is refused."""
        found = COUNTS * np.log(self.counts.distribution(written))
        due = Counter(source)
        due.subtract(written)
        ahead = following(source, written)
        found[[token for token, left in due.items() if left > 0]] += COPY
        found[[token for token in ahead if due[token] > 0]] += AHEAD
        found[[token for token, left in due.items() if left <= 0 and token in written]] -= REPEAT
        allowed = [*self.counts.followers(written, 1), *ahead, self.counts.end]
        refused = np.ones(len(found), bool)
        refused[allowed] = False
        found[refused] = -np.inf
        return found.astype(np.float32)


def following(source: Sequence[int], written: Sequence[int]) -> set[int]:
    """Tokens that stand in the source behind the last one written; nothing before the first."""
    if not written:
        return set()
    return {after for before, after in zip(source, source[1:], strict=False) if before == written[-1]}
