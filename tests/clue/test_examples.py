"""Rows as tokens: nothing is lost that fits, and spans come back where they were."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosphere.clue.examples import collate, examples
from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.sequences import Example, Tokens
from rosphere.clue.tasks import TASKS
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

ALPHABET = "甲乙丙丁戊，。"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), [ALPHABET, "abc 123 hello"])


def one(target: Any, ids: list[int]) -> Example:
    """An example of one sequence."""
    return Example(row=0, sequences=(Tokens(ids=ids),), target=target)


def pair(one: str, other: str, **more: Any) -> dict[str, Any]:
    return {"sentence1": one, "sentence2": other, **more}


def test_a_pair_as_one_sequence(pieces: Tokenizer) -> None:
    (example,) = examples(TASKS["afqmc"], [pair("甲乙", "Ｈello", label="1")], pieces)
    one, two, hello = (pieces.identity(token) for token in ("甲", "乙", "hello"))
    tokens = Tokens(ids=[pieces.cls, one, two, pieces.sep, hello, pieces.sep], parts=(2, 1))
    assert example == Example(row=0, sequences=(tokens,), target=1)


def test_a_test_row_has_no_label_and_class_zero(pieces: Tokenizer) -> None:
    assert examples(TASKS["afqmc"], [pair("甲", "乙")], pieces)[0].target == 0


@given(st.integers(0, 90), st.integers(0, 90))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_longer_part_gives_way(pieces: Tokenizer, one: int, other: int) -> None:
    task = TASKS["faq"]
    (example,) = examples(task, [pair("甲" * one, "乙" * other)], pieces)
    ids = example.sequences[0].ids
    a, b = (ids.count(pieces.identity(token)) for token in "甲乙")
    room = task.max_length - 3
    assert len(ids) == min(one + other, room) + 3
    first, second = [pieces.identity("甲")] * a, [pieces.identity("乙")] * b
    assert ids == [pieces.cls, *first, pieces.sep, *second, pieces.sep]
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
    (tokens,) = example.sequences
    back = {
        (task.labels[label], tokens.offsets[first - 1][0], tokens.offsets[last - 1][1] - 1)
        for first, last, label in example.target
    }
    assert back == {span for span in gold_spans(row) if span[2] < task.max_length - 2}
    assert len(tokens.ids) == min(len(row["text"]), task.max_length - 2) + 2


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
    chosen = [one(1, [5, 6, 7]), one(0, [8])]
    batch = collate(chosen, TASKS["afqmc"], pad=9)
    assert batch.ids_BL.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch.keep_BL.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.target.tolist() == [1, 0]


def test_a_batch_of_spans() -> None:
    chosen = [one([(1, 2, 0), (2, 2, 2)], [1, 5, 6, 2]), one([], [1, 5, 2])]
    target = collate(chosen, TASKS["entities"], pad=0).target
    assert target.shape == (2, 3, 4, 4)
    assert target.dtype == torch.bool
    assert target.nonzero().tolist() == [[0, 0, 1, 2], [0, 2, 2, 2]]


def test_a_batch_moves_whole(tmp_path: Path) -> None:
    batch = collate([one(1, [5])], TASKS["afqmc"], pad=0).to(torch.device("meta"))
    assert {getattr(batch, field.name).device.type for field in fields(batch)} == {"meta"}


def letters(pieces: Tokenizer, ids: list[int]) -> str:
    """Tokens in one letter each: special ones as C, S, M (mask) and _ (the blank)."""
    special = {pieces.cls: "C", pieces.sep: "S", pieces.mask: "M", pieces.identity("[unused1]"): "_"}
    return "".join(special.get(number) or str(pieces.backend.id_to_token(number)) for number in ids)


def test_choices_follow_the_texts_as_one_sequence_each(pieces: Tokenizer) -> None:
    row = {"context": ["甲", "乙"], "question": "丙", "choice": ["丁", "戊戊", "甲"], "answer": "戊戊"}
    (example,) = examples(TASKS["c3"], [row], pieces)
    # "||" is two signs of their own, which this vocabulary lacks
    made = [letters(pieces, tokens.ids).replace("[UNK]", "?") for tokens in example.sequences]
    assert made == ["C甲??乙S丙S丁S", "C甲??乙S丙S戊戊S", "C甲??乙S丙S甲S"]
    assert example.target == 1, "given in words, kept as a number"
    assert [tokens.parts for tokens in example.sequences] == [(6, 1), (6, 2), (6, 1)]
    assert examples(TASKS["c3"], [{**row, "answer": 2}], pieces)[0].target == 2


def test_of_a_passage_that_is_too_long_the_longest_part_gives_way(pieces: Tokenizer) -> None:
    task = replace(TASKS["c3"], max_length=12)
    row = {"context": ["甲" * 50], "question": "丙丙", "choice": ["丁", "戊戊"], "answer": "丁"}
    (example,) = examples(task, [row], pieces)
    made = [letters(pieces, tokens.ids) for tokens in example.sequences]
    assert made == ["C甲甲甲甲甲S丙丙S丁S", "C甲甲甲甲S丙丙S戊戊S"]


def test_a_blank_stands_between_the_texts_and_other_blanks_are_masked(pieces: Tokenizer) -> None:
    row = {"content": "甲#idiom000002#乙#idiom#丙", "candidates": ["丁丁", "戊戊"], "answer": 0}
    (example,) = examples(TASKS["chid"], [row], pieces)
    assert [letters(pieces, tokens.ids) for tokens in example.sequences] == ["C丁丁S甲MMMM乙_丙S", "C戊戊S甲MMMM乙_丙S"]
    assert example.sequences[0].parts == (2, 8)


@given(st.integers(0, 40), st.integers(0, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_text_is_cut_around_its_blank(pieces: Tokenizer, left: int, right: int) -> None:
    task = replace(TASKS["chid"], max_length=20)
    row = {"content": "乙" + "甲" * left + "#idiom#" + "丙" * right + "丁", "candidates": ["戊戊", "戊"], "answer": 0}
    (example,) = examples(task, [row], pieces)
    made = letters(pieces, example.sequences[0].ids)
    assert made.startswith("C戊戊S") and made.endswith("S") and len(made) <= 20
    before, after = made[4:-1].split("_")
    assert ("乙" + "甲" * left).endswith(before) and ("丙" * right + "丁").startswith(after)
    room = 20 - 4 - 2
    assert len(before) + len(after) == min(room, left + right + 2)
    if left + right + 2 > room:
        kept, shorter = min(len(before), len(after)), min(left, right) + 1
        assert kept == min(shorter, room // 2)


@pytest.mark.parametrize("length", [15, 16, 17, 40])
def test_a_choice_as_long_as_all_there_is_room_for_is_cut(pieces: Tokenizer, length: int) -> None:
    task = replace(TASKS["chid"], max_length=20)
    row = {"content": "甲#idiom#乙", "candidates": ["戊" * length, "戊"], "answer": 0}
    (example,) = examples(task, [row], pieces)
    expected = {15: "C" + "戊" * 15 + "S甲_S"}.get(length, "C" + "戊" * 16 + "S_S")
    assert letters(pieces, example.sequences[0].ids) == expected


def test_an_answer_is_a_target_in_every_window_that_has_it_whole(pieces: Tokenizer) -> None:
    task = replace(TASKS["cmrc2018"], max_length=12, stride=3)
    text = "甲甲甲甲乙丙甲甲甲甲甲甲"
    row = {"question": "丁戊", "context": text, "answers": {"text": ["乙丙"], "answer_start": [4]}}
    made = examples(task, [{**row, "context": "甲"}, row], pieces)
    assert [example.row for example in made] == [0, 1, 1, 1]
    windows = [letters(pieces, example.sequences[0].ids) for example in made[1:]]
    assert windows == ["C丁戊S甲甲甲甲乙丙甲S", "C丁戊S甲乙丙甲甲甲甲S", "C丁戊S甲甲甲甲甲甲S"]
    assert [example.target for example in made[1:]] == [[(8, 9, 0)], [(5, 6, 0)], [(0, 0, 0)]]
    for example, window in zip(made[1:3], windows, strict=False):
        assert isinstance(example.target, list)
        first, last, _ = example.target[0]
        assert window[first : last + 1] == "乙丙"


@pytest.mark.parametrize("answers", [{"text": ["乙"], "answer_start": [-1]}, None])
def test_an_answer_that_stands_nowhere_has_the_target_cls(pieces: Tokenizer, answers: Any) -> None:
    row = {"question": "丁", "context": "甲", **({"answers": answers} if answers else {})}
    (example,) = examples(TASKS["cmrc2018"], [row], pieces)
    assert example.target == [(0, 0, 0)]


def test_a_batch_of_choices_and_of_answers() -> None:
    two = Example(row=0, sequences=(Tokens(ids=[5, 6], parts=(1,)), Tokens(ids=[7])), target=1)
    batch = collate([two, one(0, [8, 8, 8])], TASKS["c3"], pad=0)
    assert batch.ids_BL.tolist() == [[5, 6, 0], [7, 0, 0], [8, 8, 8]]
    assert (batch.sequences.tolist(), batch.target.tolist()) == ([2, 1], [1, 0])
    assert collate(
        [one([(1, 2, 0)], [1, 2, 3, 4]), one([(0, 0, 0)], [1])], TASKS["cmrc2018"], pad=0
    ).target.tolist() == [
        1 * 4 + 2,
        0,
    ]
