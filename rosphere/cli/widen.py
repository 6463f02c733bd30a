"""rosphere widen: a larger model with the same function."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rosphere import files
from rosphere.cli import models, options
from rosphere.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from rosphere.encoder.config import EncoderConfig
    from rosphere.encoder.model import MaskedLanguageModel

SENTENCES = (
    "怎么挂失银行卡",
    "银行卡丢了怎么办",
    "酒店几点可以入住",
    "How do I block a card?",
    "It rains.",
)  # without --text
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
    from rosphere.encoder import modules
    from rosphere.widening import widen as grown

    if target.exists():
        raise InputError(f"{target}: exists already; choose another folder")
    inner = modules.encoder(models.there(source))  # old sentence-transformers folders have the encoder in one of theirs
    model = _seeded(inner, seed)
    lines = _lines(text)
    ids, keep = _tokens(inner, lines, model.config, seed=seed)
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
    with files.appearing(target) as place:
        found = _written(model, wide, source, place, ids, keep, lines, noise=noise, seed=seed)
        proof = json.dumps(found, indent=1, sort_keys=True)
        (place / "widening.json").write_text(proof + "\n", encoding="utf-8")
    print(proof)


def _seeded(folder: Path, seed: int) -> MaskedLanguageModel:
    """A bare encoder may be widened too: it is measured through a head that the seed draws, and stays bare."""
    import torch

    from rosphere.encoder import folder as folders

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return folders.load(folder, fresh_head=True)


def _written(
    model: MaskedLanguageModel,
    wide: MaskedLanguageModel,
    source: Path,
    place: Path,
    ids: Tensor,
    keep: Tensor,
    lines: Sequence[str],
    *,
    noise: float,
    seed: int,
) -> dict[str, Any]:
    """Writes the folder; the certificate, with what others' libraries make of it."""
    from rosphere.encoder import folder, masks, modules
    from rosphere.similarity import growing
    from rosphere.widening import certificate, independent

    inner = modules.encoder(source)
    beside = place / inner.relative_to(source)
    folder.save(wide, beside, tokenizer=inner)
    left = growing.carry(source, place, old=model.config, new=wide.config, noise=noise, seed=seed)
    found = certificate(model, wide, ids, masks.padded(keep), dropped=[*folder.not_taken(inner), *left])
    if model.bare:
        found["measured_through"] = "a vocabulary head drawn by the seed, and not written: the folder has none"
    if independent.readable(model.config):
        found["transformers"] = independent.transformers_gap(
            inner, beside, model.config, wide.config, ids, keep, bare=model.bare, seed=seed
        )
        if (place / modules.LISTED).is_file():
            found["sentence_transformers"] = independent.cosine_gap(source, place, lines or SENTENCES)
    return found


def _lines(text: Path | None) -> list[str]:
    """The first 32 lines of --text that hold something; none where there is no --text."""
    from rosphere.text.reading import lines

    if text is None:
        return []
    found = [line for _, line in lines(text) if line.strip()][:32]
    if not found:
        raise InputError(f"{text}: expected lines of text, there are none")
    return found


def _tokens(source: Path, texts: Sequence[str], config: EncoderConfig, *, seed: int) -> tuple[Tensor, Tensor]:
    """(ids, keep) of the texts, or else of random tokens."""
    import torch

    from rosphere.text.batching import pad
    from rosphere.text.tokenizer import Tokenizer

    max_length = min(64, config.max_position_embeddings)
    if not texts:
        generator = torch.Generator().manual_seed(seed)
        return pad(torch.randint(0, config.vocab_size, (4, max_length), generator=generator).tolist(), 0)
    tokenizer = Tokenizer(source)
    tokenizer.require(config.vocab_size, model=source)
    return pad([[tokenizer.cls, *ids[: max_length - 2], tokenizer.sep] for ids in tokenizer.ids(texts)], tokenizer.pad)
