"""How far the preparation is, for whoever wants to know, and whether it is to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Following:
    """``progress`` is told what is done and of how much, in megabytes of the source, which are gone through twice:
    read, then tokenised."""

    progress: Callable[[int, int], None] = lambda done, total: None
    stopping: Callable[[], bool] = lambda: False

    def read(self, done: int, size: int) -> None:
        """So many bytes of so many are read; 0 of a source that does not know."""
        if size:
            whole = _megabytes(size)
            self.progress(min(whole, done // MEGABYTE), 2 * whole)

    def tokenised(self, done: int, total: int, size: int) -> None:
        """So many parts of so many are tokenised."""
        whole = _megabytes(size) if size else total
        self.progress(whole + whole * done // max(1, total), 2 * whole)


def _megabytes(size: int) -> int:
    return max(1, round(size / MEGABYTE))


SILENT = Following()
