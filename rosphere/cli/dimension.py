"""rosphere dimension: the rule n > 8.33 log N."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from rosphere.errors import InputError

Items = Annotated[int, typer.Option(help="a vocabulary's size, a sequence's length, ...")]
Table = Annotated[bool, typer.Option("--table", help="what other dimensions are enough for")]


def dimension(items: Items, table: Table = False) -> None:
    """The smallest dimension for so many items by n > 8.33 log N, exactly, and why."""
    from rosphere.dimension.rule import johnson_lindenstrauss, minimal_dimension, pair_entropy

    if items < 1:
        raise InputError(f"items: expected at least 1, got {items}")
    n, log_items = minimal_dimension(items), math.log(items)
    left = 2 * log_items + pair_entropy(n)
    print(f"{items} items need n = {n} dimensions.")
    print("  Pairs drawn with p(i, j) ~ exp<u_i, v_j> among N items have an entropy of at most")
    print(f"  2 log N = {2 * log_items:.4f} nats; vectors of length sqrt(n) bring h_n = {pair_entropy(n):.4f} nats.")
    print(f"  That leaves {left:.4f}: n = {n} is the first at which it is below 0 and there is room to tell all pairs")
    print("  apart. A rule of thumb for token vectors (N: vocabulary) and attention heads (N: sequence length).")
    rules = f"{8.3124 * log_items:.1f} (the published 8.33 log N = {8.33 * log_items:.1f})"
    print(f"  For large N it is n > 8.31 log N = {rules}.")
    jl = johnson_lindenstrauss(items, 0.1)
    print(f"  To keep the distances of any N points within 10 %, Johnson and Lindenstrauss ask for n = {jl}.")
    if table:
        sys.stdout.writelines(_dimensions())


def _dimensions() -> Iterator[str]:
    from rosphere.dimension.rule import capacity, pair_entropy

    yield "\n     n         h_n     h_n / n   enough for N up to\n"
    for n in (8, 16, 32, 48, 64, 80, 96, 112, 128, 192, 256, 384, 512):
        items = capacity(n)
        most = f"{math.floor(items):,}" if items < 1e12 else f"{items:.3g}"
        yield f"{n:6d}  {pair_entropy(n):10.6g}  {pair_entropy(n) / n:10.6f}   {most}\n"
