"""A teacher's vectors as a goal: the loss itself, and the axes that bring them to a student's width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from torch.nn import functional as F

from rosphere.similarity import principal, teacher_vectors
from rosphere.similarity.distillation import axes, vector_distillation
from rosphere.similarity.vectors import Vectors


def teacher(rows: int, width: int) -> Vectors:
    """Far from centred, with unlike variances."""
    generator = np.random.default_rng(rows)
    spread = np.linspace(0.2, 2, width)
    return (generator.standard_normal((rows, width)) * spread + generator.standard_normal(width)).astype(np.float32)


def test_vector_distillation_literal() -> None:
    """Cosines 1 and 0.6, whatever the lengths: 10 / 2 * (0 + 0.4)."""
    student, goal = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    assert float(vector_distillation(student, goal, weight=10.0)) == pytest.approx(2.0, rel=1e-6)
    assert float(vector_distillation(student, 5 * student, weight=10.0)) == pytest.approx(0.0, abs=1e-6)


@given(rows=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_it_is_half_the_squared_distance_of_unit_vectors(rows: int, seed: int) -> None:
    student, goal = torch.randn(2, rows, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = 0.5 * (F.normalize(student, dim=-1) - F.normalize(goal, dim=-1)).square().sum(-1).mean()
    assert float(vector_distillation(student, goal, weight=1.0)) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("width", [1, 3, 7])
def test_axes_are_those_of_a_principal_component_analysis(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principal, "BLOCK", 16)
    vectors = teacher(50, 8)
    found = axes(vectors, width)(torch.from_numpy(vectors)).numpy()
    expected = PCA(width, svd_solver="full").fit_transform(vectors.astype(np.float64))
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-4)
    of = axes(vectors, width).axes_ED
    assert (of[np.abs(of).argmax(0), np.arange(width)] > 0).all()


def test_axes_of_stored_vectors_are_those_of_the_same_in_memory(tmp_path: Path) -> None:
    vectors, texts = teacher(40, 6), [str(number) for number in range(40)]
    teacher_vectors.write(tmp_path / "v.safetensors", texts, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    stored = teacher_vectors.of_file(tmp_path / "v.safetensors", texts)
    np.testing.assert_array_equal(axes(stored, 2).axes_ED, axes(np.asarray(stored), 2).axes_ED)


@pytest.mark.parametrize("width", [5, 9])
def test_where_the_student_is_as_wide_the_vectors_are_as_they_were_and_zeros_behind_them(width: int) -> None:
    vectors = torch.from_numpy(teacher(10, 5))
    found = axes(vectors.numpy(), width)(vectors)
    assert torch.equal(found[:, :5], vectors) and found.shape == (10, width) and not found[:, 5:].any()
