"""How likely a language model finds a sentence, for comparing two that differ in little. Shapes: L tokens.

Of a masked model the pseudo-log-likelihood: every token is masked by itself and guessed from all others (Salazar et al.
2020, arXiv 1910.14659). Of a model that also writes, such as ours, the log-likelihood from left to right as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.text.tokenizer import Tokenizer

ROWS = 64  # masked copies at once


@torch.inference_mode()
def pseudo_log_likelihood(model: MaskedLanguageModel, tokenizer: Tokenizer, ids: Sequence[int]) -> float:
    """Sum over t of log p(x_t | [CLS] x with x_t masked [SEP]), nats."""
    row = torch.tensor([tokenizer.cls, *ids, tokenizer.sep])
    copies_LL = row.repeat(len(ids), 1)
    places = torch.arange(1, len(ids) + 1)
    copies_LL[torch.arange(len(ids)), places] = tokenizer.mask
    found = 0.0
    for start in range(0, len(ids), ROWS):
        part, at = copies_LL[start : start + ROWS], places[start : start + ROWS]
        hidden = model.encoder(part, masks.padded(torch.ones_like(part)))
        found += _log_probability(model, hidden[torch.arange(len(part)), at], row[at])
    return found


@torch.inference_mode()
def log_likelihood(model: MaskedLanguageModel, tokenizer: Tokenizer, ids: Sequence[int]) -> float:
    """Sum over t of log p(x_t | [CLS] x_<t), and of [SEP] behind the last, under the causal mask; nats."""
    row = torch.tensor([[tokenizer.cls, *ids, tokenizer.sep]])
    hidden = model.encoder(row, masks.causal(torch.ones_like(row)))
    return _log_probability(model, hidden[0, :-1], row[0, 1:])


def _log_probability(model: MaskedLanguageModel, hidden_LH: Tensor, wanted_L: Tensor) -> float:
    return -float(F.cross_entropy(model.logits(hidden_LH).float(), wanted_L, reduction="sum"))


MEASURES = {"masked": pseudo_log_likelihood, "causal": log_likelihood}
