"""The isometry of RMSNorm's stream and the noise that nothing reads."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rosphere.widening import isometry, widen
from tests.widening.models import SMALL, perturbed

V2 = dataclasses.replace(SMALL, model_type="roformer_v2")


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_it_keeps_lengths_and_norms(old: int, more: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    u = isometry.isometry(old + more, old, generator)
    torch.testing.assert_close(u.mT @ u, torch.eye(old, dtype=torch.float64), rtol=0, atol=1e-13)
    x = torch.randn(5, old, dtype=torch.float64, generator=generator)
    a = math.sqrt((old + more) / old)
    for eps in (1e-12, 0.5):
        before, after = (nn.RMSNorm(n, eps=eps, elementwise_affine=False) for n in (old, old + more))
        torch.testing.assert_close(after(a * x @ u.mT), a * before(x) @ u.mT, rtol=1e-12, atol=1e-12)


def test_all_directions_are_equally_likely() -> None:
    """Fourth moments of a uniform point of the sphere in three dimensions: 1/5, and 1/15 of two coordinates."""
    drawn = [isometry.isometry(3, 2, torch.Generator().manual_seed(seed)) for seed in range(3000)]
    for column in torch.stack(drawn).unbind(-1):
        for power, expected in ((column, 0.0), (column**2, 1 / 3), (column**4, 1 / 5)):
            assert ((power.mean(0) - expected).abs() < 5 * power.std(0) / 3000**0.5).all()
        pair = column[:, 0] ** 2 * column[:, 2] ** 2
        assert abs(pair.mean() - 1 / 15) < 5 * pair.std() / 3000**0.5


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_readers_read_what_they_read_and_noise_is_orthogonal_to_it(noise: float) -> None:
    generator = torch.Generator().manual_seed(0)
    u = isometry.isometry(9, 4, generator)
    weight = torch.randn(6, 4, dtype=torch.float64, generator=generator)
    wide = isometry.read(weight, u / 1.5, noise=noise, generator=generator)
    torch.testing.assert_close(wide @ (1.5 * u), weight, rtol=1e-13, atol=1e-13)
    free = wide - wide @ u @ u.mT
    assert (free.norm() / wide.norm() > 0.3) if noise else (free.norm() < 1e-13)


def test_its_seed_is_the_models_and_is_not_that_of_the_noise() -> None:
    """The new projection is the isometry: the same with noise and without, another for another seed."""
    small = perturbed(dataclasses.replace(V2, embedding_size=24))
    one, same, other = (widen(small, width=40, noise=noise, seed=seed) for noise, seed in ((0, 1), (1, 1), (1, 2)))
    projections = [wide.encoder.project.weight for wide in (one, same, other)]
    assert torch.equal(projections[0], projections[1])
    assert not torch.equal(projections[0], projections[2])
    u = projections[0].detach() / math.sqrt(40 / 24)
    torch.testing.assert_close(u.mT @ u, torch.eye(24, dtype=torch.float64), rtol=0, atol=1e-13)
    torch.testing.assert_close(one.transform.weight.detach(), u.mT / math.sqrt(40 / 24), rtol=0, atol=1e-13)
