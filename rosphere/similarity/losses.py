"""Contrastive losses over the cosines of all vectors of a batch.

Shapes: N vectors of D dimensions, rows 2i and 2i + 1 a pair.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    vectors_ND: Tensor, *, temperature: float, anchor_M: Tensor | None = None, meaning_N: Tensor | None = None
) -> Tensor:
    """Cross entropy of finding each vector's partner among all others by cosine.

    Rows 2i and 2i + 1 are partners; a vector is no candidate for itself. With T the temperature,
    L = -mean_i log softmax_j(cos_ij / T).

    The last M rows, where ``anchor_M`` [M] is given, are no such rows: row N - M + m is one more candidate, and wrong,
    for row anchor_M[m] alone, which has no other of them.

    Rows of one ``meaning_N`` [N - M], if that is given and not empty, are no candidates for one another, but for the
    partner.
    """
    count = 0 if anchor_M is None else len(anchor_M)
    every = unit_rows(vectors_ND)
    unit, hard = every[: len(every) - count], every[len(every) - count :]
    if len(unit) % 2 or not len(unit):
        raise ValueError(f"expected vectors in pairs, rows 2i and 2i + 1, got {len(unit)} rows")
    similarity = inner_products(unit * (1 / temperature), unit)  # on a CPU division would round otherwise
    partner = torch.arange(len(unit), device=unit.device) ^ 1
    similarity = similarity.masked_fill(_no_candidates(partner, meaning_N), -torch.inf)
    if anchor_M is not None and count:
        cosines = (unit[anchor_M] * hard).sum(-1) * (1 / temperature)
        column = similarity.new_full((len(unit),), -torch.inf).index_copy(0, anchor_M, cosines)
        similarity = torch.cat((similarity, column[:, None]), dim=1)
    return F.cross_entropy(similarity, partner)


def _no_candidates(partner_N: Tensor, meaning_N: Tensor | None) -> Tensor:
    """[N, N] bool: each row for itself, and those that say the same but are not its partner."""
    itself = torch.eye(len(partner_N), dtype=torch.bool, device=partner_N.device)
    if meaning_N is None or not len(meaning_N):
        return itself
    same = meaning_N[:, None] == meaning_N
    return itself | same.scatter(1, partner_N[:, None], False)


def cosent(vectors_ND: Tensor, scores_P: Tensor, *, temperature: float) -> Tensor:
    """log(1 + sum over pairs p, q with score_p > score_q of exp((cos_q - cos_p) / temperature)).

    Rows 2p and 2p + 1 are pair p with its score [P]: only the order of the scores counts, as in Spearman's
    correlation (Su 2022, kexue.fm/archives/8847).
    """
    if len(vectors_ND) != 2 * len(scores_P):
        raise ValueError(f"expected two vectors for each of {len(scores_P)} scores, got {len(vectors_ND)}")
    unit = unit_rows(vectors_ND)
    cosines = (unit[0::2] * unit[1::2]).sum(-1) * (1 / temperature)
    differences = cosines[None, :] - cosines[:, None]
    wrong = differences[scores_P[:, None] > scores_P[None, :]]
    return torch.cat((wrong.new_zeros(1), wrong)).logsumexp(0)


def inner_products(one_ND: Tensor, other_MD: Tensor) -> Tensor:
    """Inner products [N, M] in the precision of the vectors, in autocast too.

    bf16 has 8 bits: of the difference between a student and a teacher who nearly agree it leaves nothing.
    """
    with torch.autocast(one_ND.device.type, enabled=False):
        return one_ND @ other_MD.T


def unit_rows(vectors_ND: Tensor) -> Tensor:
    """Unit rows, in float32 where they come in less."""
    return F.normalize(vectors_ND.to(torch.promote_types(vectors_ND.dtype, torch.float32)), dim=-1)
