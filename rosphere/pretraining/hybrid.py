"""Which steps of a run are masked and which causal: one model that fills gaps and writes."""

from __future__ import annotations

from rosphere.pretraining import causal, masked
from rosphere.pretraining.batch import Batch
from rosphere.pretraining.packing import PackedRows
from rosphere.pretraining.recipe import Recipe
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream


def is_causal(step: int, share: float) -> bool:
    """Whether step 0, 1, ... is a causal one: ``share`` of them are, spread evenly, the first one last.

    floor((step + 1) share) > floor(step share): of the first n steps floor(n share) are causal.
    """
    return int((step + 1) * share) > int(step * share)


def training_batch(rows: PackedRows, step: int, recipe: Recipe) -> Batch:
    """Batch ``step`` of a run: a pure function of the rows' seed and the step."""
    numbers = rows.numbers(step, recipe.batch_size)
    if is_causal(step, recipe.causal_share):
        generator = stream(rows.seed, Stream.NEXT_TOKENS, step)
        return causal.batch(rows, numbers, rate=recipe.causal_rate, generator=generator)
    return masked.batch(rows, numbers, rate=recipe.mask_rate, generator=stream(rows.seed, Stream.MASKING, step))
