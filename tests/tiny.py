"""Tiny models, tokenizers and token shards for all tests: built here and nowhere else.

Sizes that a test depends on are named by it; all other sizes are those below. Torch alone is imported with this
module, transformers only by :func:`theirs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from rosphere.encoder import rotary
from rosphere.encoder.config import EncoderConfig, to_json
from rosphere.encoder.model import Encoder, MaskedLanguageModel
from rosphere.text import corpus
from rosphere.text import tokenizer as tokenizers
from rosphere.text.corpus import Corpus, Document
from rosphere.text.tokenizer import SPECIALS, UNUSED, Tokenizer

Module = TypeVar("Module", bound=nn.Module)

FIRST = len(SPECIALS) + len(UNUSED)  # the first token of text
POEM = "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少床前明月光"
SIZES: dict[str, Any] = {
    "embedding_size": 12,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
}
ONE_BLOCK: dict[str, Any] = {
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
NO_DROPOUT: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def config(vocabulary: int, **changes: Any) -> EncoderConfig:
    """:data:`SIZES`, save for those that are named; BERT's embedding is as wide as its states."""
    found = {**SIZES, "vocab_size": vocabulary, **changes}
    if found.get("model_type") == "bert":
        found["embedding_size"] = found["hidden_size"]
    return EncoderConfig(**found)


def language(vocabulary: int, *, seed: int = 0, **changes: Any) -> MaskedLanguageModel:
    """A masked language model as ``seed`` draws it, whose generator goes on from there."""
    torch.manual_seed(seed)
    return MaskedLanguageModel(config(vocabulary, **changes))


def encoder(vocabulary: int, *, seed: int = 0, **changes: Any) -> Encoder:
    """An encoder of :data:`ONE_BLOCK`, for a task's head."""
    torch.manual_seed(seed)
    return Encoder(config(vocabulary, **{**ONE_BLOCK, **changes}))


def shaken(model: Module, by: float = 0.2) -> Module:
    """Every weight that is trained away from its start, LayerNorm gains and biases included; for inference."""
    for parameter in model.parameters():
        if parameter.requires_grad:  # transformers' table of angles is a parameter too
            parameter.data += by * torch.randn_like(parameter)
    return model.eval()


def theirs(shape: EncoderConfig, head: str = "ForMaskedLM", *, seed: int = 0, by: float = 0.2) -> nn.Module:
    """Transformers' ``Bert`` or ``RoFormer`` of this shape under a head, shaken."""
    import transformers

    name = {"bert": "Bert", "roformer": "RoFormer"}[shape.model_type]
    values = {key: value for key, value in to_json(shape).items() if key != "architectures"}
    torch.manual_seed(seed)
    return shaken(getattr(transformers, name + head)(getattr(transformers, f"{name}Config")(**values)), by)


def in_float64(model: nn.Module) -> nn.Module:
    """Transformers' model in float64; its table of angles was rounded to float32, and gets exact ones."""
    model = model.double()
    for module in model.modules():
        if type(module).__name__ == "RoFormerSinusoidalPositionalEmbedding":
            rows, size = module.weight.shape
            cos, sin = rotary.cos_sin(size, rows, like=module.weight).unbind(-1)
            module.weight.data = torch.cat((sin, cos), dim=-1)
    return model


def tokenizer(folder: Path, texts: Iterable[str], **options: Any) -> Tokenizer:
    """A tokenizer that knows every character and word of ``texts``, in ``folder``."""
    tokenizers.save(tokenizers.train(texts, size=10_000, minimum=1, **options), folder, **options)
    return Tokenizer(folder)


def of_characters(folder: Path, count: int) -> Tokenizer:
    """A tokenizer of the first ``count`` ideographs: 一, 丁, 丂, 七, …"""
    tokenizers.save([*SPECIALS, *UNUSED, *ideographs(count)], folder)
    return Tokenizer(folder)


def ideographs(count: int) -> list[str]:
    return [chr(0x4E00 + n) for n in range(count)]


def documents(lengths: tuple[int, ...], vocabulary: int, seed: int = 0) -> list[Document]:
    """Random tokens in words of one to four."""
    generator = np.random.default_rng(seed)
    return [(generator.integers(FIRST, vocabulary, n), generator.random(n) < 0.5) for n in lengths]


def shards(found: list[Document], folder: Path, vocabulary: int) -> Corpus:
    corpus.write(found, folder, vocab_size=vocabulary, shard_tokens=50)
    return Corpus(folder)
