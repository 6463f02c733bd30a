"""rosphere widen: a larger model with the same function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rosphere.cli import models, options
from rosphere.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from rosphere.encoder.config import EncoderConfig

Source = Annotated[Path, typer.Argument(metavar="SRC", help="a Hugging Face folder of a RoFormer or BERT")]
Size = Annotated[int | None, typer.Option(help="default: as it is", show_default=False)]
Layers = Annotated[int | None, typer.Option(help="exact for RMSNorm (RoFormerV2) only", show_default=False)]
Noise = Annotated[float, typer.Option(min=0, max=1, help="unevenness of the copies' shares")]
Inexact = Annotated[bool, typer.Option("--allow-inexact", help="build what is not exact, and measure the gap")]
Lines = Annotated[Path | None, typer.Option(help="measure on these lines, the first 32; default: random tokens")]


def widen(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="DST")],
    width: Size = None,
    heads: Size = None,
    head_size: Size = None,
    feed_forward: Size = None,
    layers: Layers = None,
    noise: Noise = 0.0,
    allow_inexact: Inexact = False,
    text: Lines = None,
    seed: options.Seed = 0,
) -> None:
    """A wider or deeper model with the same function, and its certificate."""
    from rosphere.encoder import folder, masks
    from rosphere.widening import certificate
    from rosphere.widening import widen as grown

    if target.exists():
        raise InputError(f"{target}: exists already; choose another folder")
    model = folder.load(models.there(source), fresh_head=True)  # a bare encoder may be widened too
    ids, keep = _tokens(source, text, model.config, seed=seed)
    wide = grown(
        model,
        width=width,
        heads=heads,
        head_size=head_size,
        feed_forward=feed_forward,
        layers=layers,
        noise=noise,
        seed=seed,
        allow_inexact=allow_inexact,
    )
    folder.save(wide, target, tokenizer=source)
    found = certificate(model, wide, ids, masks.padded(keep), dropped=folder.not_taken(source))
    proof = json.dumps(found, indent=1, sort_keys=True)
    (target / "widening.json").write_text(proof + "\n", encoding="utf-8")
    print(proof)


def _tokens(source: Path, text: Path | None, config: EncoderConfig, *, seed: int) -> tuple[Tensor, Tensor]:
    """(ids, keep) of the lines of --text, or else of random tokens."""
    import torch

    from rosphere.text.batching import pad
    from rosphere.text.reading import lines
    from rosphere.text.tokenizer import Tokenizer

    max_length = min(64, config.max_position_embeddings)
    if text is None:
        generator = torch.Generator().manual_seed(seed)
        return pad(torch.randint(0, config.vocab_size, (4, max_length), generator=generator).tolist(), 0)
    tokenizer = Tokenizer(source)
    texts = [line for _, line in lines(text) if line.strip()][:32]
    if not texts:
        raise InputError(f"{text}: expected lines of text, there are none")
    return pad([[tokenizer.cls, *ids[: max_length - 2], tokenizer.sep] for ids in tokenizer.ids(texts)], tokenizer.pad)
