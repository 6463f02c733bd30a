"""Files of weights and settings that are damaged: one line with the file, what it seems to be and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rosphere import files
from rosphere.encoder import folder, tensors
from rosphere.encoder.config import from_json
from rosphere.errors import InputError
from tests import tiny

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda raw: b"", "it is empty; fetch the file again"),
    "cut": (lambda raw: raw[: len(raw) // 2], "fetch the file again"),
    "cut at the head": (lambda raw: raw[:20], "fetch the file again"),
    "pointer": (lambda raw: POINTER, "it is a pointer of Git LFS, not the file itself; `git lfs pull` fetches that"),
    "page": (lambda raw: b"<!DOCTYPE html><html></html>", "it seems to be a web page"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder.save(tiny.language(50, seed=0), tmp_path, tokenizer=tmp_path)
    return tmp_path


def as_torch(place: Path) -> Path:
    path = place / "pytorch_model.bin"
    torch.save(tensors.read(place / "model.safetensors"), path)
    (place / "model.safetensors").unlink()
    return path


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_damaged_weights_are_one_line(place: Path, kind: str, form: str) -> None:
    path = place / "model.safetensors" if form == "safetensors" else as_torch(place)
    damage, message = DAMAGES[kind]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        folder.load(place)
    assert str(caught.value).startswith(f"{path}: not a ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_torch_file_of_plain_tensors_is_read_under_the_names_of_data_parallel_too(place: Path) -> None:
    expected = folder.load(place).state_dict()
    path = as_torch(place)
    named = tensors.read(path)
    torch.save({f"module.{name}": tensor for name, tensor in named.items()}, path)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in folder.load(place).state_dict().items())
    torch.save({"model": named, "epoch": 3}, path)
    with pytest.raises(
        InputError, match="expected tensors by name, got dict under 'model': a checkpoint of a training"
    ):
        folder.load(place)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("{}", "expected 'weight_map'"),
        ('{"weight_map": {"a": 3}}', "expected 'weight_map'"),
        ('{"weight_map": {"a": "../model.safetensors"}}', "expected names of files beside it"),
        ('{"weight_map": {"a": "b.safetensors"}}', "b.safetensors: missing, though the list of shards names it"),
        ("", "model.safetensors.index.json: not JSON .* it is empty"),
    ],
)
def test_a_list_of_shards_is_checked(place: Path, listed: str, message: str) -> None:
    (place / "model.safetensors.index.json").write_text(listed)
    with pytest.raises(InputError, match=message):
        folder.load(place)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_attention_heads": 0}, "num_attention_heads: expected a whole number from 1 to"),
        ({"pad_token_id": 50}, "pad_token_id 50: there are only 50 tokens"),
        ({"pad_token_id": -1}, "pad_token_id: expected a whole number from 0"),
        ({"hidden_size": "24"}, "hidden_size: expected a whole number from 1 to .*, got '24'"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": 24.0}, "hidden_size: expected a whole number"),
        ({"num_hidden_layers": True}, "num_hidden_layers: expected a whole number"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: expected a whole number from 1 to 1024"),
        ({"num_hidden_layers": 5}, r"tensor bert.encoder.layer.2.attention.self.query.weight is missing"),
        ({"vocab_size": 10**7}, r"has shape \(50,\), expected \(10000000,\)"),
        ({"layer_norm_eps": "x"}, "layer_norm_eps: expected a number from 0 on"),
        ({"hidden_dropout_prob": 2}, "hidden_dropout_prob: expected a share from 0 to 1"),
        ({"hidden_act": 3}, "hidden_act: expected a name, got 3"),
        ({"model_type": ["bert"]}, "expected model_type 'roformer' or 'roformer_v2' or 'bert'"),
    ],
)
def test_settings_of_other_types_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    tiny.theirs(tiny.config(50, model_type="bert", embedding_size=24)).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message) as caught:
        folder.load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize("text", ["[]", "{", "", "null", "[" * 50_000, "\ufffe"])
def test_a_config_that_is_no_object_is_one_line(place: Path, text: str) -> None:
    (place / "config.json").write_text(text, encoding="utf-16-le")
    with pytest.raises(InputError, match="config.json: "):
        folder.load(place)
    (place / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="config.json: "):
        folder.load(place)


def test_a_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "any"
    for raw, said in ((b"", "empty"), (POINTER, "pointer"), (b" <html>", "web page"), (b"PK\x03\x04", "torch file")):
        path.write_bytes(raw)
        assert said in files.seems(path)


def test_a_folder_is_read_without_drawing_anything_more(place: Path) -> None:
    """Shapes are compared on a model without storage: a seed gives the numbers it gave."""
    torch.manual_seed(5)
    tiny.MaskedLanguageModel(from_json(files.json_object(place / "config.json"), origin=""))
    expected = torch.get_rng_state()
    torch.manual_seed(5)
    folder.load(place)
    assert torch.equal(torch.get_rng_state(), expected)
