"""Our RoFormer: post-LayerNorm blocks, rotary positions, factorised embedding, on fused SDPA.

Shapes: B batch, L length, H hidden_size, N heads, S head size, V vocabulary, M masked positions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import rotary
from rosphere.encoder.config import EncoderConfig

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}
Cache = list[tuple[Tensor, Tensor]]  # per layer: keys and values [B, N, L, S] of the tokens seen so far


class Attention(nn.Module):
    """softmax(q k' / sqrt(S)) v with q, k rotated by position; one fused projection for q, k and v."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, x_BLH: Tensor, mask: Tensor | None, cos: Tensor, sin: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = self.qkv(x_BLH).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotary.rotate(q, cos, sin).to(v.dtype), rotary.rotate(k, cos, sin).to(v.dtype)
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.out(mixed.transpose(1, 2).flatten(-2)), (k, v)


class Block(nn.Module):
    """x <- LN(x + attention(x)); x <- LN(x + FFN(x))."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_in = nn.Linear(config.hidden_size, config.intermediate_size)
        self.feed_out = nn.Linear(config.intermediate_size, config.hidden_size)
        self.feed_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self, x_BLH: Tensor, mask: Tensor | None, cos: Tensor, sin: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        attended, present = self.attention(x_BLH, mask, cos, sin, past)
        x_BLH = self.attention_norm(x_BLH + self.dropout(attended))
        fed = self.feed_out(self.activation(self.feed_in(x_BLH)))
        return self.feed_norm(x_BLH + self.dropout(fed)), present


class Encoder(nn.Module):
    """Token ids to hidden states."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.segments = nn.Embedding(config.type_vocab_size, config.embedding_size)
        self.embedding_norm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        # Hugging Face has no projection when the two sizes agree; neither have we, so that folders match.
        factorised = config.embedding_size != config.hidden_size
        self.project = nn.Linear(config.embedding_size, config.hidden_size) if factorised else nn.Identity()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self._angles: tuple[Tensor, Tensor] | None = None

    def embed(self, ids_BL: Tensor, segments_BL: Tensor | None = None) -> Tensor:
        segments = torch.zeros_like(ids_BL) if segments_BL is None else segments_BL
        words = self.words(ids_BL) + self.segments(segments)
        projected: Tensor = self.project(self.dropout(self.embedding_norm(words)))
        return projected

    def angles(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin for ``length`` positions, kept between calls."""
        held = self._angles
        if held is None or held[0].shape[0] < length or held[0].device != like.device or held[0].dtype != like.dtype:
            room = max(length, self.config.max_position_embeddings)
            self._angles = held = rotary.angles(self.config.head_size, room, device=like.device, dtype=like.dtype)
        return held[0][:length], held[1][:length]

    def forward(
        self, ids_BL: Tensor, mask: Tensor | None = None, segments_BL: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Hidden states [B, L, H]. With ``cache``, ids are the tokens after those it holds; it is extended in place."""
        return self.transform(self.embed(ids_BL, segments_BL), mask, cache)

    def transform(self, x_BLH: Tensor, mask: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """The blocks alone, over token vectors that ``embed`` or someone else made."""
        start = cache[0][0].shape[2] if cache else 0
        cos, sin = self.angles(start + x_BLH.shape[1], x_BLH)
        for number, block in enumerate(self.blocks):
            past = cache[number] if cache is not None and start else None
            x_BLH, present = block(x_BLH, mask, cos[start:], sin[start:], past)
            if cache is not None:
                cache[number : number + 1] = [present]
        return x_BLH


class MaskedLanguageModel(nn.Module):
    """An encoder and its vocabulary head, tied to the token embedding."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.transform = nn.Linear(config.hidden_size, config.embedding_size)
        self.transform_norm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.activation = ACTIVATIONS[config.hidden_act]
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., H] to [..., V]: the head alone, so that it can run on masked positions only."""
        x = self.transform_norm(self.activation(self.transform(hidden)))
        return F.linear(x, self.encoder.words.weight, self.bias)

    def forward(self, ids_BL: Tensor, mask: Tensor | None = None, segments_BL: Tensor | None = None) -> Tensor:
        return self.logits(self.encoder(ids_BL, mask, segments_BL))
