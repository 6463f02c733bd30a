"""Weights averaged with those that training began with: WiSE-FT (Wortsman et al. 2021, arXiv 2109.01903).

w = (1 - alpha) start + alpha trained, every weight by itself. What a fine-tuned encoder has gained on its own pairs it
keeps for the most part, and gets back much of what it had forgotten of others; it costs no training.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from rosphere.encoder import folder as folders
from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel

FREE = ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range")  # in which models may differ


@dataclass(frozen=True, kw_only=True)
class WeightAveraging:
    start: str  # the folder of a sentence encoder or of a language model
    alpha: float  # 1: as trained, 0: as it was at the start

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InputError(f"weight_averaging.alpha: expected a share, 0 to 1, got {self.alpha}")


def load_start(start: Path, trained: SimilarityModel) -> SimilarityModel:
    """The encoder of a folder, to be averaged with ``trained``. A bare language model gets the pooler with which its
    training for similarity would begin, the identity.

    Raises:
        InputError: it has another shape, function or pooling, so that the weights of both do not belong together.
    """
    bare = not (start / similarity.DENSE).is_dir()
    model = SimilarityModel(folders.load(start, fresh_head=True), trained.pooling) if bare else similarity.load(start)
    _require_same(start, model.language.config, trained.language.config)
    if model.pooling != trained.pooling:
        raise InputError(f"{start}: its pooling is {model.pooling}, that of the trained encoder {trained.pooling}")
    return model


def _require_same(start: Path, config: EncoderConfig, trained: EncoderConfig) -> None:
    theirs, ours = asdict(config), asdict(trained)
    for name in theirs:
        if name not in FREE and theirs[name] != ours[name]:
            raise InputError(
                f"{start}: its weights cannot be averaged with the trained ones: {name} is {theirs[name]}, of the"
                f" trained encoder {ours[name]}; roformer_sim.weight_averaging.start must be of its shape"
            )


@torch.no_grad()
def average(model: SimilarityModel, start: SimilarityModel, alpha: float) -> None:
    """Changes the weights of ``model``, as trained, in place; at 1 and 0 they are those of one model to the byte.

    What ``start`` lacks, a vocabulary head that was drawn for it, stays as trained.
    """
    theirs = dict(start.named_parameters())
    fresh = {f"language.{name}" for name in (start.language.head if start.language.bare else ())}
    for name, weight in model.named_parameters():
        if alpha < 1 and name not in fresh and name in theirs:
            other = theirs[name].to(weight.device)
            weight.copy_(other if alpha == 0 else (1 - alpha) * other + alpha * weight)
