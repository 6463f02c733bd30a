"""Folders with a pooler: it is kept, and nothing of ours looks at it; what is left behind is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rosphere.encoder import folder
from rosphere.encoder.model import MaskedLanguageModel
from tests import tiny


def theirs(head: str) -> torch.nn.Module:
    return tiny.theirs(tiny.config(60, model_type="bert", max_position_embeddings=32), head.removeprefix("Bert"))


def model(*, pooler: bool) -> MaskedLanguageModel:
    return MaskedLanguageModel(tiny.config(60), pooler=pooler).eval()


@pytest.mark.parametrize("head", ["BertModel", "BertForPreTraining"])
def test_their_pooler_survives_our_folder(tmp_path: Path, head: str) -> None:
    from transformers import AutoModel

    oracle = theirs(head)
    oracle.save_pretrained(tmp_path / "theirs")
    ours = folder.load(tmp_path / "theirs", fresh_head=True)
    assert ours.pooler is not None
    folder.save(ours, tmp_path / "ours", tokenizer=tmp_path)
    again, info = AutoModel.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"]
    ids = torch.randint(1, 60, (3, 9))
    with torch.no_grad():
        expected = getattr(oracle, "bert", oracle)(ids).pooler_output
        found = again.eval()(ids).pooler_output
    assert expected.std() > 0.1
    assert torch.equal(found, expected)


def test_no_pooler_is_made_up(tmp_path: Path) -> None:
    theirs("BertForMaskedLM").save_pretrained(tmp_path / "theirs")
    ours = folder.load(tmp_path / "theirs")
    assert ours.pooler is None
    folder.save(ours, tmp_path / "ours", tokenizer=tmp_path)
    assert not [name for name in load_file(tmp_path / "ours" / "model.safetensors") if "pooler" in name]


def test_a_roformer_keeps_one_that_transformers_does_not_know(tmp_path: Path) -> None:
    """Sentence models of the package that first had RoFormer in PyTorch have one."""
    folder.save(model(pooler=True), tmp_path, tokenizer=tmp_path)
    weight = load_file(tmp_path / "model.safetensors")["roformer.pooler.dense.weight"]
    again = folder.load(tmp_path)
    assert again.pooler is not None
    assert torch.equal(again.pooler.weight, weight)


def test_our_forward_does_not_look_at_it() -> None:
    made = model(pooler=True)
    assert made.pooler is not None
    ids = torch.randint(1, 60, (2, 5))
    before = made(ids)
    made.pooler.weight.data.fill_(torch.nan)
    assert torch.equal(made(ids), before)
    made(ids).sum().backward()
    assert made.pooler.weight.grad is None


def test_what_is_not_taken_is_named(tmp_path: Path) -> None:
    theirs("BertForPreTraining").save_pretrained(tmp_path)
    relation = ["cls.seq_relationship.bias", "cls.seq_relationship.weight"]
    assert folder.not_taken(tmp_path) == relation
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    words = weights["bert.embeddings.word_embeddings.weight"]
    alike = {
        "bert.embeddings.position_ids": torch.arange(32)[None],
        "cls.predictions.decoder.weight": words.clone(),
        "cls.predictions.decoder.bias": weights["cls.predictions.bias"].clone(),
    }
    save_file({**weights, **alike}, file)
    assert folder.not_taken(tmp_path) == relation
    save_file({**weights, "cls.predictions.decoder.weight": words + 1, "bert.encoder.layer.7.x": words + 2}, file)
    assert folder.not_taken(tmp_path) == ["bert.encoder.layer.7.x", "cls.predictions.decoder.weight", *relation]


def test_of_our_own_folder_everything_is_taken(tmp_path: Path) -> None:
    folder.save(model(pooler=False), tmp_path, tokenizer=tmp_path)
    assert folder.not_taken(tmp_path) == []
