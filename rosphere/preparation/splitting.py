"""Which documents, and which of the mined groups, are trained on and which are held out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from rosphere.errors import InputError
from rosphere.preparation import sample
from rosphere.preparation.documents.parts import Documents
from rosphere.preparation.documents.screening import Screening, screened
from rosphere.preparation.documents.workers import Workers
from rosphere.preparation.pairing import Split
from rosphere.preparation.settings import Prepare
from rosphere.preparation.source import Group


def take(documents: Documents, characters: int | None) -> Documents:
    """The first documents that together have at most so many characters."""
    if characters is None:
        return documents
    wanted = np.zeros_like(documents.kept)
    left = characters
    for place, each in documents.column("characters"):
        lengths = np.where(documents.kept[place], each, 0).astype(np.int64)
        fits = np.cumsum(lengths) <= left
        wanted[place] = fits
        left -= int(lengths.sum())
        if not fits.all():
            break
    return documents.only(wanted)


def split_documents(settings: Prepare, documents: Documents) -> tuple[Documents, Documents]:
    """Documents for training and for evaluation, by their letters alone: independent of order, of other texts and of
    the seed. Each of the keys that can leave none is named."""
    taken = take(documents, settings.maximum_characters)
    if not len(taken):
        first = len(next(iter(documents)))
        raise InputError(
            f"params.yaml: prepare.maximum_characters: expected as many as the first document has, {first},"
            f" got {settings.maximum_characters}"
        )
    held = np.zeros_like(taken.kept)
    for place, lots in taken.column("lot"):
        held[place] = lots.astype(np.float64) < settings.dev_share * 2**32
    train, dev = taken.only(~held), taken.only(held)
    if not len(dev):
        raise InputError(f"params.yaml: prepare.dev_share: {settings.dev_share} of {len(taken)} documents is none")
    if not len(train):
        raise InputError(
            f"params.yaml: prepare.dev_share: {settings.dev_share} of {len(taken)} documents leaves none to train on"
        )
    return train, dev


def hold_out_mined(
    settings: Prepare,
    mined: list[Group],
    documents: tuple[Documents, Documents],
    seed: int,
    folder: Path,
    workers: Workers,
) -> tuple[Split, tuple[Documents, Documents], dict[str, Any]]:
    """Where no groups are given: those held out are of the mined ones, and no document has a sentence of theirs; and
    how many had one."""
    train, dev = sample.split_families(mined, share=settings.held_out, seed=seed)
    if not train or len(dev) < 2:
        raise InputError(
            "params.yaml: prepare.mining: expected mined pairs to train on and two or more to hold out, got"
            f" {len(train)} and {len(dev)} (prepare.held_out: {settings.held_out}); or give prepare.local.pairs"
        )
    asked = Screening(
        minimum=settings.minimum_characters,
        held_out={"dev_groups": [text for group in dev for text in group.texts]},
        least=settings.held_out_letters,
    )
    whole = Documents(parts=documents[0].parts, kept=documents[0].kept | documents[1].kept)
    found = screened(whole.by_text(), asked, folder, workers)
    if not len(found.documents):
        raise InputError("params.yaml: prepare.held_out: the mined pairs held out leave no documents to train on")
    # Once more: what is left of a document may have another lot, and be what is left of another one.
    taken = dataclasses.replace(settings, maximum_characters=None)
    counts = found.held_out | {"dropped": len(whole) - len(found.documents)}
    return Split(train=train, dev=dev), split_documents(taken, found.documents), counts
