"""The characters of a sentence as a half of its vector: token vectors with rarity weights.

    l = sum_t w_t e_t / (sum_t w_t)^(1/2)        w_t = log((n + 1) / (n_t + 1)) + 1, n_t of n sentences have t

e_t are random vectors: their means keep which characters were there (Kanerva et al. 2000, random indexing; Johnson and
Lindenstrauss 1984), which an encoder that has read little forgets outside the text it was trained on. From them
``lexical_training`` goes on. The square root makes sentences of all lengths equally long. The vectors are centred and
half-whitened over sentences of the corpus (Su et al. 2021, arXiv 2103.15316), and scaled to a mean square length of 1.
Special tokens, [UNK] included, weigh nothing.

With the encoder's unit vector s, a sentence's vector is (1 - share)^(1/2) s beside share^(1/2) l, at unit length: its
cosines are weighted means of both parts'. Shapes: N rows, L tokens, V vocabulary, H width of the part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity.vectors import Vectors, unit

Ids = NDArray[np.int64]
POWER = 0.5  # of whitening: 1 makes all directions equal


class Lexical(nn.Module):
    """``table_VH``: token vectors. ``weight_V``: rarity. ``share``: of the whole vector's square length."""

    table_VH: Tensor
    weight_V: Tensor

    def __init__(self, table_VH: Tensor, weight_V: Tensor, share: float) -> None:
        super().__init__()
        if not 0 < share < 1:
            raise InputError(f"lexical: expected a share between 0 and 1, got {share}")
        self.share = share
        self.register_buffer("table_VH", table_VH)
        self.register_buffer("weight_V", weight_V)

    def forward(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """l [N, H]; zero where no token weighs anything."""
        weight_NL = self.weight_V[ids_NL] * keep_NL
        sums_NH = (self.table_VH[ids_NL] * weight_NL[..., None]).sum(1)
        return sums_NH / weight_NL.sum(1, keepdim=True).clamp(min=1e-9).sqrt()

    def beside(self, semantic_NH: Tensor, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """Unit vectors [N, 2 H] of the encoder's unit vectors and these rows."""
        both = ((1 - self.share) ** 0.5 * semantic_NH, self.share**0.5 * self(ids_NL, keep_NL))
        return F.normalize(torch.cat(both, dim=-1), dim=-1)


def fitted(
    sentences: Sequence[Ids], *, vocabulary: int, width: int, share: float, specials: Sequence[int], seed: int
) -> Lexical:
    """Vectors by the seed, weights and whitening by the sentences.

    Raises:
        InputError: no two sentences with tokens that count.
    """
    occurs = _weighted([np.unique(ids) for ids in sentences], np.ones(vocabulary))
    weight = np.log((len(sentences) + 1) / (np.asarray(occurs.sum(0)).ravel() + 1)) + 1
    weight[list(specials)] = 0
    counts, sums = _counted(sentences, weight)
    if len(sums) < 2:
        raise InputError(f"lexical: expected sentences with tokens that count, got {len(sums)} of {len(sentences)}")
    table = stream(seed, Stream.LEXICAL).standard_normal((vocabulary, width))
    table -= np.asarray(counts.sum(0)).ravel() @ table / sums.sum()
    scaled = sparse.diags_array(1 / np.sqrt(sums)) @ counts
    variances, axes = np.linalg.eigh(np.cov((scaled @ table).T))
    table = table @ (axes * np.maximum(variances, 1e-6 * variances.max()) ** (-POWER / 2)) @ axes.T
    table /= np.sqrt(np.square(scaled @ table).sum(1).mean())
    return Lexical(torch.from_numpy(table).float(), torch.from_numpy(weight).float(), share)


def rescale(half: Lexical, sentences: Sequence[Ids]) -> None:
    """Makes the mean square length of the sentences' rows 1 again, as ``fitted`` has left it."""
    counts, sums = _counted(sentences, half.weight_V.double().cpu().numpy())
    rows = sparse.diags_array(1 / np.sqrt(sums)) @ counts @ half.table_VH.double().cpu().numpy()
    half.table_VH = half.table_VH / float(np.sqrt(np.square(rows).sum(1).mean()))


def random_means(sequences: Sequence[Sequence[int]], *, vocabulary: int, width: int, seed: int) -> Vectors:
    """Unit means [N, width] of fixed random vectors per token: what an encoder must beat to be called one."""
    table = stream(seed, Stream.LEXICAL).standard_normal((vocabulary, width)).astype(np.float32)
    counts = _weighted([np.array(ids, np.int64) for ids in sequences], np.ones(vocabulary))
    return unit(counts @ table)


def _counted(sentences: Sequence[Ids], weight: NDArray[np.float64]) -> tuple[sparse.csr_array, NDArray[np.float64]]:
    """The weighted counts of the sentences that have any, and their sums."""
    counts = _weighted(sentences, weight)
    sums = np.asarray(counts.sum(1)).ravel()
    return counts[sums > 0], sums[sums > 0]


def _weighted(sentences: Sequence[Ids], weight: NDArray[np.float64]) -> sparse.csr_array:
    """[sentences, V]: for each token how often it stands there, times its weight."""
    rows = np.repeat(np.arange(len(sentences)), [len(ids) for ids in sentences])
    tokens = np.concatenate([np.asarray(ids, np.int64) for ids in sentences])
    shape = (len(sentences), len(weight))
    return sparse.csr_array(sparse.coo_array((weight[tokens], (rows, tokens)), shape=shape))
