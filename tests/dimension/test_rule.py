"""The dimension rule: the published table, an independent quadrature, refusals."""

import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.cli.app import main
from rosphere.dimension.rule import capacity, johnson_lindenstrauss, minimal_dimension, pair_entropy

PUBLISHED = {32: -7.77471, 64: -15.4734, 96: -23.1726, 128: -30.8718, 256: -61.6692, 512: -123.264}


@pytest.mark.parametrize(("dim", "entropy"), PUBLISHED.items())
def test_the_published_entropies(dim, entropy):
    assert float(f"{pair_entropy(dim):.6g}") == entropy


@pytest.mark.parametrize("dim", [2, 3, 10, 96])
def test_the_entropy_is_what_its_definition_integrates_to(dim):
    def mean(f):
        weight = mpmath.gamma(dim / 2) / (mpmath.gamma((dim - 1) / 2) * mpmath.sqrt(mpmath.pi))
        return weight * mpmath.quad(lambda t: f(mpmath.cos(t)) * mpmath.sin(t) ** (dim - 2), [0, 1, 2, mpmath.pi])

    partition = mean(lambda c: mpmath.exp(dim * c))
    energy = mean(lambda c: dim * c * mpmath.exp(dim * c))
    assert pair_entropy(dim) == pytest.approx(float(mpmath.log(partition) - energy / partition), rel=1e-9)


@pytest.mark.parametrize(
    ("items", "dim"),
    [(5_000_000, 128), (100_000, 96), (512, 52), (2048, 64), (4096, 69), (21128, 83), (30000, 86), (1, 2)],
)
def test_the_published_dimensions(items, dim):
    assert minimal_dimension(items) == dim


@given(items=st.integers(2, 10**40))
def test_the_dimension_is_the_smallest_that_is_enough(items):
    dim = minimal_dimension(items)
    assert 2 * math.log(items) + pair_entropy(dim) < 0
    assert dim == 2 or 2 * math.log(items) + pair_entropy(dim - 1) >= 0
    assert dim <= 8.3124 * math.log(items) + 1


def exact_entropy(dim: int) -> mpmath.mpf:
    """log Gamma(n/2) + (n/2 - 1) log(2/n) + log I_{n/2-1}(n) - n I_{n/2}(n) / I_{n/2-1}(n)."""
    n = mpmath.mpf(dim)
    below, above = mpmath.besseli(n / 2 - 1, n), mpmath.besseli(n / 2, n)
    return mpmath.loggamma(n / 2) + (n / 2 - 1) * mpmath.log(2 / n) + mpmath.log(below) - n * above / below


def test_no_threshold_is_off_by_one_up_to_a_million_million():
    """At every N, up to 10^12, from which one dimension more is needed; attention's L among them."""
    with mpmath.workdps(40):
        dim, before = 2, 0
        while before < 10**12:
            exact = exact_entropy(dim)
            assert pair_entropy(dim) == pytest.approx(float(exact), rel=1e-14)
            assert capacity(dim) == pytest.approx(float(mpmath.exp(-exact / 2)), rel=1e-12)
            last = int(mpmath.floor(mpmath.exp(-exact / 2)))  # 2 log N + h_n < 0 up to here, and is never 0
            for items in {before + 1, last} if last > before else ():
                assert minimal_dimension(items) == dim
            dim, before = dim + 1, last
    assert dim > 220


def test_the_asymptotic_rule():
    """h_n / n tends to -log(golden ratio) / 2, n / log N to 4 / log(golden ratio) = 8.31235."""
    assert pair_entropy(100_000) / 100_000 == pytest.approx(-0.240606, rel=1e-4)
    items = 10**3000
    assert minimal_dimension(items) / math.log(items) == pytest.approx(8.31235, rel=1e-3)


def test_johnson_lindenstrauss():
    assert johnson_lindenstrauss(100_000, 0.1) == math.ceil(2400 * math.log(100_000))
    assert johnson_lindenstrauss(1, 0.5) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minimal_dimension(0), "items: expected at least 1, got 0"),
        (lambda: johnson_lindenstrauss(0, 0.1), "items: expected at least 1, got 0"),
        (lambda: johnson_lindenstrauss(10, 1.0), "error: expected 0 < error < 1, got 1.0"),
        (lambda: johnson_lindenstrauss(10, float("nan")), "error: .* got nan"),
        (lambda: pair_entropy(1), "dim: expected n >= 2, got 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_command_line(capsys):
    main(["dimension", "--items", "21128", "--table"])
    text = capsys.readouterr().out
    assert text.startswith("21128 items need n = 83 dimensions.")
    assert "8.33 log N = 83.0" in text and "2 log N = 19.9167" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()[-13:]}
    assert rows["96"] == ["-23.1726", "-0.241381", "107,611"]
    with pytest.raises(SystemExit, match="error: items: expected at least 1, got 0"):
        main(["dimension", "--items", "0"])
