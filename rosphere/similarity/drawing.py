"""Drawing tokens from the nucleus of a distribution, by random numbers that depend on a key and a step alone.

Shapes: N rows, one per sample; V vocabulary.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

BLOCK = 64  # of the vocabulary, when a token is drawn


def key(seed: int, source: Sequence[int], sample: int) -> int:
    """64 bits that name the random numbers of one sample of one source."""
    name = f"{seed} {sample} {list(source)}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def uniforms(keys_N: NDArray[np.uint64], step: int, number: int) -> NDArray[np.float64]:
    """Each key's ``number``-th number in [0, 1) of a step: SplitMix64 (Steele et al. 2014), its upper 52 bits."""
    x = keys_N + np.uint64((step + (number << 32)) * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(12)).astype(np.float64) * np.float64(2.0**-52)


def nucleus(logits_NV: Tensor, top_p: float, uniform: Callable[[int], NDArray[np.float64]]) -> Tensor:
    """One token per row from the smallest set of tokens whose probabilities reach ``top_p``; 0 is greedy.

    Holtzman et al. 2020, arXiv 1904.09751. Without sorting: a token is drawn from all, and kept if what is likelier
    sums to less than ``top_p``. If not, the set lies among the likelier ones, and the draw is repeated there.
    ``uniform(n)`` gives the rows' n-th numbers [N] in [0, 1).
    """
    logits_NV = F.pad(logits_NV.float(), (0, -logits_NV.shape[-1] % BLOCK), value=-torch.inf)
    weights = logits_NV.sub_(logits_NV.amax(-1, keepdim=True)).exp_()
    goal = top_p * weights.sum(-1)
    token, rows = torch.empty_like(goal, dtype=torch.long), torch.arange(len(goal), device=goal.device)
    for turn in itertools.count():
        first, second = (torch.from_numpy(uniform(2 * turn + n)).to(goal.device)[rows] for n in range(2))
        drawn = _drawn(weights, first, second)
        above = torch.gt(weights, weights.gather(1, drawn), out=torch.empty_like(weights))  # 0 or 1
        likelier = above.mul_(weights)  # five times as fast as weights.where(...)
        before = likelier.sum(-1)
        kept = (before < goal) | (before == 0)
        token[rows[kept]] = drawn[kept, 0]
        if bool(kept.all()):
            break
        weights, goal, rows = likelier[~kept], goal[~kept], rows[~kept]
    return token


def _drawn(weights_NV: Tensor, first_N: Tensor, second_N: Tensor) -> Tensor:
    """[N, 1]: a block of tokens by its weight, then a token of the block.

    One cumulative sum over V would cost more, and rounding would change more draws than this: an error in any
    weight moves all boundaries behind it.
    """
    blocks = weights_NV.view(len(weights_NV), -1, BLOCK)
    block = _place(blocks.sum(-1), first_N)
    return block * BLOCK + _place(blocks.take_along_dim(block[..., None], 1).squeeze(1), second_N)


def _place(weights: Tensor, share_N: Tensor) -> Tensor:
    """[N, 1]: where the cumulative weights of each row first exceed this share of their sum."""
    cumulative = weights.cumsum(-1, dtype=torch.float64)
    return torch.searchsorted(cumulative, share_N[:, None] * cumulative[:, -1:], right=True)
