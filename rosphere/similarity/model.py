"""RoFormer-Sim: one encoder that compares sentences and writes similar ones (Su 2021, kexue.fm/archives/8454).

Under UniLM's mask the source sees itself alone, so that its [CLS] is a sentence vector in the very pass that also
trains the generation of the target. Shapes: N rows, L tokens, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.similarity.edits import Edits
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.pairs import Batch
from rosphere.text.mixture import Mixture

Pooling = Literal["cls", "mean"]


class SimilarityModel(nn.Module):
    """A language model and a linear pooler without activation on [CLS], or on the mean of the source's states, [CLS]
    and [SEP] included; the pooler starts as the identity.
    """

    def __init__(self, language: MaskedLanguageModel, pooling: Pooling = "cls") -> None:
        super().__init__()
        self.language, self.pooling = language, pooling
        self.pooler = nn.Linear(language.config.hidden_size, language.config.hidden_size)
        nn.init.eye_(self.pooler.weight)
        nn.init.zeros_(self.pooler.bias)
        self.counts: Mixture | None = None  # of text like that it shall write; no weights
        self.edits: Edits | None = None  # of such text
        self.lexical: Lexical | None = None  # the second half of a sentence's vector

    def forward(self, batch: Batch) -> tuple[Tensor, Callable[[], Tensor]]:
        """Sentence vectors [N, H] of the sources, and what works out the rows' share of the batch's mean LM loss.

        Where [CLS] is the vector, the last block computes it and what predicts the targets; the sources' other tokens
        are read, not asked.
        """
        mask = masks.seq2seq(batch.segments_NL, batch.keep_NL)
        first, where = masks.first(batch.ids_NL), F.pad(batch.targets, (0, 1)).flatten().nonzero()[:, 0]
        if self.pooling == "cls":
            hidden = self.language.encoder(batch.ids_NL, mask, batch.segments_NL, at=torch.cat((first, where)))
            sources, predicting = hidden.split((len(first), len(where)))
        else:
            hidden_NLH = self.language.encoder(batch.ids_NL, mask, batch.segments_NL)
            sources = mean(hidden_NLH, batch.keep_NL * (1 - batch.segments_NL))
            predicting = hidden_NLH.flatten(0, 1)[where]

        def lm() -> Tensor:
            logits = self.language.logits(predicting).float()
            wanted = batch.ids_NL[:, 1:][batch.targets]
            return F.cross_entropy(logits, wanted, reduction="sum") / max(1, batch.tokens)

        return self.pooler(sources), lm

    def states(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """What the pooler is given [N, H] of single sentences."""
        mask = masks.padded(keep_NL)
        if self.pooling == "mean":
            return mean(self.language.encoder(ids_NL, mask), keep_NL)
        first: Tensor = self.language.encoder(ids_NL, mask, at=masks.first(ids_NL))
        return first

    def pooled(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """The pooler's output [N, H] for single sentences, float32."""
        vectors: Tensor = self.pooler(self.states(ids_NL, keep_NL))
        return vectors.float()

    def vectors(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """Unit vectors [N, H] of single sentences, [N, 2 H] with a lexical half."""
        semantic_NH = F.normalize(self.pooled(ids_NL, keep_NL), dim=-1)
        return self.lexical.beside(semantic_NH, ids_NL, keep_NL) if self.lexical else semantic_NH

    @property
    def writes(self) -> bool:
        """Whether it has learnt to: an encoder whose vocabulary head was never trained has not."""
        return not self.language.bare

    @property
    def halves(self) -> int:
        """Of H dimensions each."""
        return 2 if self.lexical else 1


def mean(hidden_NLH: Tensor, keep_NL: Tensor) -> Tensor:
    """Means [N, H] of the rows' kept states."""
    keep = keep_NL[..., None].to(hidden_NLH.dtype)
    return (hidden_NLH * keep).sum(1) / keep.sum(1)
