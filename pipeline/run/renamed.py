"""Keys of params.yaml that were called otherwise once: whoever comes with an old file is told the new name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rosphere.errors import InputError

RENAMED = {
    "roformer_sim.measured": "evaluate_similarity.measured",
    "roformer_sim.samples": "evaluate_paraphrases.samples",
    "roformer_sim.whitening": "evaluate_similarity.whitening",
    "simbert.measured": "evaluate_similarity.measured",
    "vmf_vae.crutches": "vmf_vae.regularizers",
    "vmf_vae.importance_samples": "evaluate_vae.importance_samples",
    "vmf_vae.importance_sentences": "evaluate_vae.importance_sentences",
    "vmf_vae.twins": "vmf_vae.variants",
}


def refuse(document: Mapping[str, Any]) -> None:
    """Raises InputError at the first old key of the sections in ``document``."""
    for key in RENAMED:
        if _holds(document, key):
            raise InputError(told(key))


def told(key: str) -> str:
    return f"{key}: is called {RENAMED[key]} now"


def _holds(document: Any, key: str) -> bool:
    for word in key.split("."):
        if not isinstance(document, Mapping) or word not in document:
            return False
        document = document[word]
    return True
