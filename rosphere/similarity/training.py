"""What a run of RoFormer-Sim is trained on, and watches of held-out pairs: the two losses and nothing else.

What is measured of a finished encoder (recall, correlations, negation, paraphrases) is in evaluators.py and is the
work of stages of its own: a measure can change without training anything again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rosphere.similarity import pairs
from rosphere.similarity.gradient_cache import Own
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Batch, Groups

DEV_PAIRS = 256  # held-out pairs at most


def encode(model: SimilarityModel, batch: Batch, *, generation: float) -> Tensor | tuple[Tensor, Own]:
    """What ``gradient_cache.accumulate`` wants of a chunk: the vectors [N, D], and where there is something to write
    its loss, ``generation`` times. Without targets the vocabulary head has no gradient and stays as it is."""
    vectors_ND, lm = model(batch)
    return (vectors_ND, lambda: generation * lm()) if batch.tokens else vectors_ND


def will_write(model: SimilarityModel, *, generation: float, steps: int) -> bool:
    """Whether ``model`` can write after a run of so many steps, in which writing has this weight."""
    return generation > 0 if steps else model.writes


def settle_head(model: SimilarityModel, *, generation: float, steps: int) -> None:
    """What became of the vocabulary head in a run: trained, or left behind by the encoder, and then not to be saved."""
    model.language.bare = not will_write(model, generation=generation, steps=steps)


def dev_batch(groups: Groups, seed: int, *, targets: bool = True) -> Batch:
    """The same held-out pairs for every model and every step, sources without noise."""
    size = min(DEV_PAIRS, len(groups))
    return pairs.training_batch(groups, 0, batch_size=size, noise=0.0, rate=0.0, seed=seed, targets=targets)


@torch.no_grad()
def dev_losses(
    model: SimilarityModel, batch: Batch, *, chunk: int, contrast: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """{"dev_contrastive", "dev_lm"}: ``contrast`` of all vectors [N, D], and nats a token of the targets, if any."""
    model.eval()
    batch = batch.to(next(model.parameters()).device)
    vectors, lm = zip(*(model(part) for part in batch.split(chunk)), strict=True)
    found = {"dev_contrastive": float(contrast(torch.cat(vectors)))}
    return found | {"dev_lm": sum(float(own()) for own in lm)} if batch.tokens else found
