"""Reading predictions off scores, against brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from rosphere.clue import predicting
from rosphere.clue.examples import collate, examples
from rosphere.clue.global_pointer import FAR
from rosphere.clue.kinds.choices import assigned
from rosphere.clue.model import TaskModel
from rosphere.clue.tasks import TASKS
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

CHID = TASKS["chid"]
ALPHABET = "甲乙丙丁戊，。abc"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), [ALPHABET, "hello"])


def model(name: str, pieces: Tokenizer, **changes: Any) -> TaskModel:
    encoder = tiny.encoder(len(pieces), seed=1, initializer_range=0.5)
    made = TaskModel(encoder, replace(TASKS[name], **changes), means=True)
    torch.nn.init.normal_(next(made.head.parameters()))  # scores far apart, so that every choice occurs
    return made.eval()


def blanks(count: int, choices: int, group: Any) -> list[dict[str, Any]]:
    candidates = [f"{number}" for number in range(choices)]
    return [{"content": "#idiom#", "candidates": candidates, "answer": 0, "group": group} for _ in range(count)]


@given(st.integers(1, 4), st.integers(2, 5), st.data())
def test_the_assignment_is_the_best_of_all(count: int, choices: int, data: st.DataObject) -> None:
    scores = data.draw(nps.arrays(np.float32, (count, choices), elements=st.floats(-5, 5, width=16)))
    found = assigned(CHID, blanks(count, choices, 1), list(scores), assign=True)
    if count <= choices:
        best = max(
            sum(float(row[choice]) for row, choice in zip(scores, chosen, strict=True))
            for chosen in itertools.permutations(range(choices), count)
        )
        assert len(set(found)) == count, "no choice twice"
        assert sum(float(row[int(str(choice))]) for row, choice in zip(scores, found, strict=True)) == pytest.approx(
            best
        )
    else:
        assert len(found) == count and len(set(found)) == choices, "more blanks than choices: all are used"
    alone = assigned(CHID, blanks(count, choices, 1), list(scores), assign=False)
    assert alone == [int(row.argmax()) for row in scores]


def test_only_rows_that_share_group_and_choices_are_assigned() -> None:
    scores = [np.array([2.0, 1.0], np.float32)] * 2
    one, other = blanks(1, 2, 1), blanks(1, 2, 2)
    assert assigned(CHID, [*one, *other], scores, assign=True) == [0, 0], "two groups"
    assert set(assigned(CHID, [*one, *one], scores, assign=True)) == {0, 1}
    mixed = [*one, {**one[0], "candidates": ["0", "x"]}]
    assert assigned(CHID, mixed, scores, assign=True) == [0, 0], "one group, two lists of choices"
    few = [{key: value for key, value in row.items() if key != "group"} for row in [*one, *one]]
    assert assigned(CHID, few, scores, assign=True) == [0, 0], "FewCLUE's rows stand alone"


def test_rows_with_fewer_choices_are_scored_over_those_they_have(pieces: Tokenizer) -> None:
    made = model("c3", pieces)
    rows = [
        {"context": ["甲乙"], "question": "丙", "choice": list("丁戊乙丙")[:count], "answer": "丁"}
        for count in (2, 4, 3)
    ]
    with torch.no_grad():
        scores = made(collate(examples(made.task, rows, pieces), made.task, pieces.pad))
        apart = [made(collate(examples(made.task, [row], pieces), made.task, pieces.pad))[0] for row in rows]
    assert scores.shape == (3, 4)
    assert [(row == FAR).sum().item() for row in scores] == [2, 0, 1]
    for row, alone in zip(scores, apart, strict=True):
        torch.testing.assert_close(row[: len(alone)], alone, atol=1e-4, rtol=1e-4)
    expected = [int(alone.argmax()) for alone in apart]
    assert predicting.predict(made, rows, pieces, size=2) == expected


def test_the_answer_is_the_best_span_of_all_windows(pieces: Tokenizer) -> None:
    made = model("cmrc2018", pieces, max_length=14, stride=4)
    texts = ["甲乙丙丁hello戊，甲乙丙丁。乙甲丁abc戊戊甲", "丙", "hello甲 乙"]
    rows = [{"question": "甲乙", "context": text} for text in texts]
    found = predicting.predict(made, rows, pieces, size=3)
    for row, guess in zip(rows, found, strict=True):
        candidates: dict[str, float] = {}
        for example in examples(made.task, [row], pieces):
            with torch.no_grad():
                scores = made(collate([example], made.task, pieces.pad))[0]
            offsets = example.sequences[0].offsets
            for first, last in itertools.combinations_with_replacement(range(len(offsets)), 2):
                answer = row["context"][offsets[first][0] : offsets[last][1]]
                score = scores[first + 4, last + 4].item()  # [CLS] 甲 乙 [SEP]
                candidates[answer] = max(score, candidates.get(answer, -1e9))
        best = max(candidates.values())
        assert candidates[str(guess)] == pytest.approx(best, abs=1e-4)
    assert len(examples(made.task, [rows[0]], pieces)) > 2, "the first text has several windows"


def test_only_the_window_and_cls_can_be_an_answer(pieces: Tokenizer) -> None:
    made = model("cmrc2018", pieces)
    batch = collate(examples(made.task, [{"question": "甲乙", "context": "丙丁"}], pieces), made.task, pieces.pad)
    with torch.no_grad():
        possible = (made(batch)[0] > FAR / 2).nonzero().tolist()
    places = [0, 4, 5]  # [CLS] 甲 乙 [SEP] 丙 丁 [SEP]
    assert possible == [[a, b] for a in places for b in places if a <= b]


def test_a_text_without_tokens_has_an_empty_answer(pieces: Tokenizer) -> None:
    made = model("cmrc2018", pieces)
    assert predicting.predict(made, [{"question": "甲", "context": " "}], pieces) == [""]


@given(st.lists(st.integers(1, 300), max_size=30), st.integers(1, 8))
def test_batches_hold_every_example_once_and_are_bounded(lengths: list[int], size: int) -> None:
    class Made:
        def __init__(self, length: int) -> None:
            self.length, self.sequences = length, range(1 + length % 4)

    made: Any = [Made(length) for length in lengths]
    batches = list(predicting._batches(made, size))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        tokens = sum(len(made[n].sequences) for n in batch) * max(lengths[n] for n in batch)
        assert len(batch) <= size and (tokens <= predicting.TOKENS or len(batch) == 1)


def test_predictions_come_in_the_rows_order(pieces: Tokenizer) -> None:
    made = model("tnews", pieces)
    rows = [{"sentence": text} for text in ("甲乙丙丁戊", "丁", "戊", "戊戊戊abc", "乙丙", "hello，甲丁")]
    alone = [predicting.predict(made, [row], pieces)[0] for row in rows]
    assert predicting.predict(made, rows, pieces, size=2) == alone
    assert len(set(alone)) > 1
