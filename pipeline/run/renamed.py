"""Keys of params.yaml that were called otherwise once: an old file is refused with the new name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rosphere.errors import InputError

RENAMED = {
    "dimension.batch": "dimension.batch_size",
    "dimension.heads.rows": "dimension.heads.batch_size",
    "evaluate.max_length": "evaluate.tasks",
    "evaluate.means": "evaluate.pooling",
    "evaluate.rows": "evaluate.batch_size",
    "pretrain.rows": "pretrain.batch_size",
    "pretrain_wide.rows": "pretrain_wide.batch_size",
    "roformer_sim.even_out": "roformer_sim.partial_whitening",
    "roformer_sim.lexical_share": "roformer_sim.lexical.share",
    "roformer_sim.longest": "roformer_sim.max_length",
    "roformer_sim.measured": "evaluate_similarity.measured",
    "roformer_sim.pairs": "roformer_sim.batch_size",
    "roformer_sim.samples": "evaluate_paraphrases.samples",
    "roformer_sim.scale": "roformer_sim.temperature",
    "roformer_sim.supervised.pairs": "roformer_sim.supervised.batch_size",
    "roformer_sim.whitening": "evaluate_similarity.whitening",
    "simbert.longest": "simbert.max_length",
    "simbert.measured": "evaluate_similarity.measured",
    "simbert.pairs": "simbert.batch_size",
    "simbert.scale": "simbert.temperature",
    "vmf_vae.crutches": "vmf_vae.regularizers",
    "vmf_vae.decoder_layers": "vmf_vae.fresh_decoder.layers",
    "vmf_vae.decoder_width": "vmf_vae.fresh_decoder.width",
    "vmf_vae.importance_samples": "evaluate_vae.importance_samples",
    "vmf_vae.importance_sentences": "evaluate_vae.importance_sentences",
    "vmf_vae.longest": "vmf_vae.max_length",
    "vmf_vae.rows": "vmf_vae.batch_size",
    "vmf_vae.twins": "vmf_vae.variants",
}

# What is not only another name.
OTHERWISE = {
    "evaluate.max_length": "{csl: {max_length: 320}} for {csl: 320}",
    "evaluate.means": "cls_and_means for true, cls for false",
    "roformer_sim.scale": "1 / scale",
    "simbert.scale": "1 / scale",
    "vmf_vae.decoder_layers": "used where vmf_vae.decoder is fresh, not pretrained",
    "vmf_vae.decoder_width": "used where vmf_vae.decoder is fresh, not pretrained",
    "vmf_vae.twins": "vmf among them",
}


def refuse(document: Mapping[str, Any]) -> None:
    """Raises InputError at the first old key of the sections in ``document``."""
    for key in RENAMED:
        if _holds(document, key):
            raise InputError(message(key))


def message(key: str) -> str:
    value = f" ({OTHERWISE[key]})" if key in OTHERWISE else ""
    return f"{key}: is called {RENAMED[key]} now{value}"


def _holds(document: Any, key: str) -> bool:
    for word in key.split("."):
        if not isinstance(document, Mapping) or word not in document:
            return False
        document = document[word]
    return True
