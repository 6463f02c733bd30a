"""A causal RoFormer, or BERT, that is told the latent: p(x|z) token by token.

It begins as the pretrained language model, which can write already, or with random blocks of any depth and width.

Shapes: B sentences, L tokens, H decoder width, D latent dimension, V vocabulary, P places where the latent enters.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from rosphere.encoder import masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import Cache, MaskedLanguageModel
from rosphere.errors import InputError

LatentAt = Literal["input", "every_layer"]
HEAD = 64  # width of a fresh decoder's attention heads
START = 0.1  # what z first adds to each coordinate of a pretrained decoder's token vectors, as a standard deviation


@dataclass(frozen=True, kw_only=True)
class FreshDecoder:
    """Depth and width of a decoder that begins with random blocks."""

    layers: int
    width: int

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise InputError(f"layers: expected 1 or more, got {self.layers}")
        if self.width < 2 or self.width % (2 * self.heads):
            raise InputError(f"width: expected an even width for each of {self.heads} heads, got {self.width}")

    @property
    def heads(self) -> int:
        return max(1, self.width // HEAD)

    def config(self, encoder: EncoderConfig) -> EncoderConfig:
        """Over the encoder's vocabulary and token vectors."""
        return replace(
            encoder,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
        )


class Decoder(nn.Module):
    """States that each predict the token after their own.

    input: a linear map of z is added to every token's vector, before the first block.
    every_layer: a map of z for each block is added to what enters the block.

    Without ``fresh`` the decoder is a copy of ``pretrained``, and with nothing added exactly that language model under
    a causal mask. The map begins small, so that the training starts from what the model knows, and not at zero: then
    the encoder would have no gradient, for d log p / dz = W' d log p / d(Wz).
    """

    def __init__(
        self, pretrained: MaskedLanguageModel, latent: int, at: LatentAt, fresh: FreshDecoder | None = None
    ) -> None:
        super().__init__()
        self.language = _copied(pretrained) if fresh is None else _random(pretrained, fresh)
        config = self.language.config
        places = config.num_hidden_layers if at == "every_layer" else 1
        self.enter = nn.Linear(latent, places * config.hidden_size)
        if fresh is None:
            nn.init.normal_(self.enter.weight, std=START / latent**0.5)  # z has D coordinates of variance 1
            nn.init.zeros_(self.enter.bias)

    def forward(self, latent_BD: Tensor, ids_BL: Tensor, keep_BL: Tensor | None, cache: Cache | None) -> Tensor:
        """Hidden states [B, L, H], causal over ``keep_BL``; without it over all ids.

        With ``cache``, ids are the tokens after those it holds, one at a time after the first call; it is extended.
        """
        encoder, start = self.language.encoder, cache[0][0].shape[2] if cache else 0
        places = torch.arange(start, start + ids_BL.shape[1], device=ids_BL.device)  # BERT's embeddings need to know
        x_BLH = encoder.embed(ids_BL, positions_BL=places)
        added_PBH = self.enter(latent_BD).unflatten(-1, (-1, x_BLH.shape[-1])).unbind(1)
        mask = None if start else masks.causal((torch.ones_like(ids_BL) if keep_BL is None else keep_BL).long())
        cos_sin = encoder.cos_sin(start + x_BLH.shape[1], x_BLH)
        cos_sin = cos_sin[start:] if cos_sin is not None else None
        for number, block in enumerate(encoder.blocks):
            if number < len(added_PBH):
                x_BLH = x_BLH + added_PBH[number][:, None]
            x_BLH, present = block(x_BLH, mask, cos_sin, cache[number] if cache and start else None)
            if cache is not None:
                cache[number : number + 1] = [present]
        return x_BLH

    def logits(self, states: Tensor) -> Tensor:
        """[..., H] to [..., V]."""
        return self.language.logits(states).float()


def _copied(pretrained: MaskedLanguageModel) -> MaskedLanguageModel:
    """Without BERT's pooler, which writes nothing."""
    found = copy.deepcopy(pretrained)
    found.pooler = None
    return found


def _random(pretrained: MaskedLanguageModel, fresh: FreshDecoder) -> MaskedLanguageModel:
    """Random blocks over the pretrained token vectors."""
    found = MaskedLanguageModel(fresh.config(pretrained.config))
    found.encoder.words.load_state_dict(pretrained.encoder.words.state_dict())
    return found
