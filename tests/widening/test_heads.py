"""Larger heads, by hand: where queries, keys and values go, and what starts free."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

from rosphere.encoder.config import EncoderConfig
from rosphere.widening import widen
from tests.widening.models import BERT, SMALL, VOCABULARY, batch, perturbed

ROOT = math.sqrt(2)


@pytest.mark.parametrize(
    ("config", "q", "k"),
    [
        # rotary pairs (0, 1), (2, 3) go to pairs 0 and 2 of a head of size 8
        (SMALL, [ROOT, 2 * ROOT, 0, 0, 3 * ROOT, 4 * ROOT, 0, 0], [5, 6, 0, 0, 7, 8, 0, 0]),
        (BERT, [ROOT, 2 * ROOT, 3 * ROOT, 4 * ROOT, 0, 0, 0, 0], [5, 6, 7, 8, 0, 0, 0, 0]),
    ],
)
def test_a_head_twice_as_large(config: EncoderConfig, q: list[float], k: list[float]) -> None:
    sizes = {"hidden_size": 4, "num_attention_heads": 1, "num_hidden_layers": 1}
    small = perturbed(dataclasses.replace(config, **sizes, embedding_size=4 if config is BERT else 10))
    attention = small.encoder.blocks[0].attention
    attention.qkv.bias.data = torch.arange(1, 13, dtype=torch.float64)
    attention.out.weight.data = torch.tensor([[2.0, 4.0, 6.0, 8.0]] * 4, dtype=torch.float64)
    wide = widen(small, width=8, heads=1).encoder.blocks[0].attention
    assert [part.tolist() for part in wide.qkv.bias.detach().chunk(3)] == [q, k, [9, 10, 11, 12, 9, 10, 11, 12]]
    assert wide.out.weight.tolist() == [[1, 2, 3, 4, 1, 2, 3, 4]] * 8


def test_a_head_of_bert_half_as_large_again() -> None:
    """Three heads of 8 become four of 12: q by sqrt(12 / 8), value channels 0 to 3 twice and shared by two."""
    small = perturbed(BERT)
    attention = widen(small, width=48, heads=4).encoder.blocks[0].attention
    before = small.encoder.blocks[0].attention
    q, _, v = attention.qkv.bias.detach().unflatten(0, (3, 4, 12))
    old_q, _, old_v = before.qkv.bias.detach().unflatten(0, (3, 3, 8))
    torch.testing.assert_close(q[[0, 1, 2, 3], :8], old_q[[0, 1, 2, 0]] * math.sqrt(1.5), rtol=1e-15, atol=0)
    assert not q[:, 8:].any()
    assert torch.equal(v[1], old_v[1][[0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]])
    out, old_out = attention.out.weight.detach().unflatten(1, (4, 12)), before.out.weight.detach().unflatten(1, (3, 8))
    torch.testing.assert_close(out[:24, 1, 0], old_out[:, 1, 0] / 2, rtol=1e-15, atol=0)  # two channels
    torch.testing.assert_close(out[:24, 0, 0], old_out[:, 0, 0] / 4, rtol=1e-15, atol=0)  # in two heads
    torch.testing.assert_close(out[:24, 1, 7], old_out[:, 1, 7], rtol=1e-15, atol=0)


@pytest.mark.parametrize("config", [SMALL, BERT, dataclasses.replace(SMALL, model_type="roformer_v2")])
def test_free_keys_give_zero_queries_a_gradient(config: EncoderConfig) -> None:
    wide = widen(perturbed(config), width=48, heads=3)
    ids, mask = batch()
    targets = torch.randint(1, VOCABULARY, ids.shape, generator=torch.Generator().manual_seed(5))
    F.cross_entropy(wide(ids, mask).flatten(0, 1), targets.flatten()).backward()
    q, k, _ = wide.encoder.blocks[1].attention.qkv.weight.grad.unflatten(0, (3, 3, 16))
    free = [slot for slot in range(16) if (slot % 4 > 1 if config.rotary else slot > 7)]
    assert q[:, free].abs().min() > 0
    assert k[:, free].abs().max() == 0
