"""The pooler in closed form: the linear layer by which a student's states come nearest to a teacher's vectors.

A student that is to learn vectors begins in a space of its own, turned against the teacher's, and gradients take
hundreds of steps to turn it. Ridge regression takes none. Shapes: N sentences, H hidden size, D dimensions, H here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rosphere.errors import InputError
from rosphere.similarity.encoding import in_batches
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.vectors import Vectors, mean_cosine, unit
from rosphere.text.tokenizer import Tokenizer

FITTED = 20000  # sentences, at most, evenly spread over those there are
RIDGE = 1e-2  # of the mean variance of a coordinate; with less of it the noise of training is amplified


def fit(
    model: SimilarityModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    goal: Callable[[NDArray[np.int64]], Vectors],
    *,
    max_length: int = 64,
) -> dict[str, float]:
    """Sets the pooler, in place, to the W, b of min sum_n |W h_n + b - v_n|^2 + ridge |W|^2; the mean cosine with the
    goal before and after, on the sentences it was fitted to.

    h_n are the states that the pooler is given, v_n the unit vectors along ``goal(numbers)`` [N, H] of these texts.

    Raises:
        InputError: fewer than two sentences.
    """
    if len(texts) < 2:
        raise InputError(f"pooler: expected two sentences or more to fit it to, got {len(texts)}")
    numbers = np.unique(np.linspace(0, len(texts) - 1, min(FITTED, len(texts))).astype(np.int64))
    model.eval()
    found = in_batches(model.states, model.language, tokenizer, [texts[n] for n in numbers], max_length=max_length)
    wanted_ND = unit(goal(numbers)).astype(np.float64)
    states_NH = found.astype(np.float64)
    weight, bias = model.pooler.weight, model.pooler.bias
    begun_DH, begun_D = (each.detach().double().cpu().numpy() for each in (weight, bias))
    mean_H, mean_D = states_NH.mean(0), wanted_ND.mean(0)
    centred_NH = states_NH - mean_H
    squares_HH = centred_NH.T @ centred_NH / len(numbers)
    ridge = RIDGE * np.trace(squares_HH) / len(squares_HH)
    solved_HD = np.linalg.solve(
        squares_HH + ridge * np.eye(len(squares_HH)), centred_NH.T @ (wanted_ND - mean_D) / len(numbers)
    )
    with torch.no_grad():
        weight.copy_(torch.from_numpy(solved_HD.T))
        bias.copy_(torch.from_numpy(mean_D - mean_H @ solved_HD))
    return {
        "before": mean_cosine(unit(states_NH @ begun_DH.T + begun_D), wanted_ND),
        "after": mean_cosine(unit(centred_NH @ solved_HD + mean_D), wanted_ND),
    }
