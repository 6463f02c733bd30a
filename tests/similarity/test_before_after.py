"""A published encoder before and after: what is the user's own, what is general, and how the authors use it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rosphere.encoder import folder
from rosphere.similarity import before_after, encoding, retrieval
from rosphere.similarity.evaluators import Benchmark, Graded
from rosphere.similarity.vectors import Vectors, unit
from rosphere.text.tokenizer import Tokenizer
from tests import tiny
from tests.similarity.test_foreign import oracle
from tests.widening.test_sentence_folders import TEXTS, theirs

WORDS = [f"句{n}" for n in range(40)]


def drawn(seed: int) -> before_after.Encode:
    table = unit(np.random.default_rng(seed).standard_normal((len(WORDS), 6)))

    def encode(texts: Sequence[str]) -> Vectors:
        return table[[WORDS.index(text) for text in texts]]

    return encode


def graded(name: str, first: int, count: int) -> Graded:
    texts = WORDS[first : first + count]
    pairs = np.array([(n, (n + 1) % count) for n in range(count)])
    scores = [float(n % 3) for n in range(count)]
    return Graded(name=name, split="test", texts=texts, pairs_P2=pairs, scores=scores)


MEASURE = Benchmark(
    texts=WORDS[:12],
    group_of=np.repeat(np.arange(6), 2),
    queries=np.arange(8),
    pairs_P2=np.array([(0, 1), (0, 2)]),
    scores=[1.0, 0.0],
)
SETS = [graded("stsb", 8, 20), graded("labelled_pairs", 20, 16)]


def test_both_encoders_have_the_figures_that_they_have_alone() -> None:
    before, after = drawn(1), drawn(2)
    found = before_after.compared(MEASURE, SETS, before=before, after=after, most=100, seed=0)
    assert list(found["own"]) == ["recall_at_1", "recall_at_5", "recall_at_10", "mrr", "labelled_pairs test"]
    assert list(found["general"]) == ["stsb test"]
    one, two = MEASURE(before(MEASURE.texts)), MEASURE(after(MEASURE.texts))
    for key in ("recall_at_1", "recall_at_5", "recall_at_10", "mrr"):
        row = found["own"][key]
        assert (row["before"], row["after"], row["units"]) == (pytest.approx(one[key]), pytest.approx(two[key]), 8)
        assert row["difference"] == pytest.approx(two[key] - one[key])
    for each, row in ((SETS[0], found["general"]["stsb test"]), (SETS[1], found["own"]["labelled_pairs test"])):
        assert row["before"] == pytest.approx(each.spearman(before(each.texts)))
        assert row["after"] == pytest.approx(each.spearman(after(each.texts)))
        assert row["standard_error"] > 0 and row["units"] == len(each.scores)


def test_an_encoder_beside_itself_is_no_different() -> None:
    found = before_after.compared(MEASURE, SETS, before=drawn(1), after=drawn(1), most=100, seed=0)
    for row in (*found["own"].values(), *found["general"].values()):
        assert row["difference"] == row["standard_error"] == 0


def test_of_a_large_set_some_pairs_are_drawn_with_their_own_grades() -> None:
    whole = graded("stsb", 0, 30)
    part = before_after.sampled(whole, 9, seed=5)
    assert len(part.scores) == len(part.pairs_P2) == 9
    asked = {(whole.texts[a], whole.texts[b]): s for (a, b), s in zip(whole.pairs_P2, whole.scores, strict=True)}
    for (a, b), score in zip(part.pairs_P2, part.scores, strict=True):
        assert asked[part.texts[a], part.texts[b]] == score
    assert before_after.sampled(whole, 30, seed=5) is whole
    again = before_after.sampled(whole, 9, seed=5)
    assert again.texts == part.texts and again.scores == part.scores


def test_a_set_of_which_one_grade_would_be_drawn_is_taken_whole() -> None:
    assert before_after.sampled(SETS[0], 1, seed=0) is SETS[0]


@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_a_published_encoder_is_asked_with_its_own_prompt_pooling_and_length(tmp_path: Path) -> None:
    place = theirs(tmp_path, dense=24, pooling="cls", activation="Tanh")
    plain = before_after.as_published(place, TEXTS)
    path = place / "config_sentence_transformers.json"
    prompted = {"prompts": {"query": "一丁丂"}, "default_prompt_name": "query"}
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **prompted}), encoding="utf-8")
    found = before_after.as_published(place, TEXTS)
    np.testing.assert_allclose(found, oracle(place, TEXTS), rtol=0, atol=1e-5)
    assert np.abs(found - plain).max() > 0.01


def test_a_bare_language_model_gives_means_of_its_last_states(tmp_path: Path) -> None:
    pieces = tiny.tokenizer(tmp_path / "pieces", TEXTS)
    model = tiny.language(len(pieces), **tiny.ONE_BLOCK)
    folder.save(model, tmp_path / "model", tokenizer=tmp_path / "pieces")
    found = before_after.of_language_model(tmp_path / "model", TEXTS, Tokenizer(tmp_path / "pieces"))
    expected = encoding.mean_pooled(model, pieces, TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert retrieval.cosines(found, found) == pytest.approx(np.ones(len(TEXTS)))
