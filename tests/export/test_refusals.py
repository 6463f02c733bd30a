"""What is not exported, and why, in one line; nothing is left behind."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from rosphere.cli import export
from rosphere.cli.app import main
from rosphere.encoder import folder as folders
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from tests import tiny

INSTALLED = all(find_spec(name) for name in export.NEEDED)
needs_the_extra = pytest.mark.skipif(not INSTALLED, reason="rosphere[onnx] is not installed")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    tokens = tiny.of_characters(tmp_path / "tokens", 30)
    similarity.save(
        SimilarityModel(tiny.language(len(tokens), **tiny.ONE_BLOCK)), tmp_path / "model", tokenizer=tokens.folder
    )
    return tmp_path / "model"


def refused(*words: str | Path) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["export", "onnx", *map(str, words)])
    line = str(ended.value.code)
    assert line.startswith("error: ") and "\n" not in line
    return line


def changed(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("missing", [("onnx",), ("onnxruntime", "onnxscript")])
def test_without_the_extra_the_command_says_what_to_install(
    missing: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None if name in missing else object())
    line = refused(tmp_path, tmp_path / "target")
    assert line == (
        f"error: export onnx: {' and '.join(missing)} not installed; `pip install 'rosphere[onnx]'` has what it needs"
    )


@needs_the_extra
def test_what_is_there_already_is_not_written_over(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine").write_text("kept")
    assert "exists already; choose another folder" in refused(model, target)
    assert "exists already" in refused(model, target / "mine")
    assert "exists already" in refused(model, model)
    assert [path.name for path in target.iterdir()] == ["mine"]


@needs_the_extra
def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert f"{tmp_path / 'none'}: no such folder" in refused(tmp_path / "none", tmp_path / "target")


@needs_the_extra
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda m: (m / "task.json").write_text("{}"), "got a model with a head (task.json)"),
        (lambda m: (m / "vae.json").write_text("{}"), "got a model with a head (vae.json)"),
        (lambda m: (m / "tokenizer.json").unlink(), "tokenizer.json is missing, by which servers cut texts"),
        (lambda m: (m / "config.json").unlink(), "not one of our sentence encoders"),
        (lambda m: (m / "2_Dense" / "model.safetensors").unlink(), "not one of our sentence encoders"),
        (lambda m: changed(m / "2_Dense" / "config.json", activation_function="Tanh"), "not one of our"),
        (lambda m: changed(m / "1_Pooling" / "config.json", pooling_mode_max_tokens=True), "not one of our"),
        (lambda m: _without_last_module(m), "modules.json has Transformer, Pooling, Dense; sentence-transformers"),
    ],
)
def test_models_of_other_kinds(model: Path, tmp_path: Path, damage, why: str) -> None:  # type: ignore[no-untyped-def]
    damage(model)
    line = refused(model, tmp_path / "target")
    assert why in line and str(model) in line
    assert not list(tmp_path.glob("target*"))


def _without_last_module(model: Path) -> None:
    """Vectors that are not of length 1, which ours are."""
    rows = json.loads((model / "modules.json").read_text())
    (model / "modules.json").write_text(json.dumps(rows[:-1]))


@needs_the_extra
def test_an_encoder_with_fewer_token_vectors_than_tokens(tmp_path: Path) -> None:
    tokens = tiny.of_characters(tmp_path / "tokens", 30)
    folders.save(tiny.language(len(tokens) - 1, **tiny.ONE_BLOCK), tmp_path / "model", tokenizer=tokens.folder)
    assert f"{len(tokens) - 1} token vectors" in refused(tmp_path / "model", tmp_path / "target")


@needs_the_extra
def test_weights_that_one_file_cannot_hold(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rosphere.export import graph

    monkeypatch.setattr(graph, "MOST_BYTES", 1000)
    assert "one file of ONNX holds 2 GB" in refused(model, tmp_path / "target")
    assert not list(tmp_path.glob("target*"))


@needs_the_extra
def test_int8_needs_texts(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "target"
    assert "expected --texts FILE to measure its loss on" in refused(model, target, "--int8")
    assert "none.txt: no such file" in refused(model, target, "--int8", "--texts", "none.txt")
    Path("empty.txt").write_text("\n\n")
    assert "empty.txt: expected a text a line, got none" in refused(model, target, "--texts", "empty.txt")
    Path("empty.jsonl").write_text("\n")
    assert "empty.jsonl: expected rows with a text, got none" in refused(model, target, "--texts", "empty.jsonl")
    Path("odd.jsonl").write_text('{"text": "一", "synonyms": "二"}\n', encoding="utf-8")
    assert "odd.jsonl:1: expected a list of texts under 'synonyms'" in refused(model, target, "--texts", "odd.jsonl")


def test_held_out_pairs_are_the_texts_where_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    export.HELD_OUT.parent.mkdir(parents=True)
    export.HELD_OUT.write_text('{"text": "一", "synonyms": ["二", "三"]}\n{"text": "四"}\n', encoding="utf-8")
    assert export._texts(None, needed=True) == ["一", "二", "三", "四"]
