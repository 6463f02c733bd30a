"""Sentences as points: encoding, ways between points, neighbours, and a view of the sphere.

Shapes: N sentences, D latent dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn import functional as F

from rosphere.errors import InputError
from rosphere.sphere import rotation
from rosphere.text import batching
from rosphere.text.tokenizer import Tokenizer
from rosphere.vae.model import SentenceVAE
from rosphere.vae.sentences import Sentences

TOKENS_A_BATCH = 2048


def encode(model: SentenceVAE, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """The modes [N, D] of q(z|x) in the texts' order: unit vectors on the sphere."""
    return modes(model, Sentences.of(texts, tokenizer))


def modes(model: SentenceVAE, sentences: Sentences) -> Tensor:
    """The same of sentences that are ids already."""
    return _points(model, sentences, lambda posterior: posterior.mode)


def means(model: SentenceVAE, sentences: Sentences) -> Tensor:
    """The means [N, D] of q(z|x), which sentences are decoded from.

    On the sphere they lie inside it, A(kappa) from the centre, and so do the draws that a decoder is trained with by
    their part along mu: in 88 dimensions with kappa 30, 0.33. At the mode, where that part is 1, a decoder hears z
    three times as loud as ever in training, and repeats itself.
    """
    return _points(model, sentences, lambda posterior: posterior.mean)


@torch.no_grad()
def _points(model: SentenceVAE, sentences: Sentences, point: Callable[[Distribution], Tensor]) -> Tensor:
    model.eval()
    found = torch.empty(len(sentences), model.shape.latent)
    lengths = [len(row) for row in sentences.rows]
    for chosen in batching.length_buckets(lengths, batching.token_budget(TOKENS_A_BATCH, model.device)):
        found[chosen] = point(model.posterior(sentences.batch(chosen).to(model.device))).cpu()
    return found


def path(model: SentenceVAE, a_D: Tensor, b_D: Tensor, steps: int) -> Tensor:
    """``steps`` points [steps, D] from a to b: on the sphere along the great circle, in flat space straight on.

    Points inside the sphere keep their distance from its centre, or change it evenly to the other's.
    """
    t = torch.linspace(0, 1, steps, dtype=a_D.dtype, device=a_D.device)[:, None]
    if model.shape.kind == "vmf":
        return torch.lerp(a_D.norm(), b_D.norm(), t) * geodesic(F.normalize(a_D, dim=0), F.normalize(b_D, dim=0), steps)
    return torch.lerp(a_D, b_D, t)


def geodesic(a_D: Tensor, b_D: Tensor, steps: int) -> Tensor:
    """``steps`` points [steps, D] on the shortest arc from a to b, ends included, evenly spaced.

    z(t) = [sin((1-t) theta) a + sin(t theta) b] / sin theta, with tan(theta/2) = |a - b| / |a + b|, which keeps its
    digits at small angles. Between opposite points there are many shortest arcs: an InputError.
    """
    across, along = (a_D - b_D).norm(), (a_D + b_D).norm()
    if float(along) <= 1e3 * torch.finfo(a_D.dtype).eps:
        raise InputError("the two points are opposite: expected some one shortest way between them")
    if float(across) == 0:
        return a_D.expand(steps, -1)
    angle = 2 * torch.atan2(across, along)
    t = torch.linspace(0, 1, steps, dtype=a_D.dtype, device=a_D.device)[:, None]
    return (torch.sin((1 - t) * angle) * a_D + torch.sin(t * angle) * b_D) / torch.sin(angle)


def neighbours(query_MD: Tensor, points_ND: Tensor, count: int) -> Tensor:
    """Numbers [M, count] of the points nearest to each query, nearest first.

    By the straight distance, which orders the points of a sphere as their angles do: |a - b|² = 2 - 2 cos.
    """
    exact = "donot_use_mm_for_euclid_dist"  # |a|² + |b|² - 2ab would not tell points apart that are 1e-3 apart
    distances = torch.cdist(query_MD, points_ND, compute_mode=exact)
    return distances.topk(min(count, len(points_ND)), largest=False).indices


def view(points_ND: Tensor, first_D: Tensor, second_D: Tensor) -> Tensor:
    """Two coordinates [N, 2] of points of the sphere: their parts in the plane of two directions.

    One rotation takes the first direction to the first axis; a second, or a reflection if that is nearer, leaves that
    axis alone and takes what remains of the second direction to the second axis. No distance on the sphere is changed
    by this, and the first two coordinates are then read off: the sphere seen from a far point, its outline the unit
    circle. The first direction points to (1, 0), the second to (x, y) with y > 0.

    To see labels, give the labels' mean directions on other sentences than those shown: in D dimensions the means of
    fewer than some D points lie apart whatever their labels are.

    ValueError (rotation.py): a direction is 0, or both are one.
    """
    x, y = torch.eye(points_ND.shape[1], dtype=points_ND.dtype)[:2]
    turned, second = (rotation.rotate(each, first_D, x) for each in (points_ND, second_D))
    rest = second * (1 - x)
    # Where they are nearly opposite a rotation would need a third axis, which may be x; a reflection does not.
    turn = rotation.rotate if rest @ y >= 0 else rotation.reflect
    return turn(turned, rest, y)[:, :2]
