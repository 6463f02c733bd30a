"""The sizes that a post-LayerNorm RoFormer can take without changing its function, and why not others."""

from __future__ import annotations

import dataclasses

from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError


def widened(
    old: EncoderConfig, *, width: int, heads: int | None, head_size: int | None, feed_forward: int | None
) -> EncoderConfig:
    """The configuration of the grown model; InputError names the nearest sizes that keep the function."""
    _refuse_width(old, width)
    return dataclasses.replace(
        old,
        hidden_size=width,
        num_attention_heads=_heads(old, width, heads, head_size),
        intermediate_size=_feed_forward(old, width, feed_forward),
    )


def _refuse_width(old: EncoderConfig, width: int) -> None:
    if _exact(old, width):
        return
    if width < old.hidden_size or width % old.hidden_size:
        reason = (
            f"LayerNorm keeps its mean and variance only if each of the {old.hidden_size} features "
            "is repeated equally often, so only whole multiples are exact"
        )
    else:
        reason = (
            f"it would equal embedding_size {old.embedding_size}, and a Hugging Face folder with equal sizes "
            "has no room for the embedding's projection"
        )
    times = max(width // old.hidden_size, 1)
    around = [old.hidden_size * t for t in range(max(times - 1, 1), times + 3)]
    nearest = sorted((w for w in around if _exact(old, w)), key=lambda w: abs(w - width))[:2]
    raise InputError(f"width {width}: {reason}; nearest exact widths: {_listed(nearest)}")


def _exact(old: EncoderConfig, width: int) -> bool:
    multiple = width >= old.hidden_size and width % old.hidden_size == 0
    return multiple and (width == old.hidden_size or width != old.embedding_size)


def _heads(old: EncoderConfig, width: int, heads: int | None, head_size: int | None) -> int:
    if heads is None and head_size is None:
        return width // old.head_size  # the old head size, more heads
    number = heads if heads is not None else width // head_size if head_size else 0
    size = head_size if head_size is not None else width // heads if heads else 0
    if number * size != width:
        reason = f"heads x head_size must be width {width}: Hugging Face folders state no other head size"
    elif number < old.num_attention_heads:
        reason = f"none of the {old.num_attention_heads} heads can be left out without changing the function"
    elif size % old.head_size:
        reason = f"rotary pairs find their frequencies only in heads a multiple of {old.head_size} wide"
    else:
        return number
    asked = [f"{name} {n}" for name, n in (("heads", heads), ("head_size", head_size)) if n is not None]
    exact = [n for n in range(old.num_attention_heads, width + 1) if width % (n * old.head_size) == 0]
    exact.sort(key=lambda n: abs(n - heads) if heads is not None else abs(width // n - size))
    nearest = _listed([f"{n} x {width // n}" for n in exact[:2]])
    raise InputError(f"{' and '.join(asked)}: {reason}; nearest exact heads x head_size: {nearest}")


def _feed_forward(old: EncoderConfig, width: int, asked: int | None) -> int:
    if asked is None:
        return old.intermediate_size * (width // old.hidden_size)
    if asked < old.intermediate_size:
        raise InputError(
            f"feed_forward {asked}: none of the {old.intermediate_size} units can be left out without "
            f"changing the function; nearest exact feed_forward: {old.intermediate_size} or any larger number"
        )
    return asked


def _listed(sizes: list[int] | list[str]) -> str:
    return " or ".join(str(size) for size in sizes)
