"""Smooth activations next to torch's own: time of forward and backward as a ratio to F.gelu, and their accuracy.

    python -m benchmarks.smoothing [--elements N ...] [--rounds N] [--device cuda] [--json FILE]

Ours run eagerly and under torch.compile, torch's as they are, all in one process and in turn, each round in another
order; the figure is the median over the rounds of the ratio to the F.gelu of the same round. On a CPU the time is that
of the process, not of the clock, and one thread is used: other work on the machine then matters less. The literal form
of the smooth ReLU, ½[x erf(x/√2w) + x + √(2/π) w exp(-x²/2w²)], is there for comparison.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rosphere import smoothing

WIDTH = 0.5
Row = dict[str, Any]
Function = Callable[[Tensor], Tensor]


def literal(x: Tensor) -> Tensor:
    z = x / WIDTH
    return 0.5 * (x * torch.erf(z / math.sqrt(2)) + x + math.sqrt(2 / math.pi) * WIDTH * torch.exp(-0.5 * z * z))


def ours() -> dict[str, Function]:
    return {
        "relu gaussian": partial(smoothing.relu, kernel="gaussian", width=WIDTH),
        "relu logistic": partial(smoothing.relu, kernel="logistic", width=WIDTH),
        "leaky relu gaussian (SAU)": partial(smoothing.leaky_relu, slope=0.25, kernel="gaussian", width=WIDTH),
    }


def functions() -> dict[str, Function]:
    found: dict[str, Function] = {"F.gelu": F.gelu, "F.softplus": F.softplus, "F.relu": F.relu, "F.silu": F.silu}
    found["F.gelu, compiled"] = torch.compile(lambda x: F.gelu(x), dynamic=False)
    found["F.softplus, compiled"] = torch.compile(lambda x: F.softplus(x), dynamic=False)
    for name, function in (ours() | {"relu gaussian, literal": literal}).items():
        found[f"{name}, eager"] = function
        found[f"{name}, compiled"] = torch.compile(lambda x, function=function: function(x), dynamic=False)
    return found


def timed(function: Function, x: Tensor, grad: Tensor) -> float:
    x.grad = None
    if x.is_cuda:
        torch.cuda.synchronize()
    clock = time.perf_counter if x.is_cuda else time.process_time
    begun = clock()
    function(x).backward(grad)
    if x.is_cuda:
        torch.cuda.synchronize()
    return clock() - begun


def speed(elements: int, rounds: int, device: str) -> list[Row]:
    torch.compiler.reset()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(elements, generator=generator).to(device).requires_grad_()
    grad = torch.randn(elements, generator=generator).to(device)
    tasks = functions()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 2):
        for name in random.Random(turn).sample(list(tasks), len(tasks)):
            spent = timed(tasks[name], x, grad)
            if turn >= 2:  # the first compile
                times[name].append(spent)
    gelu = times["F.gelu"]
    return [
        {
            "function": name,
            "elements": elements,
            "ms": 1e3 * statistics.median(found),
            "times F.gelu": statistics.median(a / b for a, b in zip(found, gelu, strict=True)),
        }
        for name, found in times.items()
    ]


def accuracy(device: str) -> list[Row]:
    """Largest relative error in float32 against float64, where the value is above 1e-37."""
    x = torch.linspace(-50, 50, 400_001, device=device)
    true = smoothing.relu(x.double(), "gaussian", WIDTH)
    seen = true > 1e-37
    rows = []
    for name, found in (
        ("relu gaussian, eager", smoothing.relu(x, "gaussian", WIDTH)),
        ("relu gaussian, compiled", torch.compile(ours()["relu gaussian"])(x)),
        ("relu gaussian, literal", literal(x)),
    ):
        rows.append({"function": name, "relative error": float(((found - true) / true)[seen].abs().max())})
    return rows


def printed(rows: list[Row]) -> None:
    print()
    for row in rows:
        print("  ".join(f"{value:>8.3g}" if isinstance(value, float) else f"{value!s:36}" for value in row.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, nargs="+", default=[1 << 19, 1 << 22])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = {"speed": [row for n in options.elements for row in speed(n, options.rounds, options.device)]}
    tables["accuracy"] = accuracy(options.device)
    for rows in tables.values():
        printed(rows)
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
