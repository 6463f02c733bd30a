"""How many dimensions N items need: the exact form of "n > 8.33 log N" (kexue.fm/archives/8711 and 7695).

N items are embedded as vectors of length sqrt(n) whose directions are uniform; the joint law of a pair is
p(i, j) ~ e^{<u_i, v_j>} as in Skip-gram. Its entropy is about 2 log N + h_n with

    h_n = log E e^{n c} - n E[c e^{n c}] / E e^{n c} = -KL(vMF(d = n, kappa = n) || uniform)

for the cosine c of the angle, and n is large enough when the entropy is negative. h_n is about
-(n/2) log((1 + sqrt 5)/2) = -0.2406 n for large n, and the rule n > 8.31 log N (natural logarithm). It gives
an order of magnitude, not an optimum.

The same holds for an attention head: its weights softmax_j <q_i, k_j> are that law over the L positions of a sequence,
so that a head needs about 8.31 log L dimensions (kexue.fm/archives/8711).
"""

import math

import torch

from rosphere.sphere.bessel import divergence

_DECAY = 0.5 * math.log(0.5 * (1 + math.sqrt(5)))  # h_n < -_DECAY n for every n


def pair_entropy(dim: int) -> float:
    """h_n for n = `dim` >= 2, in nats."""
    if dim < 2:
        raise ValueError(f"dim: expected n >= 2, got {dim}")
    return -float(divergence(0.5 * dim - 1, torch.tensor(float(dim), dtype=torch.float64)))


def minimal_dimension(items: int) -> int:
    """The smallest n >= 2 with 2 log(items) + h_n < 0."""
    log_pairs = 2 * _log_count(items)
    dims = torch.arange(2, math.ceil(log_pairs / _DECAY) + 3, dtype=torch.float64)
    enough = divergence(0.5 * dims - 1, dims) > log_pairs
    return int(dims[enough.int().argmax()])


def capacity(dim: int) -> float:
    """The number of items that n = `dim` dimensions are about enough for: exp(-h_n / 2), 2 log N + h_n = 0."""
    return math.exp(-0.5 * pair_entropy(dim))


def johnson_lindenstrauss(items: int, error: float) -> int:
    """The smallest n > 24 log(items) / error² (kexue.fm/archives/8679), 0 < error < 1.

    A random projection to n dimensions keeps all squared distances between the items within a factor
    1 +- error, with a probability of at least 1 - 1/items. With 16 in the place of 24 that probability is only known
    to be positive: such a projection exists (Johnson and Lindenstrauss 1984; by a union bound over the pairs from
    P(| |u|² - 1 | >= error) <= 2 exp(-error² n / 8) for normal entries of variance 1/n). It asks for what the rule
    above does not, distances kept of *any* N points, and therefore for a hundred times as much.
    """
    if not 0 < error < 1:
        raise ValueError(f"error: expected 0 < error < 1, got {error}")
    return math.floor(24 * _log_count(items) / error**2) + 1


def _log_count(items: int) -> float:
    if items < 1:
        raise ValueError(f"items: expected at least 1, got {items}")
    return math.log(items)
