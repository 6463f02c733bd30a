"""Results of parts that outlive a kill: what was finished is not done again.

A result is a small JSON file beside what the worker wrote, written last. It is taken for the same if its key is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rosphere import files
from rosphere.preparation.documents.workers import Workers

J = TypeVar("J")
Outcome = dict[str, Any]  # in JSON; "file" is what the worker wrote


@dataclass(frozen=True, kw_only=True)
class Job(Generic[J]):
    """``given`` says with ``key`` all that the result depends on; ``stem`` is where files of the result begin."""

    stem: Path
    key: str
    given: J


@dataclass(frozen=True, kw_only=True)
class Keeping(Generic[J]):
    """A function of (job's stem, what is given) that says what it found, once for every key."""

    function: Callable[[Path, J], Outcome]

    def __call__(self, job: Job[J]) -> Outcome:
        found = _there(job)
        if found is None:
            _path(job).unlink(missing_ok=True)  # it would be taken for that of what is now written beside it
            found = self.function(job.stem, job.given)
            files.write_json(_path(job), {"key": job.key, "found": found})
        return found


def results(function: Callable[[Path, J], Outcome], jobs: Iterable[Job[J]], workers: Workers) -> Iterator[Outcome]:
    """Of every job in order, its result."""
    return workers.map(Keeping(function=function), jobs)


def _path(job: Job[Any]) -> Path:
    return job.stem.with_name(f"{job.stem.name}.json")


def _there(job: Job[Any]) -> Outcome | None:
    try:
        found = json.loads(_path(job).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or a half of one
        return None
    if not isinstance(found, dict) or found.get("key") != job.key or not Path(found["found"]["file"]).is_file():
        return None
    outcome: Outcome = found["found"]
    return outcome
