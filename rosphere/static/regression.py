"""The closed form: the parts' vectors that come nearest to the targets, by ridge regression.

    min_v sum_s |x_s v - y_s|^2 + ridge |v|^2        (X^T X + ridge) v = X^T y

solved for all dimensions at once by conjugate gradients (Hestenes and Stiefel 1952), the diagonal as preconditioner.
Targets are unit vectors and a bag has a length of about 1, so that small errors are small angles. Nothing is drawn: the
same sentences give the same bytes. Sentences come in blocks; beside them memory holds six matrices [P, D].
Shapes: S sentences, P parts, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from rosphere.similarity.principal import blocks
from rosphere.static.bags import Bags, Matrix

TINY = float(np.finfo(np.float32).tiny)


def solved(
    bags_SP: Bags,
    target: Callable[[NDArray[np.int64]], Matrix],
    *,
    ridge: float,
    iterations: int,
    progress: Callable[[int, float], None] = lambda done, residual: None,
) -> Matrix:
    """v [P, D] after so many iterations. ``target`` gives y of sentences by their numbers.

    ``progress``, which may raise, is told how many iterations are done, and |X^T y - (X^T X + ridge) v| / |X^T y|.
    """
    rows = list(blocks(bags_SP.shape[0]))
    parts = [bags_SP[each] for each in rows]
    turned = [each.T.tocsr() for each in parts]

    def normal(v_PD: Matrix) -> Matrix:
        """(X^T X + ridge) v."""
        return reduce(add, (back @ (part @ v_PD) for part, back in zip(parts, turned, strict=True)), ridge * v_PD)

    residual = reduce(add, (back @ target(each) for back, each in zip(turned, rows, strict=True)))
    whole = float(np.linalg.norm(residual))
    squares = reduce(add, (np.asarray(part.power(2).sum(0)) for part in parts))
    scale = (1 / (squares + ridge)).astype(np.float32)[:, None]
    found, direction = np.zeros_like(residual), scale * residual
    before = (residual * direction).sum(0)
    for done in range(1, iterations + 1):
        image = normal(direction)
        length = before / np.maximum((direction * image).sum(0), TINY)
        found += length * direction
        residual -= length * image
        conditioned = scale * residual
        now = (residual * conditioned).sum(0)
        direction = conditioned + now / np.maximum(before, TINY) * direction
        before = now
        progress(done, float(np.linalg.norm(residual)) / max(whole, TINY))
    return np.asarray(found, np.float32)
