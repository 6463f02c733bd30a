"""An encoder that does not write: rows without targets, a vocabulary head that stays behind, a folder without one."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rosphere.encoder import tensors
from rosphere.encoder.bare import is_bare
from rosphere.errors import InputError
from rosphere.pretraining.recipe import Narrow
from rosphere.similarity import encoding, generation, gradient_cache, losses, pairs, rewriting, teachers
from rosphere.similarity import folder as similarity
from rosphere.similarity.association import Table
from rosphere.similarity.edits import Edits
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Batch, Groups
from rosphere.similarity.training import dev_batch, dev_losses, encode, settle_head
from rosphere.text import ngrams
from rosphere.text.mixture import Mixture
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.schedule import Schedule
from tests import tiny

SENTENCES = [["怎么退货", "如何退货"], ["开发票", "怎么开发票"], ["北京大学", "北大"]]
CONTRAST = partial(losses.info_nce, temperature=0.05)
TEXTS = [text for group in SENTENCES for text in group]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS)


@pytest.fixture
def groups(tmp_path: Path, pieces: Tokenizer) -> Groups:
    rows = [{"text": one, "synonyms": [other]} for one, other in SENTENCES]
    path = tmp_path / "groups.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return Groups(path, pieces, max_length=32)


def model(pieces: Tokenizer) -> SimilarityModel:
    return SimilarityModel(tiny.language(len(pieces), **tiny.NO_DROPOUT), "mean")


def batch(groups: Groups, *, targets: bool) -> Batch:
    return pairs.training_batch(groups, 3, batch_size=3, noise=0.5, rate=0.5, seed=1, targets=targets)


def test_without_targets_the_same_sources_stand_alone(groups: Groups) -> None:
    whole, alone = batch(groups, targets=True), batch(groups, targets=False)
    assert alone.tokens == 0 and not alone.targets.any()
    assert torch.equal(alone.sentence_N, whole.sentence_N)
    for row in range(len(whole.ids_NL)):
        source = whole.ids_NL[row][(whole.keep_NL[row] == 1) & (whole.segments_NL[row] == 0)]
        assert torch.equal(alone.ids_NL[row][alone.keep_NL[row] == 1], source)


def test_vectors_are_the_same_with_and_without_targets(groups: Groups, pieces: Tokenizer) -> None:
    found = model(pieces).eval()
    with torch.no_grad():
        one, other = (found(batch(groups, targets=targets))[0] for targets in (True, False))
    assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_loss_of_writing_is_weighted(groups: Groups, pieces: Tokenizer, weight: float) -> None:
    found, whole = model(pieces).eval(), batch(groups, targets=True)
    vectors, own = encode(found, whole, generation=weight)
    assert torch.equal(vectors, found(whole)[0])
    expected = weight * found(whole)[1]()
    assert torch.equal(own() if callable(own) else own, expected)


def test_nothing_to_write_leaves_the_head_without_a_gradient(groups: Groups, pieces: Tokenizer) -> None:
    found = model(pieces).train()
    alone = batch(groups, targets=False)
    value, own = gradient_cache.accumulate(lambda chunk: encode(found, chunk, generation=0.0), alone.split(2), CONTRAST)
    assert own == 0 and value > 0
    heads = {f"language.{name}" for name in found.language.head}
    assert heads and {name for name, p in found.named_parameters() if p.grad is None} == heads


def test_dev_says_nothing_of_writing_where_nothing_is_written(groups: Groups, pieces: Tokenizer) -> None:
    found = model(pieces)
    both, alone = (
        dev_losses(found, dev_batch(groups, 1, targets=targets), chunk=2, contrast=CONTRAST)
        for targets in (True, False)
    )
    assert set(both) == {"dev_contrastive", "dev_lm"} and set(alone) == {"dev_contrastive"}
    assert alone["dev_contrastive"] == pytest.approx(both["dev_contrastive"], abs=1e-5)


@pytest.mark.parametrize(
    ("before", "weight", "steps", "writes"),
    [(True, 1.0, 3, True), (True, 0.0, 3, False), (True, 0.0, 0, True), (False, 1.0, 0, False), (False, 1.0, 3, True)],
)
def test_a_head_is_kept_that_was_trained_with_the_encoder(
    pieces: Tokenizer, before: bool, weight: float, steps: int, writes: bool
) -> None:
    found = model(pieces)
    found.language.bare = not before
    settle_head(found, generation=weight, steps=steps)
    assert found.writes is writes


@pytest.fixture
def bare(tmp_path: Path, pieces: Tokenizer) -> Path:
    found = model(pieces)
    found.language.bare = True
    similarity.save(found, tmp_path / "bare", tokenizer=pieces.folder)
    return tmp_path / "bare"


def test_a_folder_without_a_head_is_an_encoder_everywhere(bare: Path, pieces: Tokenizer) -> None:
    names = tensors.read(bare / "model.safetensors")
    assert not any("cls." in name for name in names) and is_bare(bare)
    assert teachers.like_ours(bare)
    found = similarity.load(bare)
    assert not found.writes
    vectors = encoding.encode(found, pieces, TEXTS)
    assert np.allclose(vectors, encoding.encode(model(pieces), pieces, TEXTS), atol=1e-6)
    theirs = pytest.importorskip("sentence_transformers").SentenceTransformer(str(bare), device="cpu").encode(TEXTS)
    assert np.allclose(theirs, vectors, atol=1e-5)


def test_a_head_that_is_the_token_embedding_alone_is_left_behind_too(tmp_path: Path, pieces: Tokenizer) -> None:
    shape: dict[str, Any] = {"model_type": "roformer_v2", "embedding_size": 24, "hidden_size": 24}
    found = SimilarityModel(tiny.language(len(pieces), **shape), "mean")
    assert found.language.head == ()
    for bare in (False, True):
        found.language.bare = bare
        similarity.save(found, tmp_path / str(bare), tokenizer=pieces.folder)
        assert similarity.load(tmp_path / str(bare)).writes is not bare


def test_a_folder_that_has_lost_its_head_is_refused(tmp_path: Path, pieces: Tokenizer) -> None:
    similarity.save(model(pieces), tmp_path / "whole", tokenizer=pieces.folder)
    weights = tmp_path / "whole" / "model.safetensors"
    tensors.save(weights, {name: each for name, each in tensors.read(weights).items() if not name.startswith("cls.")})
    with pytest.raises(InputError, match=r"tensor cls\.predictions\.\S+ is missing"):
        similarity.load(tmp_path / "whole")


@pytest.mark.parametrize(
    "said", [{"prompts": {"query": "查询："}}, {"prompts": {"query": "查询："}, "default_prompt_name": "query"}]
)
def test_an_encoder_of_others_that_gives_texts_a_prompt_is_read_by_their_library(
    bare: Path, said: dict[str, Any]
) -> None:
    (bare / "config_sentence_transformers.json").write_text(json.dumps(said), encoding="utf-8")
    assert not teachers.like_ours(bare)


def test_it_refuses_to_write_freely_and_edits_by_counts_alone(
    bare: Path, pieces: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = similarity.load(bare)
    with pytest.raises(InputError, match="no vocabulary head and cannot write freely"):
        generation.paraphrases(found, pieces, TEXTS[0])
    one, other = (tuple(pieces.ids([text])[0]) for text in ("怎么", "如何"))
    phrases = Table(alternatives={one: [(other, 9.0)]})
    found.edits = Edits(
        phrases=phrases, frames=Table(alternatives={}), known=(frozenset(), frozenset()), stops=frozenset()
    )
    text = [np.array(ids, np.int64) for ids in pieces.ids(TEXTS)]
    counts = ngrams.fit(text, order=2, vocabulary=len(pieces), begin=pieces.cls, end=pieces.sep)
    found.counts = Mixture(parts=[counts], shares=[1.0])
    monkeypatch.setattr(rewriting, "log_likelihoods", None)  # nobody asks a head that was never trained
    assert [text for text, _ in generation.paraphrases(found, pieces, "怎么退货")] == ["如何退货"]
    with pytest.raises(InputError, match="cannot write freely"):
        generation.paraphrases(found, pieces, "怎么退货", edits=False)


def test_no_steps_of_pretraining_need_something_to_begin_with() -> None:
    rest = {"sequence": 16, "batch_size": 1, "mask_rate": 0.3, "causal_share": 0.25, "causal_rate": 0.5, "dev_rows": 1}
    rest |= {"dropout": 0.0, "gradient_checkpointing": False, "compile": False, "size": "tiny"}
    schedule = Schedule(steps=0, learning_rate=1e-3)
    with pytest.raises(InputError, match=r"schedule.steps: 0 trains nothing: expected init to name a model"):
        Narrow(**rest, init=None, schedule=schedule)  # type: ignore[arg-type]  # a mixed dictionary
    assert Narrow(**rest, init="published", schedule=schedule).init == "published"  # type: ignore[arg-type]
