"""What a model or a number cannot do is said in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.similarity import generation, losses
from rosphere.similarity.index import Index
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.sampling import sample
from tests import tiny


def writer(folder: Path, **changes: Any) -> tuple[SimilarityModel, Any]:
    pieces = tiny.of_characters(folder, 40)
    shape: EncoderConfig = tiny.config(len(pieces), model_type="bert", embedding_size=24, **changes)
    torch.manual_seed(0)
    return SimilarityModel(MaskedLanguageModel(shape)), pieces


@pytest.mark.parametrize(
    ("shape", "asked", "message"),
    [
        ({"type_vocab_size": 1}, {}, "type_vocab_size 1: to write, it must tell the text from its paraphrase"),
        (
            {"max_position_embeddings": 12},
            {},
            "max_length 10: text and paraphrase need 14 positions; this model has 12",
        ),
        ({}, {"keep": 0}, "keep: expected 1 or more, got 0"),
        ({}, {"max_length": 0}, "max_length: expected 1 token or more, got 0"),
    ],
)
def test_writing(tmp_path: Path, shape: dict[str, int], asked: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generation.paraphrases(*writer(tmp_path, **shape), "一丁丂", samples=2, **{"max_length": 10, **asked})


def test_an_embedding_larger_than_the_tokenizer_writes_known_tokens_alone(tmp_path: Path) -> None:
    pieces = tiny.of_characters(tmp_path, 40)
    model = SimilarityModel(tiny.language(len(pieces) + 30, seed=0))
    assert model.language.bias is not None
    model.language.bias.data[len(pieces) :] = 100.0  # what nothing has trained
    model.language.bias.data[pieces.sep] = 2.0  # it ends sometimes
    pieces.require(model.language.config.vocab_size, model=tmp_path)
    rows = sample(
        model.language, pieces, pieces.ids(["一丁丂七"]), count=8, max_length=60, top_p=1.0, seed=0, counts=None
    )
    written = [token for each in rows for row in each for token in row]
    assert written and max(written) < len(pieces)


def test_the_nearest_are_one_or_more() -> None:
    found = Index.__new__(Index)
    found.offsets, found.vectors = np.arange(3), np.eye(3, dtype=np.float32)
    with pytest.raises(InputError, match="count: expected 1 or more, got -1"):
        found.nearest(np.ones(3), -1)


def test_rows_of_a_contrastive_loss_come_in_pairs() -> None:
    with pytest.raises(ValueError, match=r"rows 2i and 2i \+ 1, got 3 rows"):
        losses.info_nce(torch.eye(3), temperature=0.1)
    with pytest.raises(ValueError, match="expected two vectors for each of 2 scores, got 3"):
        losses.cosent(torch.eye(3), torch.tensor([1.0, 0.0]), temperature=0.1)
