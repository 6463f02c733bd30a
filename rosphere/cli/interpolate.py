"""rosphere interpolate: from one sentence to another."""

from __future__ import annotations

from typing import Annotated

import typer

from rosphere.cli import models, options

Steps = Annotated[int, typer.Option(min=2, help="sentences, the two ends included")]


def interpolate(
    first: Annotated[str, typer.Argument(metavar="A")],
    last: Annotated[str, typer.Argument(metavar="B")],
    model: options.Model = models.LATENTS,
    steps: Steps = 7,
    max_length: options.MaxLength = 40,
    longest: options.Longest = None,
) -> None:
    """Sentences on the way from one to another, decoded from points between theirs."""
    from rosphere.vae import decoding

    vae, tokenizer = models.text_vae(model)
    for share, sentence in decoding.interpolate(vae, tokenizer, first, last, steps=steps, max_length=max_length):
        print(f"{share:.3f}\t{sentence}")
