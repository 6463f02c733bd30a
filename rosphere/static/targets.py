"""What a static encoder is to say of a sentence: its teacher's vector, centred, along the teacher's principal axes.

    y = U^T (t - m) / |U^T (t - m)|

m is the mean and U the first D eigenvectors of the covariance of the teacher's vectors t of the training sentences. All
encoders of one teacher share a direction that says nothing; what is left keeps most of the cosines in fewer dimensions.
Shapes: S sentences, E dimensions of the teacher, D of the student.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rosphere.similarity import principal
from rosphere.similarity.principal import Principal, Rows
from rosphere.similarity.vectors import unit


@dataclass(frozen=True, kw_only=True)
class Axes(Principal):
    """What makes targets of a teacher's vectors."""

    def __call__(self, teacher_SE: Any) -> NDArray[np.float32]:
        """y [S, D]."""
        return unit((np.asarray(teacher_SE, np.float64) - self.mean_E) @ self.axes_ED).astype(np.float32)


def axes(teacher_SE: Rows, width: int) -> Axes:
    found = principal.of(teacher_SE, width)
    return Axes(mean_E=found.mean_E, axes_ED=found.axes_ED, kept=found.kept)
