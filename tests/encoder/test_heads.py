"""Heads that are not ours, and none: nothing that was drawn is written as if it had been trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rosphere.cli.app import main
from rosphere.encoder import folder
from rosphere.errors import InputError
from tests import tiny

SHAPE = tiny.config(40, model_type="bert", embedding_size=24, max_position_embeddings=40)
OTHERS = ["Model", "ForNextSentencePrediction", "ForSequenceClassification", "ForTokenClassification",
          "ForQuestionAnswering", "ForMultipleChoice"]  # fmt: skip


def source(place: Path, head: str) -> Path:
    tiny.of_characters(place, 40 - tiny.FIRST)
    tiny.theirs(SHAPE, head).save_pretrained(place)
    return place


@pytest.mark.parametrize("head", OTHERS)
def test_a_folder_under_another_head_is_a_bare_encoder(tmp_path: Path, head: str) -> None:
    """Refused where a head is needed, named where it is not; widened it is bare, and the same every time."""
    from transformers import AutoModel

    small = source(tmp_path / "small", head)
    with pytest.raises(InputError, match="tensor cls.predictions"):
        folder.load(small)
    assert folder.load(small, fresh_head=True).bare
    for number in (1, 2):
        torch.manual_seed(number)
        main(["widen", str(small), str(tmp_path / str(number)), "--width", "48"])
    once, twice = (load_file(tmp_path / name / "model.safetensors") for name in "12")
    assert once.keys() == twice.keys() and all(torch.equal(once[name], twice[name]) for name in once)
    assert not [name for name in once if name.startswith("cls.")]
    ids = torch.randint(1, 40, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = (AutoModel.from_pretrained(tmp_path / name).eval()(ids) for name in ("small", "1"))
    torch.testing.assert_close(after.last_hidden_state, before.last_hidden_state.repeat(1, 1, 2), rtol=0, atol=1e-5)


def test_the_certificate_says_what_it_was_measured_through(tmp_path: Path, capsys: Any) -> None:
    import json

    main(
        ["widen", str(source(tmp_path / "small", "ForNextSentencePrediction")), str(tmp_path / "wide"), "--width", "48"]
    )
    proof = json.loads((tmp_path / "wide" / "widening.json").read_text())
    assert proof["dropped"] == ["cls.seq_relationship.bias", "cls.seq_relationship.weight"]
    assert "drawn by the seed" in proof["measured_through"] and proof["transformers"]["of"] == "hidden states"
    assert proof["exact"] and proof["transformers"]["max_gap"] < 1e-4


def test_a_decoder_of_its_own_is_refused(tmp_path: Path) -> None:
    """transformers 5 predicts by it: a head that is the embedding would give other logits."""
    small = source(tmp_path / "small", "ForMaskedLM")
    named = load_file(small / "model.safetensors")
    words = named["bert.embeddings.word_embeddings.weight"]
    save_file({**named, "cls.predictions.decoder.weight": words.clone()}, small / "model.safetensors")
    folder.load(small)
    save_file({**named, "cls.predictions.decoder.weight": words + 0.1}, small / "model.safetensors")
    for run in (lambda: folder.load(small), lambda: folder.load(small, fresh_head=True)):
        with pytest.raises(InputError, match="cls.predictions.decoder.weight is not the token embedding"):
            run()
    save_file({**named, "cls.predictions.decoder.bias": words[:, 0].clone()}, small / "model.safetensors")
    with pytest.raises(InputError, match="cls.predictions.bias is in it twice, with other numbers"):
        folder.load(small)


def test_a_logit_gap_by_transformers_stands_in_the_certificate(tmp_path: Path) -> None:
    import json

    main(["widen", str(source(tmp_path / "small", "ForMaskedLM")), str(tmp_path / "wide"), "--width", "48"])
    found = json.loads((tmp_path / "wide" / "widening.json").read_text())["transformers"]
    assert found["of"] == "logits" and 0 < found["max_gap"] < 1e-4
