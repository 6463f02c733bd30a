"""Rotary positions: transformers' RoFormer as oracle, the smallest case by hand, distances alone."""

from __future__ import annotations

import math
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rosphere.encoder import rotary


def rotated(x: Tensor, start: int = 0) -> Tensor:
    return rotary.rotate(x, rotary.cos_sin(x.shape[-1], start + x.shape[-2], like=x)[start:])


@pytest.mark.parametrize("head_size", [2, 8, 64])
def test_against_transformers(head_size: int) -> None:
    from transformers.models.roformer.modeling_roformer import (
        RoFormerSelfAttention,
        RoFormerSinusoidalPositionalEmbedding,
    )

    table = RoFormerSinusoidalPositionalEmbedding(40, head_size)
    table.weight.data = table.create_weight()
    q, k = torch.randn(2, 3, 5, 40, head_size, generator=torch.Generator().manual_seed(0))
    positions = table(torch.Size((3, 40)))[None, None]
    theirs = RoFormerSelfAttention.apply_rotary_position_embeddings(positions, q, k)
    torch.testing.assert_close((rotated(q), rotated(k)), theirs, rtol=0, atol=2e-6)


def test_literal() -> None:
    """(1, 0) at positions 0, 1, 2 of a head of two: turned by 0, 1 and 2 radians."""
    found = rotated(torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64))
    expected = [[math.cos(p), math.sin(p)] for p in range(3)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)


def test_the_second_of_two_frequencies_is_a_hundredth() -> None:
    cos, sin = rotary.cos_sin(4, 3, like=torch.zeros(0, dtype=torch.float64)).unbind(-1)
    torch.testing.assert_close(sin[2].tolist(), [math.sin(2), math.sin(0.02)], rtol=0, atol=1e-15)
    torch.testing.assert_close(cos[2].tolist(), [math.cos(2), math.cos(0.02)], rtol=0, atol=1e-15)


@settings(deadline=None)
@given(
    pairs=st.integers(1, 8),
    query=st.integers(0, 50),
    key=st.integers(0, 50),
    shift=st.integers(0, 400),
    seed=st.integers(0, 10**6),
)
def test_products_depend_on_the_distance_and_lengths_stay(
    pairs: int, query: int, key: int, shift: int, seed: int
) -> None:
    q, k = torch.randn(2, 2 * pairs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    here = rotated(q[None], query)[0] @ rotated(k[None], key)[0]
    there = rotated(q[None], query + shift)[0] @ rotated(k[None], key + shift)[0]
    torch.testing.assert_close(here, there, rtol=0, atol=1e-11)
    torch.testing.assert_close(rotated(q[None], query).norm(), q.norm(), rtol=1e-13, atol=0)


def test_angles_are_rounded_once() -> None:
    """In float32 throughout, position 4095 would be off by 1e-4."""
    exact, single, half = (
        rotary.cos_sin(64, 4096, like=torch.zeros(0, dtype=dtype))
        for dtype in (torch.float64, torch.float32, torch.bfloat16)
    )
    assert single.dtype == half.dtype == torch.float32
    assert (exact - single).abs().max() <= 2**-24
    assert torch.equal(single, half)


def test_small_dtypes_are_turned_in_float32_and_given_back() -> None:
    x = torch.randn(3, 200, 8).bfloat16()
    found, expected = rotated(x), rotated(x.float())
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.bfloat16())


def test_the_form_for_the_compiler_gives_the_same() -> None:
    x = torch.randn(2, 30, 8, dtype=torch.float64)
    with patch("torch.compiler.is_compiling", return_value=True):
        fused = rotated(x)
    torch.testing.assert_close(fused, rotated(x), rtol=1e-15, atol=1e-15)
