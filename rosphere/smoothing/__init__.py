"""Smooth approximations of functions with kinks and jumps: f * k_w, the convolution with a kernel of width w.

    from rosphere import smoothing
    smoothing.relu(x)                                  # Gaussian kernel, width 1
    smoothing.leaky_relu(x, 0.25, "logistic", 0.5)
    smoothing.round(x, width=0.1)
    g = smoothing.smooth(f, "gaussian", 0.3, breakpoints=[0.0, 1.0])    # any other f; g(x) is f smoothed

A kernel k with integral 1 gives k_w(x) = k(x / w) / w, which tends to Dirac's delta as w tends to 0, and f * k_w to f
wherever f is continuous (kexue.fm/archives/8718). Kernels: gaussian exp(-z²/2) / sqrt(2 pi), w is its standard
deviation; logistic, the derivative of the sigmoid, w = 1/t in that post; cauchy 1 / (pi (1 + z²)).

    relu, leaky_relu, abs, maximum      convex where f is, nowhere below it; not under cauchy, whose integral diverges
    step, sign, clip                    bounded, monotone
    floor, round, sawtooth              a jump at every whole number, no end to their range

All take a tensor of any floating dtype (the half ones are computed in float32) and a width that is a number or a
tensor, which may be learned and broadcasts with x. Closed forms keep relative precision in the tails: smooth relu is
right to 1e-13 at 1e-300 in float64. Errors are relative to f * k_w itself but near its zeros, where they are relative
to its parts. All can be differentiated any number of times; NaN stays NaN, infinities go where f goes.
Under torch.compile forward and backward are one fused kernel each. ValueError for what does not exist.
"""

from rosphere.smoothing.derivatives import Kernel
from rosphere.smoothing.hinges import abs, clip, leaky_relu, maximum, relu
from rosphere.smoothing.quadrature import smooth
from rosphere.smoothing.steps import floor, round, sawtooth, sign, step

__all__ = [
    "Kernel",
    "abs",
    "clip",
    "floor",
    "leaky_relu",
    "maximum",
    "relu",
    "round",
    "sawtooth",
    "sign",
    "smooth",
    "step",
]
