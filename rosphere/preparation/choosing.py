"""The source that the settings name, read."""

from __future__ import annotations

from pathlib import Path

from rosphere.errors import InputError
from rosphere.preparation import hub, local, sample
from rosphere.preparation.own_tasks import joining
from rosphere.preparation.settings import Prepare, two
from rosphere.preparation.source import Source


def read_source(settings: Prepare, tasks: list[str], seed: int) -> Source:
    """What the source gives, with the tasks of one's own that are asked for."""
    own = settings.own(tasks)
    source = _of_source(settings, [name for name in tasks if name not in own], seed)
    return joining.joined(source, own, seed=seed)


def _of_source(settings: Prepare, tasks: list[str], seed: int) -> Source:
    if settings.source == "local":
        own = settings.local
        return local.load(
            own.text,
            own.pairs,
            own.tasks,
            tasks,
            general=own.general,
            answers=own.answers,
            graded=own.graded,
            positive_from=own.positive_from,
        )
    if settings.source == "hub":
        h = settings.hub
        if h.text is None:
            raise InputError("params.yaml: prepare.hub.text: expected the name of a dataset, got null")
        chosen = {name: dataset for name, dataset in h.tasks.items() if name in tasks}
        return hub.load(
            h.text, h.split, h.field, h.limit, h.pairs, chosen, graded=h.graded, positive_from=h.positive_from
        )
    s = settings.sample
    sizes = {"sentiment": two(s.sentiment, "sample.sentiment"), "entities": two(s.entities, "sample.entities")}
    return sample.load(Path(s.faq), seed=seed, held_out=settings.held_out, **sizes)
