"""Encoders that sentence-transformers reads: as teachers and for `rosphere similar`, whatever their folder's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rosphere.cli.app import main
from rosphere.encoder import modules
from rosphere.errors import InputError
from rosphere.similarity import foreign, teachers
from tests.widening.test_sentence_folders import TEXTS, theirs


def oracle(folder: Path, texts: list[str]) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)


def static(place: Path) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer as Backend

    from tests import tiny

    tiny.of_characters(place / "pieces", 40)
    torch.manual_seed(0)
    embedding = StaticEmbedding(Backend.from_file(str(place / "pieces" / "tokenizer.json")), embedding_dim=16)
    SentenceTransformer(modules=[embedding]).save(str(place / "st"))
    return place / "st"


def torch_alone(place: Path) -> Path:
    """As published before safetensors."""
    from safetensors.torch import load_file

    folder = theirs(place, dense=10, pooling="mean", activation="Tanh")
    for path in folder.rglob("model.safetensors"):
        torch.save(load_file(path), path.with_name("pytorch_model.bin"))
        path.unlink()
    return folder


KINDS = {
    "mean": lambda place: theirs(place, dense=None, pooling="mean", activation="Identity"),
    "old layout": lambda place: theirs(place, dense=24, pooling="cls", activation="Tanh", layout="0_Transformer"),
    "static": static,
    "torch files": torch_alone,
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_sentence_transformers_folder(tmp_path: Path, kind: str, capsys: Any) -> None:
    folder = KINDS[kind](tmp_path)
    expected = oracle(folder, TEXTS)
    np.testing.assert_allclose(teachers.vectors(folder, TEXTS, max_length=32), expected, rtol=0, atol=1e-5)
    capsys.readouterr()
    main(["similar", TEXTS[0], *TEXTS[1:], "--model", str(folder)])
    found = dict(line.split("\t")[::-1] for line in capsys.readouterr().out.splitlines())
    for text, vector in zip(TEXTS[1:], expected[1:], strict=True):
        assert float(found[text]) == pytest.approx(float(vector @ expected[0]), abs=1e-4)
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(TEXTS[1:]), encoding="utf-8")
    main(["similar", TEXTS[0], "--among", str(lines), "--model", str(folder)])
    assert dict(line.split("\t")[::-1] for line in capsys.readouterr().out.splitlines()) == found


def test_a_text_that_is_cut_is_said(tmp_path: Path, capsys: Any) -> None:
    folder = KINDS["mean"](tmp_path)
    main(["similar", "一", "丁" * 40, "丂", "--model", str(folder)])
    assert "note: of 1 of 3 texts the first 33 tokens are compared" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("num_hidden_layers", 10**12), ("vocab_size", 10**12)])
def test_a_size_that_takes_all_memory_is_refused(tmp_path: Path, name: str, value: int) -> None:
    folder = KINDS["mean"](tmp_path)
    path = modules.encoder(folder) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(InputError, match=f"config.json: {name}: expected at most [0-9]+, got {value}"):
        foreign.load(folder)


def test_code_in_a_folder_is_not_run(tmp_path: Path) -> None:
    """sentence-transformers runs a module of the folder's own where the folder is local."""
    folder = KINDS["mean"](tmp_path)
    (folder / "mine.py").write_text("raise SystemExit('run')\n")
    listed = json.loads((folder / "modules.json").read_text())
    listed[-1]["type"] = "mine.Module"
    (folder / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match="its code is not run"):
        foreign.load(folder)
    with pytest.raises(InputError, match="its code is not run"):
        teachers.vectors(folder, TEXTS, max_length=32)


def test_a_plain_encoder_is_no_sentence_encoder_to_search_with(tmp_path: Path) -> None:
    KINDS["mean"](tmp_path)
    with pytest.raises(SystemExit, match="not a sentence encoder"):
        main(["similar", "一", "丁", "--model", str(tmp_path / "plain")])
