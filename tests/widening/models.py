"""Models to widen: built by transformers where it knows the kind, every parameter away from its initial value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from rosphere.encoder import folder, masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from tests import tiny

VOCABULARY = 37
SMALL = tiny.config(VOCABULARY, embedding_size=10, max_position_embeddings=16)
BERT = tiny.config(VOCABULARY, model_type="bert", max_position_embeddings=16)


def perturbed(config: EncoderConfig, seed: int = 0, dtype: torch.dtype = torch.float64) -> MaskedLanguageModel:
    """Ours; gains and biases are perturbed too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MaskedLanguageModel(config).to(dtype)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=dtype)
    return model.eval()


def theirs(config: EncoderConfig, seed: int = 0, *, head: str = "ForMaskedLM") -> nn.Module:
    """Transformers' model of this shape, in float64 with weights that float32 holds too."""
    return tiny.in_float64(tiny.theirs(config, head, seed=seed, by=0.3))


def read(model: nn.Module, place: Path) -> MaskedLanguageModel:
    """Their model as our library finds it in a folder."""
    model.save_pretrained(place)
    return folder.load(place).double().eval()


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Ids [3, 11] and the mask of a batch whose second text is padded."""
    ids = torch.randint(1, VOCABULARY, (3, 11), generator=torch.Generator().manual_seed(seed))
    ids[1, 6:] = 0
    return ids, masks.padded(ids != 0)


@st.composite
def shapes(draw: st.DrawFn, kind: str) -> EncoderConfig:
    """A random configuration of one kind."""
    size = draw(st.integers(2, 9)) if kind == "bert" else 2 * draw(st.integers(1, 4))
    heads = draw(st.integers(1 if size > 3 else 2, 4))  # LayerNorm of two features is the sign of their difference
    hidden = heads * size
    return EncoderConfig(
        model_type=kind,  # type: ignore[arg-type]
        vocab_size=VOCABULARY,
        embedding_size=hidden if kind == "bert" else draw(st.sampled_from([5, 7, hidden])),  # odd: never a new width
        hidden_size=hidden,
        num_hidden_layers=draw(st.integers(1, 3)),
        num_attention_heads=heads,
        intermediate_size=draw(st.integers(3, 30)),
        hidden_act=draw(st.sampled_from(["gelu", "gelu_new", "relu"])),
        layer_norm_eps=draw(st.sampled_from([1e-12, 1e-3])),
        max_position_embeddings=16,
    )


@st.composite
def growths(draw: st.DrawFn, kind: str) -> tuple[EncoderConfig, dict[str, Any]]:
    """A random configuration and sizes that it can be grown to exactly."""
    old = draw(shapes(kind))
    step = old.head_size if kind == "roformer_v2" else old.hidden_size
    width = old.hidden_size + step * draw(st.integers(0, 3))
    fits = [n for n in range(old.num_attention_heads, width + 1) if width % n == 0 and width // n >= old.head_size]
    heads = draw(st.sampled_from([n for n in fits if kind == "bert" or width // n % old.head_size == 0]))
    sizes: dict[str, Any] = {"width": width, "noise": draw(st.sampled_from([0.0, 0.5, 1.0]))}
    shape = {"heads": heads, "head_size": width // heads}
    for name in draw(st.sampled_from([["heads"], ["head_size"], ["heads", "head_size"]])):
        sizes[name] = shape[name]
    if draw(st.booleans()):
        sizes["feed_forward"] = old.intermediate_size + draw(st.integers(0, 40))
    return old, sizes
