"""Minimal pairs: both likelihoods against transformers, token by token; shares; the pairs that are shipped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from benchmarks.minimal_pairs import __main__ as benchmark
from benchmarks.minimal_pairs import scoring
from benchmarks.minimal_pairs.__main__ import Pair
from rosphere.encoder import folder
from rosphere.errors import InputError
from tests import tiny

TEXTS = ["春眠不觉晓", "处处闻啼鸟", "花"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("model")
    pieces = tiny.tokenizer(found / "pieces", [tiny.POEM])
    folder.save(tiny.shaken(tiny.language(len(pieces))), found / "model", tokenizer=pieces.folder)
    return found / "model"


@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_the_pseudo_log_likelihood_is_that_of_transformers_with_one_mask_after_the_other(place: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    theirs, pieces = AutoModelForMaskedLM.from_pretrained(place).eval(), AutoTokenizer.from_pretrained(place)
    ours, tokenizer = folder.load(place).eval(), benchmark.Tokenizer(place)
    for text in TEXTS:
        ids = pieces(text, return_tensors="pt")["input_ids"]
        expected = 0.0
        for at in range(1, ids.shape[1] - 1):
            masked = ids.clone()
            masked[0, at] = pieces.mask_token_id
            with torch.no_grad():
                expected += float(theirs(input_ids=masked).logits[0, at].log_softmax(-1)[ids[0, at]])
        found = scoring.pseudo_log_likelihood(ours, tokenizer, tokenizer.ids([text])[0])
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_the_likelihood_is_that_of_transformers_decoder(place: Path) -> None:
    from transformers import AutoTokenizer, RoFormerForCausalLM

    theirs = RoFormerForCausalLM.from_pretrained(place, is_decoder=True).eval()
    pieces = AutoTokenizer.from_pretrained(place)
    ours, tokenizer = folder.load(place).eval(), benchmark.Tokenizer(place)
    for text in TEXTS:
        ids = pieces(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = theirs(input_ids=ids).logits[0, :-1].log_softmax(-1)
        expected = float(logits.gather(1, ids[0, 1:, None]).sum())
        assert scoring.log_likelihood(ours, tokenizer, tokenizer.ids([text])[0]) == pytest.approx(expected, abs=1e-4)


def test_a_long_sentence_is_scored_in_parts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = folder.load(place).eval(), benchmark.Tokenizer(place)
    ids = tokenizer.ids([tiny.POEM])[0]
    whole = scoring.pseudo_log_likelihood(model, tokenizer, ids)
    monkeypatch.setattr(scoring, "ROWS", 7)
    assert scoring.pseudo_log_likelihood(model, tokenizer, ids) == pytest.approx(whole, abs=1e-4)


def test_shares_by_phenomenon() -> None:
    pairs = [Pair(good="好", bad="坏", phenomenon=name) for name in "aaaab"]
    found = benchmark.shares(pairs, [True, True, True, False, False])
    assert [(name, each.accuracy, each.pairs) for name, each in found.items()] == [
        ("a", 0.75, 4),
        ("b", 0.0, 1),
        ("all", 0.6, 5),
    ]
    assert found["a"].standard_error == pytest.approx((0.75 * 0.25 / 4) ** 0.5) and found["b"].standard_error == 0


def test_the_pairs_that_are_shipped(place: Path) -> None:
    pairs = benchmark.read(benchmark.OWN)
    assert set(Counter(pair.phenomenon for pair in pairs).values()) == {10} and len(pairs) == 60
    assert len({(pair.good, pair.bad) for pair in pairs}) == 60
    found = benchmark.measured(place, pairs[:12])
    assert list(found) == ["masked", "causal"] and found["masked"]["all"].pairs == 12
    assert benchmark.table(found).count("\n") == 4


def test_a_pair_of_one_sentence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"good": "好", "bad": "好", "phenomenon": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="pairs.jsonl:1: expected two different sentences"):
        benchmark.read(tmp_path / "pairs.jsonl")
