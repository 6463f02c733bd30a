"""Weights averaged with those of the start: every number, both ends to the byte, and what does not belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rosphere.encoder import folder
from rosphere.errors import InputError
from rosphere.similarity import averaging
from rosphere.similarity import folder as similarity
from rosphere.similarity.averaging import WeightAveraging
from rosphere.similarity.model import SimilarityModel
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

TEXTS = ["怎么退货", "如何退货？", "今天天气不错"]


@pytest.fixture
def pieces(tmp_path: Path) -> Tokenizer:
    return tiny.tokenizer(tmp_path / "pieces", TEXTS)


def saved(place: Path, pieces: Tokenizer, seed: int, pooling: Any = "mean", **changes: Any) -> Path:
    language = tiny.language(len(pieces), seed=seed, **{**tiny.ONE_BLOCK, **changes})
    model = tiny.shaken(SimilarityModel(language, pooling))
    similarity.save(model, place, tokenizer=pieces.folder)
    return place


def weights(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*.safetensors"))}


def averaged(start: Path, trained: Path, alpha: float, target: Path, pieces: Tokenizer) -> Path:
    model = similarity.load(trained)
    averaging.average(model, averaging.load_start(start, model), alpha)
    similarity.save(model, target, tokenizer=pieces.folder)
    return target


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_every_number_of_every_file_is_the_mean(tmp_path: Path, pieces: Tokenizer, alpha: float) -> None:
    start, trained = saved(tmp_path / "start", pieces, 1), saved(tmp_path / "trained", pieces, 2)
    found = averaged(start, trained, alpha, tmp_path / "found", pieces)
    compared = 0
    for name in weights(found):
        one, two, mean = (load_file(place / name) for place in (start, trained, found))
        assert one.keys() == two.keys() == mean.keys()
        for tensor in mean:
            if tensor.endswith("embed_positions.weight"):  # transformers' table of sines
                continue
            for a, b, c in zip(
                one[tensor].flatten().tolist(),
                two[tensor].flatten().tolist(),
                mean[tensor].flatten().tolist(),
                strict=True,
            ):
                assert c == pytest.approx((1 - alpha) * a + alpha * b, abs=1e-6)
                compared += 1
    assert compared > 3000


@pytest.mark.parametrize(("alpha", "which"), [(1.0, "trained"), (0.0, "start")])
def test_at_both_ends_it_is_one_of_the_two_to_the_byte(
    tmp_path: Path, pieces: Tokenizer, alpha: float, which: str
) -> None:
    start, trained = saved(tmp_path / "start", pieces, 1), saved(tmp_path / "trained", pieces, 2)
    found = weights(averaged(start, trained, alpha, tmp_path / "found", pieces))
    assert found == weights(tmp_path / which)
    assert weights(start) != weights(trained)


def test_a_language_model_begins_with_the_identity_for_a_pooler(tmp_path: Path, pieces: Tokenizer) -> None:
    language = tiny.language(len(pieces), seed=3, **tiny.ONE_BLOCK)
    folder.save(language, tmp_path / "start", tokenizer=pieces.folder)
    trained = similarity.load(saved(tmp_path / "trained", pieces, 2))
    before = trained.pooler.weight.detach().clone()
    averaging.average(trained, averaging.load_start(tmp_path / "start", trained), 0.5)
    torch.testing.assert_close(trained.pooler.weight, (before + torch.eye(16)) / 2)


def test_a_head_that_the_start_has_not_stays_as_trained(tmp_path: Path, pieces: Tokenizer) -> None:
    """A published encoder without a vocabulary head: nothing drawn at random is mixed in."""
    language = tiny.language(len(pieces), seed=3, **tiny.ONE_BLOCK)
    language.bare = True
    folder.save(language, tmp_path / "start", tokenizer=pieces.folder)
    trained = similarity.load(saved(tmp_path / "trained", pieces, 2))
    before = {name: weight.detach().clone() for name, weight in trained.language.named_parameters()}
    start = averaging.load_start(tmp_path / "start", trained)
    assert start.language.bare and start.language.head
    averaging.average(trained, start, 0.5)
    kept = {name for name, weight in trained.language.named_parameters() if torch.equal(weight, before[name])}
    assert kept == set(language.head)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_size": 32}, "hidden_size is 32, of the trained encoder 16"),
        ({"num_attention_heads": 1}, "num_attention_heads is 1, of the trained encoder 2"),
        ({"pooling": "cls"}, "its pooling is cls, that of the trained encoder mean"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    tmp_path: Path, pieces: Tokenizer, changes: dict[str, Any], said: str
) -> None:
    start, trained = saved(tmp_path / "start", pieces, 1, **changes), saved(tmp_path / "trained", pieces, 2)
    with pytest.raises(InputError, match=said):
        averaging.load_start(start, similarity.load(trained))


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_alpha_is_a_share(alpha: float) -> None:
    with pytest.raises(InputError, match="weight_averaging.alpha: expected a share, 0 to 1"):
        WeightAveraging(start="models/simbert", alpha=alpha)


def test_dropout_is_no_shape(tmp_path: Path, pieces: Tokenizer) -> None:
    start, trained = saved(tmp_path / "start", pieces, 1), saved(tmp_path / "trained", pieces, 2)
    path = start / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hidden_dropout_prob": 0.3}))
    averaging.load_start(start, similarity.load(trained))
