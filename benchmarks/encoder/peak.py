"""What the machine can do: its best rate of matrix products, and the memory a process has come to hold."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import torch


@cache
def flops(device: str) -> float:
    """FLOP/s of the faster of fp32 and bf16 products of square matrices, the best of several."""
    size = 2048 if device == "cpu" else 8192
    return max(_rate(size, dtype, device) for dtype in (torch.float32, torch.bfloat16))


def _rate(size: int, dtype: torch.dtype, device: str) -> float:
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = 0.0
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(3):
            torch.mm(a, b)
        if device != "cpu":
            torch.cuda.synchronize()
        best = max(best, 3 * 2 * size**3 / (time.perf_counter() - start))
    return best


class Memory:
    """MiB above what was held when this was made: the process's own, or the device's."""

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cpu":
            Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the highest resident size so far
        else:
            torch.cuda.reset_peak_memory_stats()
        self.before = self._highest()

    def most(self) -> float:
        return self._highest() - self.before

    def _highest(self) -> float:
        if self.device != "cpu":
            return torch.cuda.max_memory_allocated() / 2**20
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
