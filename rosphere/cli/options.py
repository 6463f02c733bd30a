"""Options that several commands have, with their bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def renamed(value: str | None) -> None:
    """Refuse --longest, which scripts may still say, in one line."""
    if value is not None:
        typer.echo("error: --longest is called --max-length now", err=True)
        raise typer.Exit(2)


Precision = Literal["fp32", "bf16"]  # as in rosphere.encoder.precision, which imports torch

Texts = Annotated[list[str] | None, typer.Argument(show_default=False)]
File = Annotated[Path | None, typer.Option(help="further texts, one a line; - is standard input")]
Model = Annotated[Path, typer.Option(help="a model's folder")]
Count = Annotated[int, typer.Option(min=1, help="how many to show")]
Seed = Annotated[int, typer.Option()]
MaxLength = Annotated[int, typer.Option(min=1, help="the most tokens of a text, and of what is written")]
Longest = Annotated[str | None, typer.Option("--longest", hidden=True, is_eager=True, callback=renamed)]
