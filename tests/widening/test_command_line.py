"""rosphere widen: on folders that transformers wrote, into folders that transformers reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rosphere.cli.app import main
from tests import tiny


def source(folder: Path, kind: Any) -> Path:
    pieces = tiny.of_characters(folder / kind, 40)
    config = tiny.config(len(pieces), model_type=kind, max_position_embeddings=40)
    tiny.theirs(config, "ForPreTraining" if kind == "bert" else "ForMaskedLM").save_pretrained(folder / kind)
    return folder / kind


@pytest.mark.parametrize("kind", ["roformer", "bert"])
def test_the_wider_model_in_transformers(tmp_path: Path, kind: str) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    small, target = source(tmp_path, kind), tmp_path / "wide"
    (tmp_path / "lines.txt").write_text("一丁丂七\n\n丄丅丆万丈\n", encoding="utf-8")
    main(["widen", str(small), str(target), "--width", "48", "--noise", "0.5", "--text", str(tmp_path / "lines.txt")])
    before, after = (AutoModelForMaskedLM.from_pretrained(folder).eval() for folder in (small, target))
    assert after.config.hidden_size == 48
    inputs = AutoTokenizer.from_pretrained(target)(["一丁丂七", "丄丅"], padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(after(**inputs).logits, before(**inputs).logits, rtol=0, atol=1e-5)
    proof = json.loads((target / "widening.json").read_text())
    assert proof["exact"] and proof["max_logit_gap"]["float64"] < 1e-10 and proof["tokens"] == 14
    dropped = ["cls.seq_relationship.bias", "cls.seq_relationship.weight"]
    assert proof["dropped"] == (dropped if kind == "bert" else [])


def test_what_is_not_exact_is_refused_or_measured(tmp_path: Path) -> None:
    small = source(tmp_path, "roformer")
    with pytest.raises(SystemExit, match="error: width 40: .*nearest exact widths: "):
        main(["widen", str(small), str(tmp_path / "wide"), "--width", "40"])
    assert not (tmp_path / "wide").exists()
    main(["widen", str(small), str(tmp_path / "wide"), "--width", "40", "--allow-inexact"])
    proof = json.loads((tmp_path / "wide" / "widening.json").read_text())
    assert not proof["exact"] and proof["reasons"] and proof["max_logit_gap"]["float64"] > 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--text", "empty.txt"], "expected lines of text, there are none"),
        (["--layers", "3"], "LayerNorm"),
    ],
)
def test_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        main(["widen", str(source(tmp_path, "roformer")), "wide", "--width", "48", *change])
    assert not Path("wide").exists()
