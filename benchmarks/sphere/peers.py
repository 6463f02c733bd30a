"""The other implementations, each behind the same few functions; those that are not installed are absent."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
from torch import Tensor

DIMS = (2, 3, 8, 64, 128, 512, 1024, 4096)
KAPPAS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5)

HAS_POWER_SPHERICAL = importlib.util.find_spec("power_spherical") is not None
HAS_TFP = importlib.util.find_spec("tensorflow_probability") is not None


def log_area(dim: int) -> float:
    return math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


def scipy_quantities(dim: int, kappa: float) -> tuple[float, float, float]:
    """log C, KL from the uniform law and dKL/dkappa as SciPy's scaled Bessel functions give them directly."""
    order = 0.5 * dim - 1
    with np.errstate(all="ignore"):
        scaled, above = scipy.special.ive(order, kappa), scipy.special.ive(order + 1, kappa)
        log_c = order * np.log(kappa) - 0.5 * dim * np.log(2 * np.pi) - np.log(scaled) - kappa
        ratio = above / scaled
        slope = 1 - ratio**2 - (dim - 1) * ratio / kappa
    return float(log_c), float(kappa * ratio + log_c + log_area(dim)), float(kappa * slope)


def tfp() -> tuple[Any, Any, Any]:
    """jax, jax.numpy and tensorflow_probability's distributions on JAX, with float64 allowed."""
    import jax
    from tensorflow_probability.substrates.jax import distributions

    jax.config.update("jax_enable_x64", True)
    return jax, jax.numpy, distributions


def tfp_kl(dtype: str) -> Callable[[int], Callable[[np.ndarray], tuple[Any, Any]]]:
    """For a dimension: the jitted function from kappas to (KL, dKL/dkappa)."""
    jax, jnp, distributions = tfp()

    def of(dim: int) -> Callable[[np.ndarray], tuple[Any, Any]]:
        pole = jnp.zeros(dim, dtype).at[0].set(1)

        def kl(kappa: Any) -> Any:
            return log_area(dim) - distributions.VonMisesFisher(pole, kappa).entropy()

        both = jax.jit(jax.vmap(jax.value_and_grad(kl)))
        return lambda kappas: jax.block_until_ready(both(jnp.asarray(kappas, dtype)))

    return of


def tfp_log_c(dim: int, kappa: float, dtype: str) -> float:
    """log C is the log density at the pole, less kappa."""
    _, jnp, distributions = tfp()
    pole = jnp.zeros(dim, dtype).at[0].set(1)
    law = distributions.VonMisesFisher(pole, jnp.asarray(kappa, dtype))
    return -float(law._log_normalization())


def tfp_sampler(dtype: str) -> Callable[[Tensor, Tensor], Callable[[], Any]]:
    """For loc [n, d] and kappa [n]: a function that draws one point for each row."""
    jax, jnp, distributions = tfp()
    key = jax.random.PRNGKey(0)

    def of(loc: Tensor, kappa: Tensor) -> Callable[[], Any]:
        nonlocal key
        rows, rates = jnp.asarray(loc.cpu().numpy(), dtype), jnp.asarray(kappa.cpu().numpy(), dtype)
        draw = jax.jit(lambda k: distributions.VonMisesFisher(rows, rates).sample(seed=k))

        def sample() -> Any:
            nonlocal key
            key, now = jax.random.split(key)
            return jax.block_until_ready(draw(now))

        return sample

    return of


def power_spherical(loc: Tensor, kappa: Tensor) -> Any:
    """Another law than ours, sampled without rejection."""
    from power_spherical import PowerSpherical

    return PowerSpherical(loc, kappa)


def scipy_sampler(loc: Tensor, kappa: float) -> Callable[[], np.ndarray]:
    """One mean and one kappa for all rows: SciPy takes no others."""
    import scipy.stats

    law = scipy.stats.vonmises_fisher(loc[0].double().cpu().numpy(), kappa)
    generator = np.random.default_rng(0)
    return lambda: law.rvs(len(loc), random_state=generator)
