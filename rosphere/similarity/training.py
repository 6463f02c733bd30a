"""What a run of RoFormer-Sim watches of held-out pairs: the two losses it is trained on, and nothing else.

What is measured of a finished encoder (recall, correlations, negation, paraphrases) is in evaluators.py and is the
work of stages of its own: a measure can change without training anything again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rosphere.similarity import pairs
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Batch, Groups

DEV_PAIRS = 256  # held-out pairs at most


def dev_batch(groups: Groups, seed: int) -> Batch:
    """The same held-out pairs for every model and every step, sources without noise."""
    return pairs.training_batch(groups, 0, batch_size=min(DEV_PAIRS, len(groups)), noise=0.0, rate=0.0, seed=seed)


@torch.no_grad()
def dev_losses(
    model: SimilarityModel, batch: Batch, *, chunk: int, contrast: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """{"dev_contrastive", "dev_lm"}: ``contrast`` of all vectors [N, D], and nats a token of the targets."""
    model.eval()
    batch = batch.to(next(model.parameters()).device)
    vectors, lm = zip(*(model(part) for part in batch.split(chunk)), strict=True)
    return {
        "dev_contrastive": float(contrast(torch.cat(vectors))),
        "dev_lm": sum(float(own()) for own in lm),
    }
