"""Who may attend to whom: boolean masks [batch, 1, query, key], True where attention is allowed.

Padding carries document number 0 and attends to padding, so that no row of the softmax is empty.
"""

from __future__ import annotations

import torch
from torch import Tensor


def packed(documents_BL: Tensor) -> Tensor:
    """Several documents in one row: attention stays inside each. Numbers from 1; 0 is padding."""
    return documents_BL[:, None, :, None] == documents_BL[:, None, None, :]


def causal(documents_BL: Tensor) -> Tensor:
    """As ``packed``, and each token sees no token behind itself."""
    length = documents_BL.shape[1]
    past = torch.ones(length, length, dtype=torch.bool, device=documents_BL.device).tril()
    return packed(documents_BL) & past


def padded(keep_BL: Tensor) -> Tensor:
    """One text in each row: ``keep_BL`` is true at real tokens."""
    return packed(keep_BL.long())


def seq2seq(segments_BL: Tensor, keep_BL: Tensor) -> Tensor:
    """UniLM (Dong et al. 2019, arXiv 1905.03197): segment 0 sees itself, segment 1 sees segment 0 and its own past.

    Key j is visible to query i iff c_j <= c_i with c = cumsum(segments): all of segment 0 has c = 0.
    """
    order = segments_BL.cumsum(dim=1)
    return padded(keep_BL) & (order[:, None, None, :] <= order[:, None, :, None])


def last(keep_BL: Tensor) -> Tensor:
    """[B, 1, 1, L]: the last token of each row alone, which sees every real token before it and itself."""
    return keep_BL.bool()[:, None, None, :]


def first(ids_BL: Tensor) -> Tensor:
    """[B]: the flat positions of the rows' first tokens."""
    return torch.arange(0, ids_BL.numel(), ids_BL.shape[1], device=ids_BL.device)


def positions(documents_BL: Tensor) -> Tensor:
    """0, 1, 2, ... inside each document of a packed row [B, L]: absolute positions begin anew with it."""
    place = torch.arange(documents_BL.shape[1], device=documents_BL.device).expand_as(documents_BL)
    begins = torch.ones_like(documents_BL, dtype=torch.bool)
    begins[:, 1:] = documents_BL[:, 1:] != documents_BL[:, :-1]
    return place - (place * begins).cummax(dim=1).values
