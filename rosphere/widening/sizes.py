"""The sizes that an encoder can be grown to without changing its function, and why not to others.

What makes a size inexact (``reasons``) can be overruled; what cannot be built at all, such as fewer heads, cannot.
"""

from __future__ import annotations

import dataclasses

from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError

# Added blocks are the identity of RMSNorm's stream but for epsilon: all together they change it by the factor
# 1 + epsilon / 2 (1 / m - 1), m the mean square of what the norm before them was given. RoFormerV2's own epsilon is:
DEPTH_EPS = 1e-12


def widened(
    old: EncoderConfig,
    *,
    width: int | None = None,
    heads: int | None = None,
    head_size: int | None = None,
    feed_forward: int | None = None,
    layers: int | None = None,
    allow_inexact: bool = False,
) -> EncoderConfig:
    """The configuration of the grown model; InputError names the nearest sizes that keep the function."""
    width = old.hidden_size if width is None else width
    _refuse_width(old, width, allow_inexact)
    grows = old.model_type == "bert" and not old.factorised  # its folder has no projection: the embedding grows along
    return dataclasses.replace(
        old,
        hidden_size=width,
        embedding_size=width if grows else old.embedding_size,
        num_attention_heads=_heads(old, width, heads, head_size, allow_inexact),
        intermediate_size=_feed_forward(old, width, feed_forward),
        num_hidden_layers=_layers(old, layers, allow_inexact),
    )


def reasons(old: EncoderConfig, new: EncoderConfig) -> list[str]:
    """Why the function of a model grown from ``old`` to ``new`` is not exactly the same; empty if it is."""
    found = (
        _uneven_width(old, new.hidden_size) if old.biased else None,
        _other_frequencies(old, new.head_size),
        _more_layers(old, new.num_hidden_layers),
    )
    return [reason for reason in found if reason]


def _uneven_width(old: EncoderConfig, width: int) -> str | None:
    if old.biased and width % old.hidden_size:
        return (
            f"LayerNorm keeps its mean and variance only if each of the {old.hidden_size} features "
            "is repeated equally often, so only whole multiples are exact"
        )
    if width % old.head_size and not old.biased:
        return (
            "the heads fill the width, and rotary pairs find their frequencies only in heads a multiple of "
            f"{old.head_size} wide"
        )
    return None


def _other_frequencies(old: EncoderConfig, size: int) -> str | None:
    if old.rotary and size % old.head_size:
        return f"rotary pairs find their frequencies only in heads a multiple of {old.head_size} wide"
    return None


def _more_layers(old: EncoderConfig, layers: int) -> str | None:
    if layers == old.num_hidden_layers:
        return None
    if old.biased:
        return "LayerNorm with gain and bias is not idempotent, so no added post-norm block is the identity"
    if old.layer_norm_eps > DEPTH_EPS:
        return (
            f"added blocks change RMSNorm's stream by a share of about its epsilon, {old.layer_norm_eps:g}, "
            f"and only up to {DEPTH_EPS:g} does that not show"
        )
    return None


def _refuse_width(old: EncoderConfig, width: int, allow_inexact: bool) -> None:
    reason = None
    if width < old.hidden_size:
        reason = f"none of the {old.hidden_size} features can be left out without changing the function"
    elif width == old.embedding_size != old.hidden_size:
        reason = (
            f"it would equal embedding_size {old.embedding_size}, and a Hugging Face folder with equal sizes "
            "has no room for the embedding's projection"
        )
    elif not allow_inexact:
        reason = _uneven_width(old, width)
    if reason is None:
        return
    step = old.hidden_size if old.biased else old.head_size
    least = max(width // step - 1, old.hidden_size // step)
    around = (step * times for times in range(least, least + 4))
    exact = [near for near in around if near == old.hidden_size or near != old.embedding_size]
    nearest = sorted(exact, key=lambda near: abs(near - width))[:2]
    raise InputError(f"width {width}: {reason}; nearest exact widths: {_listed(nearest)}")


def _heads(old: EncoderConfig, width: int, heads: int | None, head_size: int | None, allow_inexact: bool) -> int:
    possible = [n for n in range(old.num_attention_heads, width + 1) if width % n == 0 and _fits(old, width // n)]
    exact = [n for n in possible if not _other_frequencies(old, width // n)]
    if heads is None and head_size is None:
        wanted = exact or possible
        if wanted:
            return max(wanted)  # the old head size, more heads
    number = heads if heads is not None else width // head_size if head_size else 0
    size = head_size if head_size is not None else width // heads if heads else 0
    reason = None
    if number * size != width:
        reason = f"heads x head_size must be width {width}: Hugging Face folders state no other head size"
    elif number < old.num_attention_heads:
        reason = f"none of the {old.num_attention_heads} heads can be left out without changing the function"
    elif not allow_inexact:
        reason = _other_frequencies(old, size)
    if reason is None and not _fits(old, size):
        reason = f"heads need {'an even size of ' if old.rotary else ''}{old.head_size} channels or more"
    if reason is None:
        return number
    asked = [f"{name} {n}" for name, n in (("heads", heads), ("head_size", head_size)) if n is not None]
    near = sorted(exact, key=lambda n: abs(n - heads) if heads is not None else abs(width // n - size))[:2]
    nearest = _listed([f"{n} x {width // n}" for n in near]) or f"none at width {width}"
    raise InputError(f"{' and '.join(asked) or 'heads'}: {reason}; nearest exact heads x head_size: {nearest}")


def _fits(old: EncoderConfig, size: int) -> bool:
    return size >= old.head_size and not (old.rotary and size % 2)


def _feed_forward(old: EncoderConfig, width: int, asked: int | None) -> int:
    if asked is None:
        return round(old.intermediate_size * width / old.hidden_size)
    if asked < old.intermediate_size:
        raise InputError(
            f"feed_forward {asked}: none of the {old.intermediate_size} units can be left out without "
            f"changing the function; nearest exact feed_forward: {old.intermediate_size} or any larger number"
        )
    return asked


def _layers(old: EncoderConfig, asked: int | None, allow_inexact: bool) -> int:
    least = old.num_hidden_layers
    if asked is None:
        return least
    reason = _more_layers(old, asked)
    if asked < least:
        reason = f"none of the {least} blocks can be left out without changing the function"
    elif allow_inexact:
        reason = None
    if reason is None:
        return asked
    more = "" if _more_layers(old, least + 1) else " or any larger number"
    raise InputError(f"layers {asked}: {reason}; nearest exact layers: {least}{more}")


def _listed(sizes: list[int] | list[str]) -> str:
    return " or ".join(str(size) for size in sizes)
