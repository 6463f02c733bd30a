"""What a stage costs the machine while it runs: CPU, memory and GPU, under the names of MLflow's System metrics tab.

Sampled by the uploader, a process of its own, and never by MLflow's monitor: its thread can deadlock with imports.
"""

import csv
import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

QUERY = ("index", "utilization.gpu", "memory.used", "memory.total", "power.draw")
MEBI = 2**20 / 1e6  # MLflow's megabytes in one of nvidia-smi's
SMI_SECONDS = 5.0


class Machine:
    """This machine as the stage process `trainer` on the GPUs `devices` uses it; the first CPU figures come second."""

    def __init__(self, trainer: int, devices: Sequence[str]) -> None:
        import psutil

        self._psutil = psutil
        self._trainer, self._devices = trainer, devices
        self._known: dict[int, Any] = {}  # CPU shares are counted since the last question to the same object
        self._first = True

    def sample(self) -> dict[str, float]:
        """`system/...` now: of the machine under MLflow's names, of the trainer and its children as `process_...`."""
        first, self._first = self._first, False
        memory, cpu, tree = self._psutil.virtual_memory(), self._psutil.cpu_percent(), self._tree()
        found = {
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": memory.percent,
            "process_memory_usage_megabytes": sum(resident for _, resident in tree) / 1e6,
        }
        if not first:
            found["cpu_utilization_percentage"] = cpu
            found["process_cpu_utilization_percentage"] = sum(share for share, _ in tree)  # 100 a core
        found |= gpus(_smi(f"--query-gpu={','.join(QUERY)}", self._devices)) if self._devices else {}
        return {f"system/{name}": value for name, value in found.items()}

    def _tree(self) -> list[tuple[float, float]]:
        """(CPU percent, resident bytes) of the trainer and its descendants, this process apart."""
        found = []
        for process in self._processes():
            process = self._known.setdefault(process.pid, process)
            try:
                with process.oneshot():
                    found.append((process.cpu_percent(), float(process.memory_info().rss)))
            except self._psutil.Error:
                self._known.pop(process.pid, None)  # it has ended meanwhile
        return found

    def _processes(self) -> list[Any]:
        try:
            trainer = self._psutil.Process(self._trainer)
            return [each for each in (trainer, *trainer.children(recursive=True)) if each.pid != os.getpid()]
        except self._psutil.Error:
            return []


def watch(trainer: int, devices: Sequence[str]) -> Machine | None:
    """Who samples; nobody where psutil is not installed."""
    return Machine(trainer, devices) if find_spec("psutil") else None


def gpus(answer: str) -> dict[str, float]:
    """nvidia-smi's answer to QUERY, a line a device, under MLflow's names; what it does not know is left out."""
    found: dict[str, float] = {}
    for index, busy, used, total, power in csv.reader(answer.splitlines(), skipinitialspace=True):
        name = f"gpu_{index}"
        values = {
            "utilization_percentage": _number(busy),
            "memory_usage_megabytes": _number(used, MEBI),
            "power_usage_watts": _number(power),
        }
        if (have := _number(used)) is not None and (most := _number(total)):
            values["memory_usage_percentage"] = 100 * have / most
        found |= {f"{name}_{key}": value for key, value in values.items() if value is not None}
    return found


def _number(text: str, factor: float = 1.0) -> float | None:
    try:
        return float(text) * factor
    except ValueError:
        return None  # "[N/A]", as MIG devices answer


def _smi(query: str, devices: Sequence[str]) -> str:
    """What nvidia-smi says of these devices, nothing where there is none or it fails."""
    if shutil.which("nvidia-smi") is None:
        return ""
    command = ["nvidia-smi", "-i", ",".join(devices), query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SMI_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""
