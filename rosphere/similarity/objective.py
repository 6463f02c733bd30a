"""What stage 2 of RoFormer-Sim is trained on: a teacher's view of the batch, and contrast beside it.

Shapes: N vectors of D dimensions by the student and of E by the teacher, M of hard negatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from rosphere.errors import InputError
from rosphere.similarity import distillation, losses


@dataclass(frozen=True, kw_only=True)
class Objective:
    """distillation + contrastive InfoNCE, at one temperature; a weight of 0 leaves contrast out."""

    distillation: Literal["neighbours", "cosines", "vectors"]
    weight: float  # of the distillation
    contrastive: float  # weight of contrast
    temperature: float

    def __post_init__(self) -> None:
        for name in ("weight", "contrastive"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}: expected 0 or more, got {getattr(self, name)}")

    def losses(
        self,
        vectors_ND: Tensor,
        teacher_NE: Tensor,
        anchor_M: Tensor | None = None,
        meaning_N: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Of the student's vectors, rows 2i and 2i + 1 similar, and the teacher's of the same sentences, which for
        ``vectors`` has the student's dimensions; weighted. The rows behind those are the hard negatives of
        ``anchor_M``."""
        every_ND, vectors_ND = vectors_ND, vectors_ND[: len(teacher_NE)]
        if self.distillation == "cosines":
            distilled = distillation.similarity_distillation(vectors_ND, teacher_NE, weight=self.weight)
        elif self.distillation == "vectors":
            distilled = distillation.vector_distillation(vectors_ND, teacher_NE, weight=self.weight)
        else:
            distilled = distillation.neighbour_distillation(
                vectors_ND, teacher_NE, weight=self.weight, temperature=self.temperature
            )
        if not self.contrastive:
            return {"distillation": distilled}
        return {
            "distillation": distilled,
            "contrastive": self.contrastive * self.contrast(every_ND, anchor_M, meaning_N),
        }

    def contrast(self, vectors_ND: Tensor, anchor_M: Tensor | None = None, meaning_N: Tensor | None = None) -> Tensor:
        return losses.info_nce(vectors_ND, temperature=self.temperature, anchor_M=anchor_M, meaning_N=meaning_N)
