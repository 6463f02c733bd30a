"""Vectors as whole numbers: literal codes, the smooth ones' limits and gradient, and what training with them brings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from rosphere import quantisation


def test_codes_literal() -> None:
    vectors = torch.tensor([[0.1, -0.4, 0.2], [0.0, 0.0, 0.0], [2.0, 1.0, -0.99]])
    assert quantisation.codes(vectors).tolist() == [[32, -127, 64], [0, 0, 0], [127, 64, -63]]
    assert quantisation.codes(vectors, bits=2).tolist() == [[0, -1, 0], [0, 0, 0], [1, 0, 0]]
    assert quantisation.codes(vectors).dtype == torch.int8


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=9), st.integers(2, 8), st.floats(0.1, 10))
def test_codes_know_no_scale_and_stay_in_range(row: list[float], bits: int, scale: float) -> None:
    vector = torch.tensor([row], dtype=torch.float64)
    found = quantisation.codes(vector, bits)
    assert int(found.abs().max()) == (2 ** (bits - 1) - 1 if any(row) else 0)
    assert (found - quantisation.codes(vector * scale, bits)).abs().max() <= 1  # where it lies on an edge


def test_smooth_codes_go_from_the_vectors_to_the_codes() -> None:
    vectors = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    levels = vectors * (7 / vectors.abs().amax(-1, keepdim=True))
    wide, narrow = (quantisation.smooth_codes(vectors, width, bits=4) for width in (2.0, 1e-6))
    torch.testing.assert_close(wide, levels)
    torch.testing.assert_close(narrow, quantisation.codes(vectors, bits=4).double())


def test_smooth_codes_have_the_gradient_of_what_they_are() -> None:
    vectors = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: quantisation.smooth_codes(v, 0.2, bits=3), vectors)
    quantisation.smooth_codes(torch.zeros(2, 3, requires_grad=True), 0.2).sum().backward()


def test_the_width_falls_geometrically() -> None:
    found = [quantisation.width_at(step, 3, first=0.4, last=0.1) for step in range(3)]
    assert found == pytest.approx([0.4, 0.2, 0.1])
    assert quantisation.width_at(0, 1) == 0.5


def test_cosines_of_codes() -> None:
    a, b = torch.tensor([[127, 0], [0, 0]], dtype=torch.int8), torch.tensor([[5, 5], [-3, 0]], dtype=torch.int8)
    torch.testing.assert_close(quantisation.cosines(a, b), torch.tensor([[0.5**0.5, -1.0], [0.0, 0.0]]))


def test_refuses() -> None:
    with pytest.raises(ValueError, match="bits: expected 2 to 8, got 9"):
        quantisation.codes(torch.zeros(1, 2), bits=9)


def recall(map_: torch.Tensor, vectors: torch.Tensor, bits: int) -> float:
    """Share of each row's 5 nearest by cosine that are among the 5 nearest by codes."""

    def nearest(scores: torch.Tensor) -> torch.Tensor:
        return scores.fill_diagonal_(-2).topk(5, dim=1).indices

    exact = nearest(normalize(vectors, dim=-1) @ normalize(vectors, dim=-1).T)
    coded = quantisation.codes(vectors @ map_, bits)
    found = nearest(quantisation.cosines(coded, coded))
    return float((exact[:, :, None] == found[:, None, :]).any(-1).float().mean())


def trained(vectors: torch.Tensor, bits: int, steps: int = 300) -> torch.Tensor:
    """A linear map whose smooth codes keep the cosines of the vectors."""
    map_ = torch.eye(vectors.shape[1]).requires_grad_()
    optimizer = torch.optim.Adam([map_], lr=0.02)
    generator = torch.Generator().manual_seed(2)
    for step in range(steps):
        batch = vectors[torch.randint(0, len(vectors), (96,), generator=generator)]
        true = normalize(batch, dim=-1) @ normalize(batch, dim=-1).T
        coded = normalize(quantisation.smooth_codes(batch @ map_, quantisation.width_at(step, steps), bits), dim=-1)
        loss = (coded @ coded.T - true).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return map_.detach()


def test_training_through_smooth_rounding_finds_more_neighbours_than_rounding_afterwards() -> None:
    """Vectors with a few dominant directions, as encoders give, at 2 bits, on rows not trained on."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.linspace(0, 3, 32).neg().exp()
    rotation = torch.linalg.qr(torch.randn(32, 32, generator=generator)).Q
    vectors = (torch.randn(900, 32, generator=generator) * spread) @ rotation
    map_ = trained(vectors[:600], bits=2)
    plain, smooth = (recall(m, vectors[600:], 2) for m in (torch.eye(32), map_))
    assert smooth > plain + 0.02, f"{smooth:.3f} and {plain:.3f}"
