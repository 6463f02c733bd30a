"""Sentence vectors from labelled pairs: the supervised teacher of RoFormer-Sim-FT (Su 2021, kexue.fm/archives/8541).

Sentence-BERT's head (Reimers and Gurevych 2019, arXiv 1908.10084): classes from u, v and |u - v|. Pairs that are alike
or not, and pairs of natural language inference, have classes of their own; a row is classified among those of its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity.labelled_pairs import CLASSES, FIRST, KINDS, LabelledPair
from rosphere.similarity.model import SimilarityModel
from rosphere.text.batching import pad
from rosphere.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Batch:
    """P pairs as 2P sentences: rows 2p and 2p + 1 are pair p."""

    ids_NL: Tensor
    keep_NL: Tensor
    target_P: Tensor
    allowed_PC: Tensor  # the classes of the pair's kind

    def to(self, device: torch.device) -> Batch:
        return replace(self, **{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})


class Pairs:
    """Labelled pairs, tokenised once."""

    def __init__(self, labelled: Sequence[LabelledPair], tokenizer: Tokenizer, *, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.labelled = list(labelled)
        texts = [text for row in labelled for text in (row.one, row.two)]
        self.sequences = [[tokenizer.cls, *ids[:max_length], tokenizer.sep] for ids in tokenizer.ids(texts)]
        kinds = [[number for number, row in enumerate(labelled) if row.kind == kind] for kind in KINDS]
        self.kinds = [numbers for numbers in kinds if numbers]

    def training_batch(self, step: int, *, batch_size: int, seed: int) -> Batch:
        """Batch ``step`` of a run: as many pairs of each kind as of the others, drawn with replacement."""
        generator = stream(seed, Stream.LABELLED_PAIRS, step)
        kinds = [self.kinds[place % len(self.kinds)] for place in range(batch_size)]
        return self.batch([numbers[int(generator.integers(len(numbers)))] for numbers in kinds])

    def batch(self, numbers: Sequence[int]) -> Batch:
        sequences = [self.sequences[2 * number + side] for number in numbers for side in (0, 1)]
        ids_NL, keep_NL = pad(sequences, self.tokenizer.pad)
        rows = [self.labelled[number] for number in numbers]
        allowed = torch.zeros(len(rows), CLASSES, dtype=torch.bool)
        for place, row in enumerate(rows):
            allowed[place, FIRST[row.kind] : FIRST[row.kind] + len(row.kind)] = True
        target = torch.tensor([row.target for row in rows])
        return Batch(ids_NL=ids_NL, keep_NL=keep_NL, target_P=target, allowed_PC=allowed)


class PairClassifier(nn.Module):
    """A sentence encoder under a linear head without bias."""

    def __init__(self, model: SimilarityModel) -> None:
        super().__init__()
        self.model = model
        hidden = model.language.config.hidden_size
        self.head = nn.Linear(3 * hidden, CLASSES, bias=False)
        nn.init.normal_(self.head.weight, std=model.language.config.initializer_range)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [P, CLASSES], -inf for classes of other kinds."""
        vectors = self.model.pooler(self.model.states(batch.ids_NL, batch.keep_NL))
        u, v = vectors[0::2], vectors[1::2]
        logits: Tensor = self.head(torch.cat((u, v, (u - v).abs()), dim=-1)).float()
        return logits.masked_fill(~batch.allowed_PC, -torch.inf)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean cross entropy and accuracy."""
        logits = self.forward(batch)
        return F.cross_entropy(logits, batch.target_P), (logits.argmax(-1) == batch.target_P).float().mean()
