"""A causal RoFormer, or BERT, that is told the latent: p(x|z) token by token.

Shapes: B sentences, L tokens, H decoder width, D latent dimension, V vocabulary, P places where the latent enters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import Cache, MaskedLanguageModel

LatentAt = Literal["input", "every_layer"]


class Decoder(nn.Module):
    """States that each predict the token after their own.

    input: a linear map of z is added to every token's vector.
    every_layer: z is a position of its own before the first token, for attention to look at ("memory"), and a map of z
    for each block is added to what enters the block; compare Li et al. 2020 (Optimus, arXiv 2004.04092).
    """

    def __init__(self, config: EncoderConfig, latent: int, at: LatentAt) -> None:
        super().__init__()
        self.at = at
        self.language = MaskedLanguageModel(config)
        places = 1 + config.num_hidden_layers if at == "every_layer" else 1
        self.enter = nn.Linear(latent, places * config.hidden_size)

    def forward(self, latent_BD: Tensor, ids_BL: Tensor, keep_BL: Tensor | None, cache: Cache | None) -> Tensor:
        """Hidden states [B, L, H], causal over ``keep_BL``; without it over all ids.

        With ``cache``, ids are the tokens after those it holds, one at a time after the first call; it is extended.
        """
        x_BLH = self.language.encoder.embed(ids_BL, positions_BL=self._places(ids_BL, cache))
        enters_PBH = self.enter(latent_BD).unflatten(-1, (-1, x_BLH.shape[-1])).unbind(1)
        prefixed = self.at == "every_layer" and not cache
        if prefixed:
            x_BLH = torch.cat((enters_PBH[0][:, None], x_BLH), dim=1)
            keep_BL = F.pad(keep_BL, (1, 0), value=1) if keep_BL is not None else None
        mask = None if cache else _causal(x_BLH, keep_BL)
        added = enters_PBH[1:] if self.at == "every_layer" else enters_PBH
        states = self._blocks(x_BLH, added, mask, cache)
        return states[:, 1:] if prefixed else states

    def _places(self, ids_BL: Tensor, cache: Cache | None) -> Tensor:
        """Where the ids stand in the sentence, which BERT's embeddings need to know; z stands nowhere."""
        before = _held(cache) - (self.at == "every_layer") if cache else 0
        return torch.arange(before, before + ids_BL.shape[1], device=ids_BL.device)

    def _blocks(self, x_BLH: Tensor, added_BH: tuple[Tensor, ...], mask: Tensor | None, cache: Cache | None) -> Tensor:
        encoder = self.language.encoder
        start = _held(cache)
        cos_sin = encoder.cos_sin(start + x_BLH.shape[1], x_BLH)
        cos_sin = cos_sin[start:] if cos_sin is not None else None
        for number, block in enumerate(encoder.blocks):
            if number < len(added_BH):
                x_BLH = x_BLH + added_BH[number][:, None]
            x_BLH, present = block(x_BLH, mask, cos_sin, cache[number] if cache and start else None)
            if cache is not None:
                cache[number : number + 1] = [present]
        return x_BLH

    def logits(self, states: Tensor) -> Tensor:
        """[..., H] to [..., V]."""
        return self.language.logits(states).float()


def _held(cache: Cache | None) -> int:
    """How many positions a cache holds, that of z among them."""
    return cache[0][0].shape[2] if cache else 0


def _causal(x_BLH: Tensor, keep_BL: Tensor | None) -> Tensor:
    length = x_BLH.shape[1]
    past = torch.ones(length, length, dtype=torch.bool, device=x_BLH.device).tril()
    return past if keep_BL is None else masks.padded(keep_BL) & past


def config(encoder: EncoderConfig, *, layers: int, width: int) -> EncoderConfig:
    """A decoder of the given depth and width over the encoder's vocabulary."""
    return replace(
        encoder,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
    )
