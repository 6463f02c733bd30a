"""How likely the model finds targets of a source. Shapes: N rows, L tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rosphere.encoder import masks
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Row, assemble
from rosphere.text.tokenizer import Tokenizer

ROWS_AT_ONCE = 64


def log_likelihoods(
    model: SimilarityModel, tokenizer: Tokenizer, source: Sequence[int], targets: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """log p(target | source) [N] in nats, [SEP] included, under UniLM's mask."""
    found = []
    for first in range(0, len(targets), ROWS_AT_ONCE):
        found.append(_of_rows(model, tokenizer, source, targets[first : first + ROWS_AT_ONCE]))
    return np.concatenate(found) if found else np.empty(0)


@torch.inference_mode()
def _of_rows(
    model: SimilarityModel, tokenizer: Tokenizer, source: Sequence[int], targets: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    own = np.array(source, np.int64)
    batch = assemble([Row(source=own, target=np.array(t, np.int64), sentence=0) for t in targets], tokenizer)
    batch = batch.to(model.pooler.weight.device)
    mask = masks.seq2seq(batch.segments_NL, batch.keep_NL)
    hidden_NLH = model.language.encoder(batch.ids_NL, mask, batch.segments_NL)
    rows, places = batch.targets.nonzero(as_tuple=True)
    chances = model.language.logits(hidden_NLH[rows, places]).float().log_softmax(-1)
    each = chances.gather(1, batch.ids_NL[rows, places + 1][:, None])[:, 0].double()
    sums = torch.zeros(len(targets), dtype=torch.float64, device=each.device).index_add_(0, rows, each)
    return sums.cpu().numpy()
