"""What a teacher's cosines say of a batch, or its vectors themselves, learnt by a student.

Shapes: N vectors, of D dimensions by the student and E by the teacher, which may differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rosphere.similarity import principal
from rosphere.similarity.losses import inner_products, unit_rows
from rosphere.similarity.teacher_vectors import StoredVectors
from rosphere.similarity.vectors import Vectors


def similarity_distillation(vectors_ND: Tensor, teacher_ND: Tensor, *, weight: float) -> Tensor:
    """weight / N^2 sum_ij (cos(u_i, u_j) - cos(v_i, v_j))^2 (kexue.fm/archives/8454)."""
    unit, goal = unit_rows(vectors_ND), unit_rows(teacher_ND)
    return weight * F.mse_loss(inner_products(unit, unit), inner_products(goal, goal))


def neighbour_distillation(vectors_ND: Tensor, teacher_ND: Tensor, *, weight: float, temperature: float) -> Tensor:
    """weight / N sum_i KL(p_i | q_i); p_i the teacher's, q_i the student's softmax_{j != i}(cos_ij / temperature).

    Most pairs of a batch have nothing in common, and what a teacher's cosines say of them is mostly its own habit.
    The squared error spends itself on that; here near sentences count the more, the nearer they are
    (SEED: Fang et al. 2021, arXiv 2101.04731, with the batch in place of a queue).
    """
    student, teacher = (_log_softmax_of_others(each, temperature) for each in (vectors_ND, teacher_ND))
    return weight * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _log_softmax_of_others(vectors_ND: Tensor, temperature: float) -> Tensor:
    """[N, N - 1] log probabilities by the cosines, divided by the temperature, with all other vectors."""
    unit = unit_rows(vectors_ND)
    others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return inner_products(unit * (1 / temperature), unit)[others].view(len(unit), -1).log_softmax(-1)


def vector_distillation(vectors_ND: Tensor, goal_ND: Tensor, *, weight: float) -> Tensor:
    """weight / N sum_i (1 - cos(u_i, v_i)); u_i the student's vector of a sentence, v_i the teacher's, ``Axes`` of it.

    For unit vectors half the mean squared error (Reimers and Gurevych 2020, arXiv 2004.09813, who take the teacher's
    vectors as they are). Each sentence is taught by itself: nothing depends on what else is in its batch.
    """
    return weight * (1 - (unit_rows(vectors_ND) * unit_rows(goal_ND)).sum(-1)).mean()


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A teacher's vectors in as many dimensions as a student has."""

    mean_E: NDArray[np.float32]
    axes_ED: NDArray[np.float32]

    def __call__(self, teacher_NE: Tensor) -> Tensor:
        """[N, D]: (v - mean) axes."""
        mean, axes = (torch.from_numpy(each).to(teacher_NE.device) for each in (self.mean_E, self.axes_ED))
        with torch.autocast(teacher_NE.device.type, enabled=False):
            return (teacher_NE - mean) @ axes


def axes(teacher: Vectors | StoredVectors, width: int) -> Axes:
    """To ``width`` dimensions: all there are and zeros behind them, or, where there are more, the principal ones of the
    centred vectors. The sum of squares that the others have is lost.
    """
    own = teacher.shape[1]
    if width >= own:
        return Axes(mean_E=np.zeros(own, np.float32), axes_ED=np.eye(own, width, dtype=np.float32))
    found = principal.of(teacher, width)
    return Axes(mean_E=found.mean_E.astype(np.float32), axes_ED=found.axes_ED.astype(np.float32))
