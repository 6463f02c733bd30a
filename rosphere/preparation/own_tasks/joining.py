"""A source together with the tasks of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from rosphere.clue.tasks import TASKS
from rosphere.preparation.own_tasks import declaration, loading
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.preparation.source import Source

CLUE = {name: task for name, task in TASKS.items() if task.clue}


def joined(source: Source, own: Mapping[str, OwnTask], *, seed: int) -> Source:
    """The source with the rows of these tasks, which come before any of its own that have their names."""
    declaration.check_names(own, CLUE)
    loaded = {name: loading.load(name, task, seed=seed) for name, task in own.items()}
    return dataclasses.replace(
        source,
        tasks={**source.tasks, **{name: each.splits for name, each in loaded.items()}},
        counts={**source.counts, **{name: each.counts for name, each in loaded.items()}},
        declared={name: each.declared for name, each in loaded.items()},
        known={name: each.task for name, each in loaded.items()},
        unread=[*source.unread, *(str(path) for each in loaded.values() for path in each.unread)],
    )
