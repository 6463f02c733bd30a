"""rosphere export: finished models for those who serve them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from rosphere.cli import models
from rosphere.cli.texts import given, of_pairs
from rosphere.errors import InputError

NEEDED = ("onnx", "onnxruntime", "onnxscript")
HELD_OUT = Path("data/pairs/dev.jsonl")
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="a sentence encoder, or a RoFormer or BERT")]
Target = Annotated[Path, typer.Argument(metavar="DST", help="a folder that is not there yet, or empty")]
Int8 = Annotated[bool, typer.Option("--int8", help="a graph with weights of 8 bits too, and what it loses")]
TEXTS = f"a text a line, or rows as in {HELD_OUT}, which is the default where it is there: to measure on"
Texts = Annotated[Path | None, typer.Option(help=TEXTS, metavar="FILE", show_default=False)]


def onnx(folder: Folder, target: Target, int8: Int8 = False, texts: Texts = None) -> None:
    """A folder with onnx/model.onnx, for onnxruntime, text-embeddings-inference and whoever else takes it."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"export onnx: {' and '.join(missing)} not installed; `pip install 'rosphere[onnx]'` has what it needs"
        )
    from rosphere.export import folder as folders
    from rosphere.export import source

    folders.require_free(target)
    measured = _texts(texts, needed=int8)
    found = folders.write(source.of(models.there(folder)), target, texts=measured, int8=int8)
    print(json.dumps(found, indent=1))


def _texts(file: Path | None, *, needed: bool) -> Sequence[str]:
    """Those of the file, else the held-out pairs, else our own few, which are too few to measure int8 by."""
    from rosphere.export import checking

    if file is None and not HELD_OUT.is_file():
        if needed:
            raise InputError(f"--int8: expected --texts FILE to measure its loss on, {HELD_OUT} is not here")
        return checking.SENTENCES
    file = file or HELD_OUT
    return of_pairs(file) if file.suffix == ".jsonl" else given((), file)
