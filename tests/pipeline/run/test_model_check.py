"""Models of others that params.yaml names: read, and refused in words, before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.run import check
from rosphere.encoder import folder
from rosphere.errors import InputError
from tests import tiny

ROOT = Path(__file__).resolve().parents[3]
RECIPE = (  # docs/data.md: "To start from published weights"
    ("  init: null", "  init: {place}"),
    ("vocabulary: {{path: null", "vocabulary: {{path: {place}"),
    ("pretrain_longer:\n  enabled: true", "pretrain_longer:\n  enabled: false"),
    ("pretrain_scratch:\n  enabled: true", "pretrain_scratch:\n  enabled: false"),
    ("widen:\n  size: tiny-wide", "widen:\n  size: {size}"),
)


def bert(place: Path, *, padded: int = 0, **changes: Any) -> Path:
    """A published BERT with its tokenizer; ``padded``: rows of the embedding that no token has."""
    pieces = tiny.of_characters(place, 40)
    shape = {"hidden_size": 24, "embedding_size": 24, "max_position_embeddings": 128, **changes}
    config = tiny.config(len(pieces) + padded, model_type="bert", **shape)
    tiny.theirs(config, "ForPreTraining").save_pretrained(place)
    (place / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": false}')
    return place


def checked(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, *, size: str = "null") -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for old, new in RECIPE:
        old, new = (each.format(place=place, size=size) for each in (old, new))
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    check.check(path)


@pytest.mark.parametrize("padded", [0, 6])
def test_the_documented_recipe_passes_with_a_larger_embedding_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, padded: int
) -> None:
    documented = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    for setting in ("pretrain.init: some/model", "prepare.vocabulary.path: some/model", "widen.size: null",
                    "pretrain_longer.enabled: false", "pretrain_scratch.enabled: false"):  # fmt: skip
        assert f"`{setting}`" in documented
    checked(tmp_path, bert(tmp_path / "bert", padded=padded), monkeypatch)


def test_a_size_that_it_cannot_be_grown_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="widen.size: .*bert to tiny-wide: .*; widen.size: null keeps"):
        checked(tmp_path, bert(tmp_path / "bert"), monkeypatch, size="tiny-wide")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_position_embeddings": 64}, "positions for 64 tokens, pretrain.sequence is 128"),
        ({"type_vocab_size": 1}, "type_vocab_size 1; simbert and roformer_sim tell two segments apart"),
        ({"padded": -2}, "the model has 53 token vectors, the tokenizer in .* has 55 tokens"),
    ],
)
def test_a_model_that_later_stages_cannot_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        checked(tmp_path, bert(tmp_path / "bert", **changes), monkeypatch)


def test_a_file_that_cannot_be_read_is_said_by_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = bert(tmp_path / "bert")
    (place / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="model.safetensors: not a safetensors file .*git lfs pull"):
        checked(tmp_path, place, monkeypatch)


def test_another_tokenizer_of_the_same_words_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, other = bert(tmp_path / "bert"), bert(tmp_path / "other")
    (other / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    from pipeline.run import model_check, settings
    from rosphere.pretraining.recipe import Narrow

    monkeypatch.chdir(ROOT)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("  init: null", f"  init: {place}")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    narrow = settings.load(tmp_path / "params.yaml", "pretrain", Narrow)
    with pytest.raises(InputError, match="its tokenizer has lowercase false, that in .* has true"):
        model_check.require_initial(narrow, str(other), lowercase=True)
    assert model_check.require_initial(narrow, str(place), lowercase=True) == folder.load(place).config
