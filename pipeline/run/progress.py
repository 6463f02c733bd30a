"""How far a loop is: a bar for a person at a terminal, plain lines for everything else."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from pipeline.run.forecast import Forecast, spoken

LINE_SECONDS = 5.0


class Progress:
    """The display of one stage's loops, one after the other.

    At a terminal a tqdm bar on stderr; otherwise about every five seconds, at the first and at the
    last step one line on stdout, whose beginning `::progress NAME done/total` a scheduler can read:

        ::progress pretrain 120/400 loss=5.213 3.2 step/s eta 01:27 | run 5/24 12 %, 31 min left

    Of the whole run there is something to say, and a bar of its own, where it was begun with a forecast.
    """

    def __init__(self, name: str, run: Forecast | None = None) -> None:
        self._name = name
        self._run, self._ended = run, run.ended() if run else set()
        self._bar: Any = None
        self._run_bar: Any = None
        self._first: tuple[int, float] | None = None
        self._last_step = -1
        self._printed = 0.0

    def show(self, step: int, total: int, metrics: Mapping[str, float], *, unit: str = "step") -> None:
        """Display that `step` of `total` steps are done. A smaller step than before is a new loop."""
        now = time.monotonic()
        if self._first is None or step < self._last_step:
            self.close()
            self._first = (step, now)
        self._last_step = step
        if sys.stderr.isatty():
            self._draw(step, total, metrics, unit)
        elif step >= total or now - self._printed >= LINE_SECONDS:
            self._printed = now
            print(self._line(step, total, metrics, now, unit), flush=True)

    def aside(self, what: str, done: int, total: int) -> None:
        """Say how far something is that comes before the steps of the stage and is none of them: no share of the run.

        roformer_sim: the teacher's vectors, 16384 of 200000
        """
        now = time.monotonic()
        if done >= total or now - self._printed >= LINE_SECONDS:
            self._printed = now
            print(f"{self._name}: {what}, {done} of {total}", flush=True)

    def begin(self) -> None:
        """Say where in the run the stage begins."""
        if self._run:
            print(f"{self._name}: {self._whole(0.0)}", flush=True)

    def close(self) -> None:
        """Leave the terminal on a fresh line; the next step begins a new loop."""
        for bar in (self._bar, self._run_bar):
            if bar is not None:
                bar.close()
        self._bar, self._run_bar, self._first, self._printed = None, None, None, 0.0

    def _draw(self, step: int, total: int, metrics: Mapping[str, float], unit: str) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=total, initial=step, desc=self._name, unit=unit, file=sys.stderr)
            if self._run:
                form = "{desc} |{bar}|"
                self._run_bar = tqdm(total=1.0, bar_format=form, position=1, leave=False, file=sys.stderr)
        self._bar.set_postfix_str(_values(metrics), refresh=False)
        self._bar.update(step - self._bar.n)
        if self._run and self._run_bar is not None:
            self._run_bar.set_description_str(self._whole(step / max(1, total)), refresh=False)
            self._run_bar.n = self._run.share(self._name, step / max(1, total), self._ended)
            self._run_bar.refresh()
        if step >= total:
            self.close()

    def _line(self, step: int, total: int, metrics: Mapping[str, float], now: float, unit: str) -> str:
        parts = [f"::progress {self._name} {step}/{total}", _values(metrics)]
        first_step, start = self._first or (step, now)
        if step > first_step and now > start:  # a resumed loop's rate counts its own steps only
            rate = (step - first_step) / (now - start)
            parts.append(f"{rate:.3g} {unit}/s eta {_clock((total - step) / rate)}")
        if self._run:
            parts.append(f"| {self._whole(step / max(1, total))}")
        return " ".join(part for part in parts if part)

    def _whole(self, done: float) -> str:
        """How far the whole run is with ``done`` of this stage."""
        if not self._run:
            return ""
        share = self._run.share(self._name, done, self._ended)
        left = self._run.left(share, time.time())
        return f"run {self._run.place(self._name, self._ended)} {share:.0%}, {spoken(left)} left"


def _values(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{key}={value:.4g}" for key, value in metrics.items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
