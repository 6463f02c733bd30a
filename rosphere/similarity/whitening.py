"""Evening out how much sentence vectors vary by direction, folded into a model's pooler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rosphere.errors import InputError
from rosphere.similarity.encoding import in_batches
from rosphere.similarity.model import SimilarityModel
from rosphere.text.tokenizer import Tokenizer


def whiten_partially(
    model: SimilarityModel, tokenizer: Tokenizer, texts: Sequence[str], power: float, *, max_length: int = 64
) -> None:
    """Evens out, in place, how much the vectors of ``texts`` vary in different directions: half-whitening at power 0.5.

    With m and C = U diag(s) U^T the mean and covariance of the pooler's output p over ``texts``, p becomes
    M p - (1 - |m| / |M m|) M m, M = c C^(-power/2), c such that the total variance stays. So does the length of the
    mean, and with both the spread of cosines. Power 0 changes nothing. Whitening (Su et al. 2021, arXiv 2103.15316) has
    power 1 and no mean left. Directions of less than 1e-6 of the largest variance, where nothing was seen, are treated
    as if they had so much.

    Raises:
        InputError: a power outside [0, 1], texts that all have the same vector.
    """
    if not 0 <= power <= 1:
        raise InputError(f"partial_whitening: expected a power from 0 to 1, got {power}")
    if not power:
        return
    model.eval()
    found = in_batches(model.pooled, model.language, tokenizer, texts, max_length=max_length)
    if len(found) < 2 or not np.ptp(found, axis=0).any():
        raise InputError(f"partial_whitening: expected vectors that differ, got {len(found)} texts with one at most")
    mean = found.mean(0, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.cov(found.T.astype(np.float64)))
    scales = np.maximum(variances, 1e-6 * variances.max()) ** (-power / 2)
    scales *= np.sqrt(variances.sum() / (variances * scales**2).sum())
    matrix = (axes * scales) @ axes.T
    moved = matrix @ mean
    shift = (1 - np.linalg.norm(mean) / np.linalg.norm(moved)) * moved
    with torch.no_grad():
        weight, bias = model.pooler.weight, model.pooler.bias
        change = torch.from_numpy(matrix).to(weight.device)
        weight.copy_(change @ weight.double())
        bias.copy_(change @ bias.double() - torch.from_numpy(shift).to(bias.device))
