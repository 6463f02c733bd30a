"""Our encoder: post-norm blocks on fused SDPA, a factorised embedding; RoFormer, RoFormerV2 and BERT.

Shapes: B batch, L length, E embedding_size, H hidden_size, N heads, S head size, V vocabulary, M masked positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from rosphere.encoder import rotary
from rosphere.encoder.activations import activation
from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError

Cache = list[tuple[Tensor, Tensor]]  # per layer: keys and values [B, N, L, S] of the tokens seen so far


def norm(config: EncoderConfig, width: int) -> nn.Module:
    if config.biased:
        return nn.LayerNorm(width, eps=config.layer_norm_eps)
    return nn.RMSNorm(width, eps=config.layer_norm_eps, elementwise_affine=False)


class Attention(nn.Module):
    """softmax(q k' / sqrt(S)) v, q and k rotated by position if cos_sin is given; one projection for q, k and v."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.biased)
        self.out = nn.Linear(config.hidden_size, config.hidden_size, bias=config.biased)

    def forward(
        self,
        x_BLH: Tensor,
        mask: Tensor | None,
        cos_sin: Tensor | None,
        past: tuple[Tensor, Tensor] | None,
        at: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        qk, v = self.qkv(x_BLH).unflatten(-1, (3, self.heads, -1)).split((2, 1), dim=2)
        if cos_sin is not None:
            qk = rotary.rotate(qk, cos_sin[:, None, None])
        (q, k), v = qk.permute(2, 0, 3, 1, 4), v.squeeze(2).transpose(1, 2)
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.out(_chosen(mixed.transpose(1, 2).flatten(-2), at)), (k, v)


class Block(nn.Module):
    """x <- norm(x + attention(x)); x <- norm(x + FFN(x))."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.attention_norm = norm(config, config.hidden_size)
        self.feed_in = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.biased)
        self.feed_out = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.biased)
        self.feed_norm = norm(config, config.hidden_size)
        self.activation = activation(config.hidden_act)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        x_BLH: Tensor,
        mask: Tensor | None,
        cos_sin: Tensor | None,
        past: tuple[Tensor, Tensor] | None,
        at: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The block's output, only ``at`` these tokens if they are given, and all tokens' keys and values."""
        attended, present = self.attention(x_BLH, mask, cos_sin, past, at)
        x = self.attention_norm(_chosen(x_BLH, at) + self.dropout(attended))
        fed = self.feed_out(self.activation(self.feed_in(x)))
        return self.feed_norm(x + self.dropout(fed)), present


def _chosen(x_BLH: Tensor, at: Tensor | None) -> Tensor:
    return x_BLH if at is None else x_BLH.flatten(0, 1)[at]


class Encoder(nn.Module):
    """Token ids to hidden states. With ``recompute``, training keeps one tensor per block and makes the rest again."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.recompute = False
        width = config.embedding_size
        self.words = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.positions = None if config.rotary else nn.Embedding(config.max_position_embeddings, width)
        self.segments = nn.Embedding(config.type_vocab_size, width)
        self.embedding_norm = norm(config, width)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        # Hugging Face has no projection when the two sizes agree; neither have we, so that folders match.
        self.project: nn.Module = nn.Identity()
        if config.factorised:
            self.project = nn.Linear(width, config.hidden_size, bias=config.biased)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self._cos_sin: Tensor | None = None

    def compile_blocks(self) -> None:
        """Hands each block to torch.compile: one graph serves them all, names of parameters stay."""
        for block in self.blocks:
            block.compile()

    def embed(self, ids_BL: Tensor, segments_BL: Tensor | None = None, positions_BL: Tensor | None = None) -> Tensor:
        """Token vectors [B, L, H]. Positions, 0, 1, ... in each row unless given, count in BERT only."""
        words = self.words(ids_BL)
        words = words + (self.segments.weight[0] if segments_BL is None else self.segments(segments_BL))
        if self.positions is not None:
            words = words + self.positions(self._checked(positions_BL, ids_BL))
        projected: Tensor = self.project(self.dropout(self.embedding_norm(words)))
        return projected

    def _checked(self, positions_BL: Tensor | None, ids_BL: Tensor) -> Tensor:
        if positions_BL is not None:
            return positions_BL
        length, most = ids_BL.shape[1], self.config.max_position_embeddings
        if length > most:
            raise InputError(f"a text of {length} tokens; this model has positions for {most}")
        return torch.arange(length, device=ids_BL.device)

    def cos_sin(self, length: int, like: Tensor) -> Tensor | None:
        """Cosines and sines for ``length`` positions, kept between calls; None without rotary positions."""
        if not self.config.rotary:
            return None
        held = self._cos_sin
        if held is None or held.shape[0] < length or not rotary.fits(held, like):
            count = max(length, self.config.max_position_embeddings)
            with torch.inference_mode(False):  # what inference mode makes, training could not use later
                self._cos_sin = held = rotary.cos_sin(self.config.head_size, count, like=like)
        return held[:length]

    def forward(
        self,
        ids_BL: Tensor,
        mask: Tensor | None = None,
        segments_BL: Tensor | None = None,
        cache: Cache | None = None,
        positions_BL: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [B, L, H]; or [M, H] of the tokens ``at`` flat positions [M]: the last block spares the rest.

        With ``cache``, ids are the tokens after those it holds; it is extended in place.
        """
        if positions_BL is None and cache and self.positions is not None:
            before, most = cache[0][0].shape[2], self.config.max_position_embeddings
            if before + ids_BL.shape[1] > most:
                raise InputError(f"{before + ids_BL.shape[1]} tokens; this model has positions for {most}")
            positions_BL = torch.arange(ids_BL.shape[1], device=ids_BL.device) + before
        return self.transform(self.embed(ids_BL, segments_BL, positions_BL), mask, cache, at)

    def transform(
        self, x_BLH: Tensor, mask: Tensor | None = None, cache: Cache | None = None, at: Tensor | None = None
    ) -> Tensor:
        """The blocks alone, over token vectors that ``embed`` or someone else made."""
        start = cache[0][0].shape[2] if cache else 0
        cos_sin = self.cos_sin(start + x_BLH.shape[1], x_BLH)
        cos_sin = cos_sin[start:] if cos_sin is not None else None
        last = len(self.blocks) - 1
        for number, block in enumerate(self.blocks):
            where = at if number == last else None
            if self.recompute and torch.is_grad_enabled() and cache is None:
                x_BLH, _ = checkpoint(block, x_BLH, mask, cos_sin, None, where, use_reentrant=False)
                continue
            past = cache[number] if cache is not None and start else None
            x_BLH, present = block(x_BLH, mask, cos_sin, past, where)
            if cache is not None:
                cache[number : number + 1] = [present]
        return x_BLH


class MaskedLanguageModel(nn.Module):
    """An encoder and its vocabulary head, tied to the token embedding.

    ``pooler``, if asked for, is BERT's map of the first token's state (under tanh); it is kept for others, unused here.
    """

    def __init__(self, config: EncoderConfig, *, pooler: bool = False) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.transform: nn.Module = nn.Identity()
        self.transform_norm: nn.Module = nn.Identity()
        self.bias: nn.Parameter | None = None
        if config.biased or config.factorised:
            self.transform = nn.Linear(config.hidden_size, config.embedding_size, bias=config.biased)
        if config.biased:
            self.transform_norm = norm(config, config.embedding_size)
            self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.activation = activation(config.hidden_act) if config.biased else nn.Identity()
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size) if pooler else None
        self.bare = False  # without a vocabulary head: what stands for it is random, or of another encoder
        self.apply(self._initialise)

    @property
    def head(self) -> tuple[str, ...]:
        """The tensors of the vocabulary head that are not the token embedding's: none where it is that alone."""
        return tuple(name for name in self.state_dict() if not name.startswith(("encoder.", "pooler.")))

    def _initialise(self, module: nn.Module) -> None:
        """Normal with initializer_range; RoFormerV2, whose norms have no gain, by the width and depth it has."""
        if isinstance(module, nn.Linear | nn.Embedding):
            if self.config.biased:
                nn.init.normal_(module.weight, std=self.config.initializer_range)
            else:
                # 1.1368 is the reciprocal of the standard deviation that cutting at two leaves (kexue.fm/archives/8998)
                std = 1.13684723 / (module.weight.shape[1] * self.config.num_hidden_layers) ** 0.5
                nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., H] to [..., V]: the head alone, so that it can run on masked positions only."""
        x = self.transform_norm(self.activation(self.transform(hidden)))
        return F.linear(x, self.encoder.words.weight, self.bias)

    def forward(self, ids_BL: Tensor, mask: Tensor | None = None, segments_BL: Tensor | None = None) -> Tensor:
        return self.logits(self.encoder(ids_BL, mask, segments_BL))
