"""An encoder as one ONNX graph, from token ids to vectors.

Inputs and outputs have the names by which sentence-transformers, optimum and text-embeddings-inference know them.
Shapes: N texts, L tokens, H hidden size, D of a sentence's vector.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import rotary
from rosphere.encoder.model import Encoder
from rosphere.errors import InputError
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.model import SimilarityModel, mean

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
VECTORS, STATES = "sentence_embedding", "last_hidden_state"
AXES = ("batch", "sequence")
OPSET = 18  # LayerNormalization is one node from 17 on, and 18 is the least that the exporter writes itself
MOST_BYTES = 2**31 - 1  # of a protobuf


class States(nn.Module):
    """Last hidden states [N, L, H] for at most ``most`` tokens. A padded token has a state, which means nothing."""

    table: Tensor

    def __init__(self, encoder: Encoder, most: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.rotary = encoder.config.rotary
        size = encoder.config.head_size if self.rotary else 2
        self.register_buffer("table", rotary.cos_sin(size, most, like=encoder.words.weight))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor]:
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        cos_sin = self.table[places] if self.rotary else None  # looked up: of what is too long onnxruntime says so
        mask = attention_mask.bool()[:, None, None, :]
        x_NLH = self.encoder.embed(input_ids, token_type_ids, places)
        for block in self.encoder.blocks:
            x_NLH, _ = block(x_NLH, mask, cos_sin, None)
        return (x_NLH,)


class Sentences(nn.Module):
    """Unit vectors [N, D] as ``SimilarityModel.vectors`` has them, the lexical half included, and last hidden states.

    The vectors come first: who takes a graph's first output and pools it then fails, instead of leaving out the linear
    layer without a word.
    """

    def __init__(self, model: SimilarityModel, most: int) -> None:
        super().__init__()
        self.model, self.states = model, States(model.language.encoder, most)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, Tensor]:
        (hidden_NLH,) = self.states(input_ids, attention_mask, token_type_ids)
        pooled_NH = hidden_NLH[:, 0] if self.model.pooling == "cls" else mean(hidden_NLH, attention_mask)
        vectors_ND = F.normalize(self.model.pooler(pooled_NH), dim=-1)
        if self.model.lexical:
            vectors_ND = _beside(self.model.lexical, vectors_ND, input_ids, attention_mask)
        return vectors_ND, hidden_NLH


def _beside(half: Lexical, semantic_NH: Tensor, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
    """As ``Lexical.beside``, its tables looked up by F.embedding: that becomes Gather, which can be quantised, where
    indexing becomes GatherND, which cannot.
    """
    weight_NL1 = F.embedding(ids_NL, half.weight_V[:, None]) * keep_NL[..., None]
    sums_NH = (F.embedding(ids_NL, half.table_VH) * weight_NL1).sum(1)
    lexical_NH = sums_NH / weight_NL1.sum(1).clamp(min=1e-9).sqrt()
    both = ((1 - half.share) ** 0.5 * semantic_NH, half.share**0.5 * lexical_NH)
    return F.normalize(torch.cat(both, dim=-1), dim=-1)


def write(module: States | Sentences, path: Path) -> None:
    """One file, weights inside, for any number of texts of any length up to the module's.

    By torch.export and onnxscript: torch's other exporter, through TorchScript, is deprecated and knows no complex
    numbers, with which rotary positions are computed.

    Raises:
        InputError: the weights are more than one file of ONNX can hold.
    """
    size = sum(each.numel() * each.element_size() for each in (*module.parameters(), *module.buffers()))
    if size > MOST_BYTES:
        raise InputError(f"{path.name}: one file of ONNX holds 2 GB, the model has {size / 1e9:.1f} GB of weights")
    batch, sequence = (torch.export.Dim(name) for name in AXES)
    # Three tensors, for one given thrice would be one input; of sizes above 1, which would be taken for the only one.
    given = tuple(torch.ones(2, 3, dtype=torch.long) for _ in INPUTS)
    with _without_remarks():
        program = torch.export.export(
            module.eval(), given, dynamic_shapes=dict.fromkeys(INPUTS, {0: batch, 1: sequence})
        )
        outputs = [STATES] if isinstance(module, States) else [VECTORS, STATES]
        found = torch.onnx.export(
            program, (), input_names=INPUTS, output_names=outputs, opset_version=OPSET, dynamo=True, verbose=False
        )
        assert found is not None
        axes = cast(Iterable[str], found.model.graph.inputs[0].shape)
        found.rename_axes(dict(zip(axes, AXES, strict=True)))
        found.save(path, external_data=False)


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Without what torch 2.13 says of itself, and nobody here can change: that it still uses a class which it has
    deprecated, and that torchvision, which no text needs, is not there.
    """
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        registration.setLevel(before)
