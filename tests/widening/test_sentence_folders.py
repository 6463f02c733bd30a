"""Widened folders of sentence-transformers: whole, and with the cosines they had, in that library and in ours."""

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
from rosphere.files import below
from rosphere.similarity import edits, encoding
from rosphere.similarity import folder as similarity
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.model import SimilarityModel
from rosphere.text.tokenizer import Tokenizer
from rosphere.widening.modules import spread
from tests import tiny

TEXTS = ["一丁丂七", "丄丅丆万丈三", "上", "下丌不与丏", "一丁丂七丄丅"]
SHAPE = tiny.config(55, model_type="bert", embedding_size=24, max_position_embeddings=40)


def theirs(place: Path, *, dense: int | None, pooling: Any, activation: str, layout: str = "") -> Path:
    """A folder as sentence-transformers saves it; ``layout``: where in it the encoder lies."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as parts

    tiny.of_characters(place / "plain", 40)
    tiny.theirs(SHAPE, "Model").save_pretrained(place / "plain")
    transformer = parts.Transformer(str(place / "plain"), max_seq_length=33)
    rows: list[Any] = [transformer, parts.Pooling(24, pooling_mode=pooling)]
    if dense:
        torch.manual_seed(1)
        width = rows[1].get_embedding_dimension()
        rows.append(parts.Dense(width, dense, activation_function=getattr(torch.nn, activation)()))
    rows.append(parts.Normalize())
    SentenceTransformer(modules=rows, prompts={"query": "一"}).save(str(place / "st"))
    if layout:
        source = place / "st"
        (source / layout).mkdir()
        for path in [each for each in source.iterdir() if each.is_file() and each.name not in NOT_ENCODER]:
            path.rename(source / layout / path.name)
        listed = json.loads((source / "modules.json").read_text())
        listed[0]["path"] = layout
        (source / "modules.json").write_text(json.dumps(listed))
    return place / "st"


NOT_ENCODER = ("modules.json", "config_sentence_transformers.json", "README.md")


def cosines(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    found = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    return found @ found.T


@pytest.mark.parametrize(
    ("dense", "pooling", "activation", "layout"),
    [
        (None, "mean", "Identity", ""),
        (24, "mean", "Identity", ""),
        (10, "cls", "Tanh", ""),
        (24, "mean", "Tanh", "0_Transformer"),
        (10, ["cls", "mean"], "Identity", ""),
        (None, "max", "Identity", "0_Transformer"),
    ],
)
def test_the_same_cosines_in_sentence_transformers(
    tmp_path: Path, dense: int | None, pooling: Any, activation: str, layout: str
) -> None:
    small = theirs(tmp_path, dense=dense, pooling=pooling, activation=activation, layout=layout)
    wide = tmp_path / "wide"
    main(["widen", str(small), str(wide), "--width", "72", "--noise", "0.5"])
    np.testing.assert_allclose(cosines(wide), cosines(small), rtol=0, atol=1e-5)
    left = {str(path.relative_to(small)) for path in below(small)} - {
        str(path.relative_to(wide)) for path in below(wide)
    }
    assert json.loads((wide / "widening.json").read_text())["dropped"] == sorted(left) == []
    for name in ("config_sentence_transformers.json", f"{layout or '.'}/sentence_bert_config.json"):
        assert (wide / name).read_bytes() == (small / name).read_bytes()


@pytest.mark.parametrize(("width", "exact"), [(48, True), (60, False)])
@pytest.mark.parametrize("lexical", [False, True])
def test_our_own_sentence_encoder_stays_one(tmp_path: Path, width: int, exact: bool, lexical: bool) -> None:
    """With its lexical half, its edits and the pooler as it was trained."""
    small, wide = tmp_path / "small", tmp_path / "wide"
    pieces = tiny.of_characters(tmp_path / "pieces", 40)
    model = tiny.shaken(SimilarityModel(tiny.language(len(pieces), seed=0), "mean"))
    if lexical:
        generator = torch.Generator().manual_seed(2)
        table = torch.randn(len(pieces), 24, generator=generator)
        model.lexical = Lexical(table, torch.rand(len(pieces), generator=generator), 0.5)
    model.edits = edits.load(written_edits(tmp_path / "edits.json"))
    similarity.save(model, small, tokenizer=tmp_path / "pieces")
    similarity.save_pooler(model, small)
    main(["widen", str(small), str(wide), "--width", str(width), *([] if exact else ["--allow-inexact"])])
    before, after = (
        encoding.encode(similarity.load(folder), Tokenizer(folder), TEXTS).astype(np.float64)
        for folder in (small, wide)
    )
    if exact:
        np.testing.assert_allclose(after @ after.T, before @ before.T, rtol=0, atol=1e-5)
        np.testing.assert_allclose(cosines(wide), cosines(small), rtol=0, atol=1e-5)
    assert {path.name for path in wide.iterdir()} - {"widening.json"} == {path.name for path in small.iterdir()}
    assert (wide / "edits.json").read_bytes() == (small / "edits.json").read_bytes()
    similarity.load_as_trained(wide)


def written_edits(path: Path) -> Path:
    path.write_text('{"phrases": [], "frames": [], "known": [[], []], "stops": []}')
    return path


@pytest.mark.parametrize("width", [48, 72, 61])
def test_inner_products_stay_at_any_width(width: int) -> None:
    from rosphere.widening import maps

    vectors = torch.randn(5, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grown = maps.apply(spread(width, 24), vectors, 1)
    torch.testing.assert_close(grown @ grown.T, vectors @ vectors.T)


def test_what_cannot_be_carried_is_named(tmp_path: Path) -> None:
    small = theirs(tmp_path, dense=None, pooling="mean", activation="Identity")
    listed = json.loads((small / "modules.json").read_text())
    listed.append({"idx": 9, "name": "9", "path": "9_CNN", "type": "sentence_transformers.models.CNN"})
    (small / "modules.json").write_text(json.dumps(listed))
    (small / "onnx").mkdir()
    (small / "onnx" / "model.onnx").write_text("x")
    main(["widen", str(small), str(tmp_path / "wide"), "--width", "48"])
    proof = json.loads((tmp_path / "wide" / "widening.json").read_text())
    assert {"modules.json", "1_Pooling/config.json", "onnx/model.onnx"} <= set(proof["dropped"])
    assert not (tmp_path / "wide" / "1_Pooling").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": "", "type": "os.path.Thing"}, "none of sentence-transformers; its code is not run"),
        ({"path": "../..", "type": "sentence_transformers.models.Pooling"}, "leads out of the folder"),
        ({"path": 3}, "expected modules with 'path' and 'type'"),
        (7, "expected modules with 'path' and 'type'"),
    ],
)
def test_modules_of_others_are_refused(tmp_path: Path, row: Any, message: str) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([row]))
    with pytest.raises(InputError, match=message):
        modules.listed(tmp_path)
