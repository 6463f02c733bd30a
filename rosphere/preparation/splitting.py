"""Which documents, and which of the mined groups, are trained on and which are held out."""

from __future__ import annotations

from typing import Any

from rosphere.errors import InputError
from rosphere.preparation import filtering, sample, writing
from rosphere.preparation.pairing import Split
from rosphere.preparation.settings import Prepare
from rosphere.preparation.source import Group


def take(documents: list[str], characters: int | None) -> list[str]:
    """The first documents that together have at most so many characters."""
    if characters is None:
        return documents
    taken: list[str] = []
    for document in documents:
        characters -= len(document)
        if characters < 0:
            break
        taken.append(document)
    return taken


def split_documents(settings: Prepare, documents: list[str]) -> tuple[list[str], list[str]]:
    """Documents for training and for evaluation; each of the keys that can leave none is named."""
    taken = take(documents, settings.maximum_characters)
    if not taken:
        raise InputError(
            f"params.yaml: prepare.maximum_characters: expected as many as the first document has, {len(documents[0])},"
            f" got {settings.maximum_characters}"
        )
    train = [text for text in taken if not writing.is_dev(text, settings.dev_share)]
    dev = [text for text in taken if writing.is_dev(text, settings.dev_share)]
    if not dev:
        raise InputError(f"params.yaml: prepare.dev_share: {settings.dev_share} of {len(taken)} documents is none")
    if not train:
        raise InputError(
            f"params.yaml: prepare.dev_share: {settings.dev_share} of {len(taken)} documents leaves none to train on"
        )
    return train, dev


def hold_out_mined(
    settings: Prepare, mined: list[Group], documents: tuple[list[str], list[str]], seed: int
) -> tuple[Split, tuple[list[str], list[str]], dict[str, Any]]:
    """Where no groups are given: those held out are of the mined ones, and no document has a sentence of theirs; and
    how many had one."""
    train, dev = sample.split_families(mined, share=settings.held_out, seed=seed)
    if not train or len(dev) < 2:
        raise InputError(
            "params.yaml: prepare.mining: expected mined pairs to train on and two or more to hold out, got"
            f" {len(train)} and {len(dev)} (prepare.held_out: {settings.held_out}); or give prepare.local.pairs"
        )
    held = {"dev_groups": [text for group in dev for text in group.texts]}
    kept, _, found = zip(*(filtering.documents(texts, minimum=0, held_out=held) for texts in documents), strict=True)
    if not all(kept):
        raise InputError("params.yaml: prepare.held_out: the mined pairs held out leave no documents to train on")
    read, dropped = (sum(each[key] for each in found) for key in ("read", "dropped"))
    counts = {"read": read, "dropped": dropped, "found": {"dev_groups": {"exact": dropped}} if dropped else {}}
    return Split(train=train, dev=dev), (kept[0], kept[1]), counts
