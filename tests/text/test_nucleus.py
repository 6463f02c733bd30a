"""Drawing inside the nucleus, and the random numbers that are drawn with."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rosphere.text.nucleus import BLOCK, key, nucleus, uniforms


def drawn(logits: Tensor, top_p: float, count: int, seed: int = 0) -> Tensor:
    keys = np.array([key(seed, [], each) for each in range(count)], np.uint64)
    return nucleus(logits.expand(count, -1), top_p, partial(uniforms, keys, 0))


# --- nucleus


@settings(deadline=None)
@given(
    logits=st.lists(st.floats(-8, 8), min_size=1, max_size=12),
    top_p=st.floats(0.01, 1.0),
    seed=st.integers(0, 10**6),
)
def test_nothing_is_drawn_outside_the_smallest_set(logits: list[float], top_p: float, seed: int) -> None:
    probabilities = torch.tensor(logits, dtype=torch.float64).softmax(-1)
    found = drawn(torch.tensor([logits]), top_p, 64, seed).tolist()
    for token in set(found):
        before = float(probabilities[probabilities > probabilities[token] + 1e-6].sum())
        assert before < top_p + 1e-5


def test_the_set_reaches_top_p_and_its_shares_are_kept() -> None:
    """0.5, 0.3, 0.15, 0.05 at 0.6: the first two, as 5 to 3."""
    logits = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log()
    counts = drawn(logits, 0.6, 8000).bincount(minlength=4).tolist()
    assert counts[0] == counts[2] == 0
    assert abs(counts[1] / 8000 - 5 / 8) < 5 * (15 / 64 / 8000) ** 0.5
    assert (drawn(logits, 1.0, 8000).bincount(minlength=4) > 0).all()


@pytest.mark.parametrize("top_p", [0.05, 0.4, 0.95, 1.0])
def test_shares_over_several_blocks_are_those_of_the_sorted_set(top_p: float) -> None:
    """Against the textbook: sort, cut, divide by the sum. A small top_p takes several turns."""
    size, count = 3 * BLOCK + 5, 20_000
    logits = torch.randn(1, size, generator=torch.Generator().manual_seed(1))
    chances, order = logits.double().softmax(-1)[0].sort(descending=True)
    inside = chances.cumsum(-1) - chances < top_p
    expected = torch.zeros(size, dtype=torch.float64)
    expected[order[inside]] = chances[inside] / chances[inside].sum()
    shares = drawn(logits, top_p, count).bincount(minlength=size) / count
    assert (shares[expected == 0] == 0).all()
    assert ((shares - expected).abs() < 5 * (expected / count).sqrt() + 1e-12).all()


@pytest.mark.parametrize("top_p", [0.0, 0.01, 0.5])
def test_a_small_top_p_is_greedy(top_p: float) -> None:
    assert set(drawn(torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log(), top_p, 50).tolist()) == {1}


def test_rows_are_drawn_apart_and_the_logits_stay() -> None:
    logits = torch.full((3, BLOCK), -torch.inf)
    logits[0, 4] = logits[1, 0] = logits[2, 2] = 3.0
    before = logits.clone()
    assert nucleus(logits, 0.9, lambda _: np.array([0.0, 0.5, 1 - 2.0**-52])).tolist() == [4, 0, 2]
    assert torch.equal(logits, before)


# --- random numbers


def test_the_numbers_are_those_of_split_mix() -> None:
    """Its first five of seed 1234567, as Rosetta Code lists them."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    found = [uniforms(np.array([1234567], np.uint64), step, 0)[0] for step in range(1, 6)]
    assert found == [(value >> 12) / 2**52 for value in published]


def test_a_key_is_of_seed_source_and_sample() -> None:
    parts = [(0, [7], 0), (1, [7], 0), (0, [7], 1), (0, [8], 0), (0, [7, 8], 0), (0, [], 0), (-1, [7], 0), (10, [7], 0)]
    assert len({key(*each) for each in parts}) == len(parts)
    assert key(2**70, [7], 0) < 2**64


def test_numbers_of_keys_steps_and_turns_are_even_and_unlike() -> None:
    keys = np.array([key(seed, [7, 8], each) for seed in range(5) for each in range(40)], np.uint64)
    found = np.concatenate([uniforms(keys, step, number) for step in range(20) for number in range(4)])
    assert len(set(found.tolist())) == found.size
    shares = np.bincount((found * 10).astype(int), minlength=10) / found.size
    assert np.abs(shares - 0.1).max() < 5 * (0.09 / found.size) ** 0.5
