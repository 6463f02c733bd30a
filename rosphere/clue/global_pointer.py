"""GlobalPointer: every span of a text scored for every entity type (Su et al. 2022, arXiv 2208.03054)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rosphere.encoder import rotary

FAR = -1e4  # the score of an impossible span: far below any threshold, and finite in half precision


class GlobalPointer(nn.Module):
    """Scores [B, types, L, L] of the spans (first, last): q_first . k_last / sqrt(size), with rotary positions."""

    def __init__(self, hidden_size: int, types: int, size: int = 64, *, bias: bool = True) -> None:
        super().__init__()
        self.types, self.size = types, size
        self.project = nn.Linear(hidden_size, 2 * types * size, bias=bias)

    def forward(self, hidden_BLH: Tensor, keep_BL: Tensor) -> Tensor:
        length = hidden_BLH.shape[1]
        q, k = self.project(hidden_BLH).unflatten(-1, (self.types, 2, self.size)).permute(3, 0, 2, 1, 4)
        cos_sin = rotary.cos_sin(self.size, length, like=q)
        scores: Tensor = rotary.rotate(q, cos_sin) @ rotary.rotate(k, cos_sin).transpose(-1, -2) / self.size**0.5
        real = keep_BL.bool()[:, None, :, None] & keep_BL.bool()[:, None, None, :]
        forward_ = torch.ones(length, length, dtype=torch.bool, device=q.device).triu()
        return scores.float().masked_fill(~(real & forward_), FAR)


def loss(scores_BTLL: Tensor, gold_BTLL: Tensor) -> Tensor:
    """Mean over texts and types of log(1 + sum_neg e^s) + log(1 + sum_pos e^-s): the threshold is 0."""
    scores, gold = scores_BTLL.flatten(2), gold_BTLL.flatten(2).bool()
    zero = torch.zeros_like(scores[..., :1])
    negative = torch.cat((scores.masked_fill(gold, 2 * FAR), zero), -1).logsumexp(-1)
    positive = torch.cat((-scores.masked_fill(~gold, -2 * FAR), zero), -1).logsumexp(-1)
    return (negative + positive).mean()
