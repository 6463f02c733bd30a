"""In words: what was done to each group of tensors."""

from __future__ import annotations

from rosphere.encoder.activations import LearnedWidth, activation
from rosphere.encoder.config import EncoderConfig
from rosphere.widening import plan


def construction(old: EncoderConfig, new: EncoderConfig, *, pooler: bool = False) -> dict[str, str]:
    """A line for every group of tensors, blocks being all alike, and one for added blocks."""
    absent = set() if pooler else {"pooler"}
    if not isinstance(activation(old.hidden_act), LearnedWidth):
        absent |= {"activation"}
    if old.rotary:
        absent |= {"encoder.positions"}
    if not old.biased:
        absent |= {"encoder.embedding_norm", "attention_norm", "feed_norm", "transform_norm", "bias"}
        if not new.factorised:
            absent |= {"transform"}
    if not new.factorised:
        absent |= {"encoder.project"}
    done = {}
    for group, (rows, columns) in plan.AXES.items():
        if group not in absent:
            parts = [_rows(rows, old, new), _columns(columns, old, new)]
            done[group] = "; ".join(filter(None, parts)) or "unchanged"
    if old.embedding_size == old.hidden_size and new.factorised:
        done["encoder.project"] = f"new: {_made(old, new)} {_hidden(old, new)}"
        if not old.biased:
            done["transform"] = f"new: its transpose {_hidden(old, new)}"
    if new.num_hidden_layers > old.num_hidden_layers:
        norms = ", norms that restore the mean and variance that the stream has on average" if old.biased else ""
        done["encoder.blocks"] = (
            f"{old.num_hidden_layers} -> {new.num_hidden_layers}: each added one a copy of the block before it that "
            f"writes zero{norms}; old block of each: {', '.join(str(origin) for origin, _ in plan.blocks(old, new))}"
        )
    return done


def _rows(rows: str | None, old: EncoderConfig, new: EncoderConfig) -> str | None:
    if rows == "write attended":
        return _heads(old, new)
    if rows == "read predicting":
        return _changed("shared out", old.embedding_size, new.embedding_size)
    if rows is None:
        return None
    role, units = rows.split()
    before, after = _count(units, old), _count(units, new)
    if units == "hidden" and not old.biased:
        return _changed("rows by sqrt(D / d) times an isometry", before, after)
    left = after % before if units in ("hidden", "embedded") else 0
    mean = f", the last {left} the mean" + (f", all times sqrt({after - left} / {after})" if role == "gain" else "")
    return _changed("repeated rows", before, after, mean if left else "")


def _columns(columns: str | None, old: EncoderConfig, new: EncoderConfig) -> str | None:
    if columns is None:
        return None
    role, units = columns.split()
    before, after = _count(units, old), _count(units, new)
    if units == "hidden" and not old.biased:
        return _changed("columns by the isometry over sqrt(D / d)", before, after)
    left = after % before if units in ("hidden", "embedded") else 0
    if role == "write":
        return _changed("repeated columns", before, after, f", the last {left} the mean" if left else "")
    return _changed("split columns", before, after, f", the last {left} zero" if left else "")


def _changed(what: str, before: int, after: int, more: str = "") -> str | None:
    return f"{what} {before} -> {after}{more}" if before != after else None


def _count(units: str, config: EncoderConfig) -> int:
    match units:
        case "embedded" | "predicting":
            return config.embedding_size
        case "fed":
            return config.intermediate_size
        case _:
            return config.hidden_size


def _heads(old: EncoderConfig, new: EncoderConfig) -> str | None:
    heads = _changed("repeated heads", old.num_attention_heads, new.num_attention_heads)
    if new.head_size == old.head_size:
        return heads
    where = "q and k in the first slots"
    if old.rotary:
        exact = new.head_size % old.head_size == 0
        where = f"rotary pair j to pair {new.head_size // old.head_size} j" if exact else "rotary pairs to near ones"
    larger = (
        f"head size {old.head_size} -> {new.head_size}: {where}, q times sqrt({new.head_size / old.head_size:g}), "
        "other q slots zero, other k slots random, v repeated"
    )
    return "; ".join(filter(None, (heads, larger)))


def _made(old: EncoderConfig, new: EncoderConfig) -> str:
    return "the repetition matrix" if old.biased else "sqrt(D / d) times an isometry"


def _hidden(old: EncoderConfig, new: EncoderConfig) -> str:
    return f"{old.hidden_size} -> {new.hidden_size}"
