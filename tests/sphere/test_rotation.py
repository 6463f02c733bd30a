"""The orthogonal maps from a to b: published formulas, stability at every angle, gradients, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from rosphere.sphere.rotation import half_turn, matrix, reflect, rotate

MAPS = {"T1": rotate, "T2": reflect, "T3": half_turn}
KINDS = tuple(MAPS)
CLOSE = (0.0, 1e-12, 1e-8, 1e-7, 3e-7, 1e-6, 1e-5, 1e-3)
ANGLES = (*CLOSE, 0.1, 1.57, 1.58, 3.0, *(math.pi - small for small in CLOSE))


def pair(dim: int, angle: float, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two unit vectors at this angle; exactly opposite at pi."""
    generator = torch.Generator().manual_seed(seed)
    a, c = torch.randn(2, dim, dtype=torch.float64, generator=generator)
    a = normalize(a, dim=0)
    c = normalize(c - c @ a * a, dim=0)
    b = -a if angle == math.pi else math.cos(angle) * a + math.sin(angle) * c
    return a.to(dtype), b.to(dtype)


def formula(a: Tensor, b: Tensor, kind: str) -> Tensor:
    """kexue.fm/archives/8453."""
    eye, cosine = torch.eye(len(a), dtype=a.dtype), a @ b
    if kind == "T1":
        return eye + 2 * torch.outer(b, a) - torch.outer(a + b, a + b) / (1 + cosine)
    if kind == "T2":
        return eye - torch.outer(a - b, a - b) / (1 - cosine)
    return torch.outer(a + b, a + b) / (1 + cosine) - eye


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_formulas(kind):
    a = normalize(torch.tensor([1.0, 2, 3, 4, 5], dtype=torch.float64), dim=0)
    b = normalize(torch.tensor([9.0, 8, 7, 6, 5], dtype=torch.float64), dim=0)
    for other in (b, -b):
        assert torch.allclose(matrix(a, other, kind), formula(a, other, kind), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [2, 3, 8, 128])
def test_orthogonal_and_exact_at_every_angle(kind, dim, dtype):
    sign = {"T1": 1, "T2": -1, "T3": (-1) ** (dim - 1)}[kind]
    for angle in ANGLES:
        for seed in range(3):
            a, b = pair(dim, angle, dtype, seed)
            map_ = matrix(a, b, kind).double()
            rounding = 10 * torch.finfo(dtype).eps
            assert (map_ @ map_.mT - torch.eye(dim)).abs().max() < rounding, angle
            assert (map_ @ normalize(a.double(), dim=0) - normalize(b.double(), dim=0)).abs().max() < rounding
            assert float(torch.linalg.det(map_)) == pytest.approx(sign, abs=1e-3)
            if kind != "T1":
                assert (map_ - map_.mT).abs().max() < rounding  # so that it takes b back to a


@settings(max_examples=50, deadline=None)
@given(
    dim=st.integers(2, 40),
    angle=st.floats(0, math.pi),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
)
def test_applying_is_multiplying_by_the_matrix(dim, angle, kind, seed):
    a, b = pair(dim, angle, torch.float64, seed)
    x = torch.randn(4, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    # Only the directions count. Powers of two, because near an angle where a map jumps the last bit decides.
    applied = MAPS[kind](x, 4 * a, 0.125 * b)
    assert torch.allclose(applied, x @ matrix(a, b, kind).mT, rtol=0, atol=1e-9)
    assert torch.allclose(applied.norm(dim=-1), x.norm(dim=-1), rtol=1e-13)


def test_rotation_leaves_what_is_orthogonal_to_the_plane():
    a, b = pair(9, 2.0, torch.float64)
    plane, _ = torch.linalg.qr(torch.stack((a, b), dim=1))
    x = torch.randn(9, dtype=torch.float64)
    x = x - plane @ (plane.mT @ x)
    assert torch.allclose(rotate(x, a, b), x)
    assert torch.allclose(rotate(x, a, -a), x - 2 * x[a.abs().argmin()] * _axis(a), atol=1e-14)


def _axis(a: Tensor) -> Tensor:
    """What rotate documents for b = -a: the axis nearest to being orthogonal to a turns round with a."""
    position = int(a.abs().argmin())
    axis = torch.eye(len(a), dtype=a.dtype)[position]
    across = axis - a[position] * a
    return across / (across @ across)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_at_every_angle(kind, dtype):
    for angle in ANGLES:
        a, b = pair(8, angle, dtype)
        x = torch.ones(8, dtype=dtype)
        leaves = [tensor.clone().requires_grad_() for tensor in (x, a, b)]
        MAPS[kind](*leaves).pow(3).sum().backward()
        assert all(leaf.grad.isfinite().all() for leaf in leaves), angle


@pytest.mark.parametrize("function", MAPS.values(), ids=KINDS)
def test_gradcheck(function):
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    for angle in (0.3, 1.5, 2.9):
        a, b = (tensor.requires_grad_() for tensor in pair(4, angle, torch.float64))
        assert torch.autograd.gradcheck(function, (x, a, b))


def test_broadcasts_and_keeps_the_dtype_of_x():
    a, b = torch.randn(5, 1, 6), torch.randn(3, 6)
    assert rotate(torch.randn(6), a, b).shape == (5, 3, 6)
    assert matrix(a, b, "T3").shape == (5, 3, 6, 6)
    assert reflect(torch.randn(6).bfloat16(), a, b).dtype == torch.bfloat16
    a, b = torch.tensor([1e30, 1e30, 0.0]), torch.tensor([0.0, 0.0, 1e-30])  # their squares are not float32
    assert torch.allclose(rotate(a / 1e30, a, b), torch.tensor([0.0, 0.0, math.sqrt(2)]), atol=1e-6)


@pytest.mark.parametrize(
    ("x", "a", "b", "message"),
    [
        (
            torch.ones(3),
            torch.zeros(3),
            torch.ones(3),
            r"a: expected finite vectors other than 0, got \[0, 0, 0\]",
        ),
        (
            torch.ones(2),
            torch.ones(2),
            torch.tensor([[1.0, 0], [math.nan, 0]]),
            r"b: .* got \[nan, 0\] in row 1",
        ),
        (
            torch.ones(3),
            torch.ones(4),
            torch.ones(3),
            r"a: expected shape \[..., d\] with one d >= 2 .* got \[4\]",
        ),
        (torch.ones(1), torch.ones(1), torch.ones(1), r"x: expected shape .* got \[1\]"),
        (torch.ones(3), torch.ones(3), torch.ones(3, dtype=torch.int32), "b: expected a floating dtype"),
    ],
)
def test_refuses(x, a, b, message):
    with pytest.raises(ValueError, match=message):
        rotate(x, a, b)


def test_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match="kind: expected one of T1, T2, T3, got 'T4'"):
        matrix(torch.ones(2), torch.ones(2), "T4")
