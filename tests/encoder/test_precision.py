"""The precision of training by hardware and width, on any machine: what the hardware has is said by the tests."""

from __future__ import annotations

import pytest
import torch

from rosphere.encoder import precision
from rosphere.encoder.precision import Requested, autocast, bf16_unit, for_training

NARROW, WIDE = precision.WIDTH_FROM_WHICH_BF16_PAYS - 1, precision.WIDTH_FROM_WHICH_BF16_PAYS


@pytest.fixture(autouse=True)
def _no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)


def machine(patch: pytest.MonkeyPatch, *, gpu: bool = False, gpu_bf16: bool = False, amx: bool = False) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: gpu)
    patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: gpu_bf16 or including_emulation)
    patch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)


@pytest.mark.parametrize(
    ("requested", "width", "hardware", "expected", "reason"),
    [
        ("auto", WIDE, {}, "fp32", "no bf16 matrix unit"),
        ("auto", WIDE, {"amx": True}, "bf16", f"CPU with AMX, width {WIDE}"),
        ("auto", NARROW, {"amx": True}, "fp32", f"width {NARROW}: bf16 pays from {WIDE} on"),
        ("auto", WIDE, {"gpu": True, "gpu_bf16": True}, "bf16", f"GPU with bf16, width {WIDE}"),
        ("auto", NARROW, {"gpu": True, "gpu_bf16": True}, "fp32", f"width {NARROW}: bf16 pays from {WIDE} on"),
        ("auto", WIDE, {"gpu": True, "amx": True}, "fp32", "no bf16 matrix unit"),  # the GPU trains, not the CPU
        ("fp32", WIDE, {"amx": True}, "fp32", "as requested"),
        ("bf16", NARROW, {}, "bf16", "as requested"),
    ],
)
def test_training(
    requested: Requested,
    width: int,
    hardware: dict[str, bool],
    expected: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, **hardware)
    found = for_training(requested, width)
    assert (found.precision, found.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("AVX512_CORE_BF16", None),
        ("avx2", None),
        ("", "CPU with AMX"),
        ("DEFAULT", "CPU with AMX"),
        ("AVX512_CORE_AMX", "CPU with AMX"),
        ("AVX10_1_512_AMX_FP16", "CPU with AMX"),
    ],
)
@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_onednn_may_be_told_to_do_without_amx(
    variable: str, limit: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, amx=True)
    monkeypatch.setenv(variable, limit)
    assert bf16_unit() == expected


@pytest.mark.parametrize("outer", ["fp32", "bf16"])
@pytest.mark.parametrize(("inner", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_context_says_the_precision_whatever_is_around_it(
    outer: precision.Precision, inner: precision.Precision, dtype: torch.dtype
) -> None:
    cpu, x = torch.device("cpu"), torch.ones(2, 2)
    with autocast(outer, cpu), autocast(inner, cpu):
        assert (x @ x).dtype == dtype
