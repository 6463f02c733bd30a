"""How far a loop is: a bar for a person at a terminal, plain lines for everything else."""

import sys
import time
from collections.abc import Mapping
from typing import Any

LINE_SECONDS = 5.0


class Progress:
    """The display of one stage's loops, one after the other.

    At a terminal a tqdm bar on stderr; otherwise about every five seconds, at the first and at the
    last step one line on stdout, whose beginning `::progress NAME done/total` a scheduler can read:

        ::progress pretrain 120/400 loss=5.213 3.2 step/s eta 01:27
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None
        self._first: tuple[int, float] | None = None
        self._last_step = -1
        self._printed = 0.0

    def show(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """Display that `step` of `total` steps are done. A smaller step than before is a new loop."""
        now = time.monotonic()
        if self._first is None or step < self._last_step:
            self.close()
            self._first = (step, now)
        self._last_step = step
        if sys.stderr.isatty():
            self._draw(step, total, metrics)
        elif step >= total or now - self._printed >= LINE_SECONDS:
            self._printed = now
            print(self._line(step, total, metrics, now), flush=True)

    def close(self) -> None:
        """Leave the terminal on a fresh line; the next step begins a new loop."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._first, self._printed = None, None, 0.0

    def _draw(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=total, initial=step, desc=self._name, unit="step", file=sys.stderr)
        self._bar.set_postfix_str(_values(metrics), refresh=False)
        self._bar.update(step - self._bar.n)
        if step >= total:
            self.close()

    def _line(self, step: int, total: int, metrics: Mapping[str, float], now: float) -> str:
        parts = [f"::progress {self._name} {step}/{total}", _values(metrics)]
        first_step, start = self._first or (step, now)
        if step > first_step and now > start:  # a resumed loop's rate counts its own steps only
            rate = (step - first_step) / (now - start)
            parts.append(f"{rate:.3g} step/s eta {_clock((total - step) / rate)}")
        return " ".join(part for part in parts if part)


def _values(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{key}={value:.4g}" for key, value in metrics.items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
