"""In which floating-point format a model is computed.

Inference is float32 unless its caller asks for bf16: a sentence's vector must not depend on the machine, and in bf16
it is off by up to about 1e-2. Training may run in bf16 (autocast: matrix products in bfloat16; weights, their
gradients, sums, softmax and losses in float32), by a rule that knows the hardware and the model's width, so that the
same params on the same kind of machine give the same bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]
Requested = Literal["auto", "fp32", "bf16"]

# The hidden size from which bf16 trains faster than fp32. Below it, casting the weights and the cost of a small
# product's set-up outweigh the faster arithmetic: `python -m benchmarks.precision` measures it.
WIDTH_FROM_WHICH_BF16_PAYS = 384


@dataclass(frozen=True, kw_only=True)
class Decision:
    precision: Precision
    reason: str


def for_training(requested: Requested, width: int) -> Decision:
    """The precision in which a model of the hidden size ``width`` trains on this machine, and why."""
    if requested != "auto":
        return Decision(precision=requested, reason="as requested")
    unit = bf16_unit()
    if unit is None:
        return Decision(precision="fp32", reason="no bf16 matrix unit")
    if width < WIDTH_FROM_WHICH_BF16_PAYS:
        return Decision(precision="fp32", reason=f"width {width}: bf16 pays from {WIDTH_FROM_WHICH_BF16_PAYS} on")
    return Decision(precision="bf16", reason=f"{unit}, width {width}")


def bf16_unit() -> str | None:
    """What multiplies bf16 matrices faster than fp32 ones on the device that trains; None where nothing does.

    An AVX-512 CPU without AMX multiplies bf16 more slowly than fp32, with avx512_bf16 too.
    """
    if torch.cuda.is_available():
        return "GPU with bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    return "CPU with AMX" if torch.cpu._is_amx_tile_supported() and _onednn_may_use_amx() else None


def _onednn_may_use_amx() -> bool:
    """oneDNN, which multiplies for torch, can be held to older instructions by this variable of its own."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "DEFAULT")).upper()
    return limit in ("", "ALL", "DEFAULT") or "AMX" in limit


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """A context in which ``device`` computes in ``precision``, whatever context it is opened in."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
