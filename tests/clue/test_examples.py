"""Rows as tokens: nothing is lost that fits, and spans come back where they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosphere.clue.examples import Example, collate, examples, gold_spans
from rosphere.clue.tasks import TASKS
from rosphere.text import tokenizer
from rosphere.text.tokenizer import Tokenizer

ALPHABET = "甲乙丙丁戊，。"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(tokenizer.train([ALPHABET, "abc 123 hello"], size=500, minimum=1), folder)
    return Tokenizer(folder)


def pair(one: str, other: str, **more: Any) -> dict[str, Any]:
    return {"sentence1": one, "sentence2": other, **more}


def test_a_pair_as_one_sequence(pieces: Tokenizer) -> None:
    (example,) = examples(TASKS["afqmc"], [pair("甲乙", "Ｈello", label="1")], pieces)
    one, two, hello = (pieces.identity(token) for token in ("甲", "乙", "hello"))
    assert example == Example(
        ids=[pieces.cls, one, two, pieces.sep, hello, pieces.sep], target=1, offsets=[], parts=(2, 1)
    )


def test_a_test_row_has_no_label_and_class_zero(pieces: Tokenizer) -> None:
    assert examples(TASKS["afqmc"], [pair("甲", "乙")], pieces)[0].target == 0


@given(st.integers(0, 90), st.integers(0, 90))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_longer_part_gives_way(pieces: Tokenizer, one: int, other: int) -> None:
    task = TASKS["faq"]
    (example,) = examples(task, [pair("甲" * one, "乙" * other)], pieces)
    a, b = (example.ids.count(pieces.identity(token)) for token in "甲乙")
    room = task.max_length - 3
    assert len(example.ids) == min(one + other, room) + 3
    first, second = [pieces.identity("甲")] * a, [pieces.identity("乙")] * b
    assert example.ids == [pieces.cls, *first, pieces.sep, *second, pieces.sep]
    if one + other <= room:
        assert (a, b) == (one, other)
    elif min(one, other) <= room // 2:
        assert min(a, b) == min(one, other)
    else:
        assert abs(a - b) <= 1


@st.composite
def entity_rows(draw: st.DrawFn) -> dict[str, Any]:
    text = draw(st.text(ALPHABET, min_size=1, max_size=100))
    label: dict[str, dict[str, list[list[int]]]] = {}
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(begin, len(text) - 1))
        mentions = label.setdefault(draw(st.sampled_from(TASKS["entities"].labels)), {})
        places = mentions.setdefault(text[begin : end + 1], [])
        if [begin, end] not in places:
            places.append([begin, end])
    return {"text": text, "label": label}


@given(entity_rows())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spans_survive_tokenisation_unless_cut_off(pieces: Tokenizer, row: dict[str, Any]) -> None:
    task = TASKS["entities"]
    (example,) = examples(task, [row], pieces)
    assert isinstance(example.target, list)
    back = {
        (task.labels[label], example.offsets[first - 1][0], example.offsets[last - 1][1] - 1)
        for first, last, label in example.target
    }
    assert back == {span for span in gold_spans(row) if span[2] < task.max_length - 2}
    assert len(example.ids) == min(len(row["text"]), task.max_length - 2) + 2


@pytest.mark.parametrize(
    ("text", "span", "expected"),
    [
        ("甲hello乙", (1, 5), [(2, 2, 0)]),
        ("甲 hello 乙", (2, 6), [(2, 2, 0)]),
        ("甲hello乙", (1, 3), []),  # ends inside a token
        ("甲hello乙", (0, 6), [(1, 3, 0)]),
        ("甲1a乙", (1, 1), [(2, 2, 0)]),  # 1 and ##a
    ],
)
def test_spans_on_token_boundaries_have_a_target(
    pieces: Tokenizer, text: str, span: tuple[int, int], expected: list[tuple[int, int, int]]
) -> None:
    begin, end = span
    row = {"text": text, "label": {"name": {text[begin : end + 1]: [[begin, end]]}}}
    assert examples(TASKS["entities"], [row], pieces)[0].target == expected


def test_gold_spans() -> None:
    row = {"text": "甲乙甲", "label": {"name": {"甲": [[0, 0], [2, 2]]}, "place": {"乙": [[1, 1]]}}}
    assert gold_spans(row) == [("name", 0, 0), ("name", 2, 2), ("place", 1, 1)]
    assert gold_spans({"text": "甲"}) == []


def test_a_batch_of_classes() -> None:
    chosen = [Example(ids=[5, 6, 7], target=1, offsets=[]), Example(ids=[8], target=0, offsets=[])]
    batch = collate(chosen, TASKS["afqmc"], pad=9)
    assert batch.ids_BL.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch.keep_BL.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.target.tolist() == [1, 0]


def test_a_batch_of_spans() -> None:
    chosen = [
        Example(ids=[1, 5, 6, 2], target=[(1, 2, 0), (2, 2, 2)], offsets=[(0, 1), (1, 2)]),
        Example(ids=[1, 5, 2], target=[], offsets=[(0, 1)]),
    ]
    target = collate(chosen, TASKS["entities"], pad=0).target
    assert target.shape == (2, 3, 4, 4)
    assert target.dtype == torch.bool
    assert target.nonzero().tolist() == [[0, 0, 1, 2], [0, 2, 2, 2]]


def test_a_batch_moves_whole(tmp_path: Path) -> None:
    batch = collate([Example(ids=[5], target=1, offsets=[])], TASKS["afqmc"], pad=0).to(torch.device("meta"))
    assert {batch.ids_BL.device.type, batch.keep_BL.device.type, batch.target.device.type} == {"meta"}
