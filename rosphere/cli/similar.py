"""rosphere similar: what is near to a query."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rosphere.cli import models, options
from rosphere.cli.texts import given
from rosphere.errors import InputError

if TYPE_CHECKING:
    from typing import Any, Never

    import numpy as np
    from numpy.typing import NDArray
    from tqdm import tqdm

Among = Annotated[
    Path | None, typer.Option(help="a file of many lines: indexed once, in FILE.index, then searched", metavar="FILE")
]
PRECISION = "fp32: the same vectors on every machine; bf16: off by up to 1e-2, faster on some"
Reindex = Annotated[bool, typer.Option("--reindex", help="replace an index of another model or precision")]


def similar(
    query: str,
    texts: options.Texts = None,
    file: options.File = None,
    among: Among = None,
    model: options.Model = models.SENTENCES,
    count: options.Count = 10,
    precision: Annotated[options.Precision, typer.Option(help=PRECISION)] = "fp32",
    reindex: Reindex = False,
) -> None:
    """The texts nearest to a query, or the cosine of two texts."""
    if among is None:
        return compare(query, texts, file, model=model, count=count, precision=precision)
    if texts or file:
        raise InputError("similar: expected texts, or --among FILE, got both")
    search(query, among, model=model, count=count, precision=precision, reindex=reindex)


def compare(
    query: str,
    texts: Sequence[str] | None,
    file: Path | None,
    *,
    model: Path,
    count: int,
    precision: options.Precision,
) -> None:
    """The given texts that are nearest to a query."""
    others = given(texts, file)
    if not others:
        raise InputError("similar: expected texts to compare with, as arguments or by --file")
    encoder = models.vectors_of(model, precision)
    vectors = encoder.encode([query, *others])
    _say(encoder.cut([query, *others]))
    scores = vectors[1:] @ vectors[0]
    for place in (-scores).argsort(kind="stable")[:count]:
        print(f"{scores[place]:.4f}\t{others[place]}")


def search(query: str, file: Path, *, model: Path, count: int, precision: options.Precision, reindex: bool) -> None:
    """The lines of a file that are nearest to a query; their vectors are kept in FILE.index."""
    from tqdm import tqdm

    from rosphere.similarity import index

    encoder = models.vectors_of(model, precision)
    _say(encoder.cut([query]))

    def encode(lines: list[str]) -> NDArray[np.floating[Any]]:
        _say(encoder.cut(lines))
        return encoder.encode(lines)

    with tqdm(unit=" lines", desc="indexing", file=sys.stderr, delay=1, disable=None) as bar:
        found = index.opened(
            file,
            model,
            encode,
            width=encoder.width,
            precision=precision,
            anew=reindex,
            progress=lambda done, total: _advance(bar, done, total),
        )
    for number, score in found.nearest(encoder.encode([query])[0], count):
        print(f"{score:.4f}\t{found.line(number)}")


def _say(line: str | None) -> None:
    if line:
        print(line, file=sys.stderr)


def _advance(bar: tqdm[Never], done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)
