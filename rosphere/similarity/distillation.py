"""What a teacher's cosines say of a batch, learnt by a student.

Shapes: N vectors, of D dimensions by the student; the teacher's may have others.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rosphere.similarity.losses import inner_products, unit_rows


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
