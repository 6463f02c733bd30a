"""How fast a stage is and how much memory it takes: what reports/speed/ holds, apart from results."""

import resource
import sys
import time


class Speed:
    """A stopwatch that starts when it is made."""

    def __init__(self) -> None:
        self._step = self._first = 0
        self._began = time.monotonic()
        self._first_at = self._step_at = self._began

    @property
    def step(self) -> int:
        """The last step that was reached."""
        return self._step

    def reached(self, step: int) -> None:
        self._step, self._step_at = step, time.monotonic()
        if not self._first:
            self._first, self._first_at = step, self._step_at

    def measured(self) -> dict[str, float]:
        """Of this process: wall seconds, memory, and steps per second after the first step that was reached."""
        found = {"seconds": time.monotonic() - self._began, **_memory()}
        if self._step > self._first:
            found["steps_per_second"] = (self._step - self._first) / (self._step_at - self._first_at)
        return found


def _memory() -> dict[str, float]:
    """MiB this process held at most, and MiB of its tensors on the GPU if it used one."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    found = {"peak_memory_mib": kilobytes / 1024}
    torch = sys.modules.get("torch")  # a stage that did not import it used no GPU
    if torch is not None and torch.cuda.is_initialized():
        found["peak_gpu_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return found
