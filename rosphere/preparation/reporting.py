"""What a person should know who has no reason to look into the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rosphere.preparation import labelled
from rosphere.preparation.records import SUFFIXES
from rosphere.preparation.settings import Prepare
from rosphere.preparation.source import Source

MUCH_UNKNOWN = 0.05  # a share of [UNK] above which one is warned


def warnings(report: Mapping[str, Any], settings: Prepare) -> list[str]:
    """What a person should know who has no reason to look into the report."""
    found = [
        f"data/corpus/{name}: {each['unknown_share']:.1%} of the tokens are [UNK]: params.yaml: prepare.vocabulary"
        for name, each in report["corpus"].items()
        if each["unknown_share"] > MUCH_UNKNOWN
    ]
    found += [
        f"data/corpus/{name}: no sentence has {settings.sentence_characters} characters: vmf_vae, static and the "
        "contrastive batches have none to learn from: params.yaml: prepare.sentence_characters"
        for name, each in report["corpus"].items()
        if not each["tokens"]
    ]
    return found


def messages(source: Source) -> list[str]:
    """What was found and is not read, and what was read and is not used."""
    found = [f"{path}: not read, it ends in none of {', '.join(SUFFIXES)}" for path in source.unread]
    for name, counts in source.rows.items():
        found += [f"{name}: {reason} of {counts['read']} rows" for reason in labelled.reasons(counts)]
    return found
