"""Entities, answers and labels in the forms that people have them in, and what is refused with file and row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.preparation.own_tasks import entities, loading, rows, tagged
from rosphere.preparation.own_tasks.declaration import OwnTask

ENTITIES = OwnTask(kind="entities", files="f")
CHOICES = OwnTask(kind="choices", files="f")


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-X I-X O B-Y", [("X", 0, 1), ("Y", 3, 3)]),
        ("B-X M-X E-X S-Y", [("X", 0, 2), ("Y", 3, 3)]),
        ("B-X B-X I-X O", [("X", 0, 0), ("X", 1, 2)]),
        ("I-X I-X I-Y O", [("X", 0, 1), ("Y", 2, 2)]),  # goes on with nothing: begins
        ("B-X E-X I-X O", [("X", 0, 1), ("X", 2, 2)]),  # nothing goes on behind an end
        ("S-X I-X O O", [("X", 0, 0), ("X", 1, 1)]),
        ("b-x i-x o o", [("x", 0, 1)]),
        ("O O O O", []),
    ],
)
def test_tags_as_conlleval_reads_them(tags: str, spans: list[tagged.Span]) -> None:
    assert tagged.spans(list("甲乙丙丁"), tags.split(), "f:1") == spans


PARTS = st.lists(st.tuples(st.sampled_from("XY"), st.integers(1, 4), st.integers(0, 3)), max_size=8)


@given(PARTS, st.sampled_from(["BIO", "BMES"]))
def test_tags_of_entities_give_the_entities_again(parts: list[tuple[str, int, int]], scheme: str) -> None:
    tags: list[str] = []
    wanted = []
    for label, size, gap in parts:
        wanted.append((label, len(tags), len(tags) + size - 1))
        if scheme == "BIO":
            tags += [f"B-{label}", *[f"I-{label}"] * (size - 1)]
        else:
            tags += [f"S-{label}"] if size == 1 else [f"B-{label}", *[f"M-{label}"] * (size - 2), f"E-{label}"]
        tags += ["O"] * gap
    assert tagged.spans(["字"] * len(tags), tags, "f:1") == wanted


def test_latin_words_are_not_joined_and_their_places_are_those_of_the_text() -> None:
    tokens, tags = ["买", "iPhone", "15", "a", "b"], ["O", "B-P", "I-P", "O", "O"]
    made = entities.row(ENTITIES, tokens, tags, "f:1")
    assert (
        made == {"text": "买iPhone 15 ab", "label": {"P": {"iPhone 15": [[1, 9]]}}} or made["text"] == "买iPhone 15 a b"
    )
    (span,) = tagged.spans(tokens, tags, "f:1")
    assert made["text"][span[1] : span[2] + 1] == "iPhone 15"


@pytest.mark.parametrize(
    ("label", "ends", "wanted"),
    [
        ([{"start": 2, "end": 4, "label": "P", "text": "上海"}], None, {"P": {"上海": [[2, 3]]}}),
        ([{"start": 2, "end": 3, "label": "P", "text": "上海"}], None, {"P": {"上海": [[2, 3]]}}),
        ([{"start_offset": 2, "end_offset": 4, "label": "P"}], "behind", {"P": {"上海": [[2, 3]]}}),
        ([{"start_idx": 2, "end_idx": 3, "type": "P"}], "last", {"P": {"上海": [[2, 3]]}}),
        ([[2, 4, "P"], [0, 4, "Q"]], "behind", {"P": {"上海": [[2, 3]]}, "Q": {"在去上海": [[0, 3]]}}),
        ({"P": {"上海": [[2, 3]]}}, None, {"P": {"上海": [[2, 3]]}}),
        ([], None, {}),
        (["O", "O", "B-P", "I-P"], None, {"P": {"上海": [[2, 3]]}}),
    ],
)
def test_entities_by_place(label: Any, ends: Any, wanted: dict[str, Any]) -> None:
    own = OwnTask(kind="entities", files="f", ends=ends)
    assert entities.row(own, "在去上海", label, "f:1") == {"text": "在去上海", "label": wanted}


@pytest.mark.parametrize(
    ("label", "ends", "complaint"),
    [
        ([{"start": 2, "end": 4, "label": "P"}], None, r"f:1: expected ends: last or ends: behind in the declaration"),
        (
            [{"start": 0, "end": 1, "label": "P", "text": "上海"}],
            None,
            r"f:1: '上海' does not stand at 0 to 1 of '在去",
        ),
        ([[2, 9, "P"]], "behind", r"f:1: a place does not stand at 2 to 9"),
        ([[2, 4]], "behind", r"f:1: expected an entity as start, end and label, got \[2, 4\]"),
        ([{"start": "2", "end": 4, "label": "P"}], "behind", r"f:1: expected an entity as start, end and label"),
        ("上海", None, r"f:1: expected a list of entities or of tags, got '上海'"),
        (["O"], None, r"f:1: expected a tag for each of 4 characters, got 1"),
        (["O", "O", "B-P", "Q"], None, r"f:1: expected O or a tag such as B-PER, .* got 'Q'"),
    ],
)
def test_entities_that_cannot_be_placed_are_refused(label: Any, ends: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        entities.row(OwnTask(kind="entities", files="f", ends=ends), "在去上海", label, "f:1")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1 ", "1"),
        (True, "true"),
        (" 好", "好"),
        (0.5, None),
        (None, None),
        ("", None),
        ("-", None),
    ],
)
def test_a_label_is_a_class(given: Any, wanted: str | None) -> None:
    if given == 0.5:
        with pytest.raises(InputError, match=r"f:1: expected one label, got 0\.5"):
            rows.label(given, "f:1")
    else:
        assert rows.label(given, "f:1") == wanted


@pytest.mark.parametrize(
    ("more", "record", "answer"),
    [
        ({}, {"A": "甲", "B": "乙", "answer": "B"}, 1),
        ({}, {"A": "甲", "B": "乙", "answer": "b"}, "B"),
        ({}, {"choice": ["甲", "乙"], "answer": "乙"}, "乙"),
        ({}, {"choice": ["甲", "乙"], "answer": "1"}, 1),
        ({"counted_from": 1}, {"choice": ["甲", "乙"], "answer": "1"}, 0),
        ({}, {"options": {"A": "甲", "B": "乙"}, "answer": "B"}, 1),
        ({"fields": {"choice": ["opt1", "opt2"]}}, {"opt1": "甲", "opt2": "乙", "label": "1"}, 1),
        ({}, {"choice": ["1", "0"], "answer": "1"}, "1"),  # in words, where a choice says so
    ],
)
def test_answers_by_number_letter_and_word(more: dict[str, Any], record: dict[str, Any], answer: Any) -> None:
    own = OwnTask(kind="choices", files="f", **more)
    made = rows.row(own, {"question": "哪个？", **record}, "f:1", pair=False, labelled=True)
    assert made["answer"] == answer and made["question"] == "哪个？" and made["context"] == []


def test_an_answer_beyond_the_choices_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"question": "哪个？", "choice": ["甲", "乙"], "answer": 2}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"train\.jsonl:1: answer 2 is none of the 2 choices"):
        loading.load("quiz", OwnTask(kind="choices", files=str(path), dev_share=0.5), seed=8)


def test_unlabelled_rows_are_dropped_and_counted_but_kept_in_test(tmp_path: Path) -> None:
    for split, told in (("train", "甲,1\n乙,\n丙,0\n"), ("dev", "丁,1\n"), ("test", "戊,\n己,\n")):
        (tmp_path / f"{split}.csv").write_text(f"text,label\n{told}", encoding="utf-8")
    (tmp_path / "notes.csv").write_text("text,label\n庚,1\n", encoding="utf-8")
    found = loading.load("own", OwnTask(kind="classification", files=str(tmp_path)), seed=8)
    assert {split: len(each) for split, each in found.splits.items()} == {"dev": 1, "test": 2, "train": 2}
    assert found.counts == {"train_dropped_unlabelled": 1}
    assert all("label" not in row for row in found.splits["test"])
    assert [path.name for path in found.unread] == ["notes.csv"]


def test_rows_of_a_group_stay_on_one_side(tmp_path: Path) -> None:
    told = [f"第{n}句,{n % 2},{n // 4}" for n in range(40)]
    (tmp_path / "all.csv").write_text("\n".join(["text,label,customer", *told]), encoding="utf-8")
    own = OwnTask(kind="classification", files=str(tmp_path / "all.csv"), dev_share=0.25, group="customer")
    found = loading.load("own", own, seed=8)
    sides = [{row["group"] for row in found.splits[split]} for split in ("train", "dev")]
    assert not sides[0] & sides[1] and len(found.splits["dev"]) == 12 and found.counts == {"dev_set_apart_of_train": 12}


@pytest.mark.parametrize(
    ("name", "text", "more", "complaint"),
    [
        (
            "a.tsv",
            "好\t1\n",
            {},
            r"a\.tsv:1: expected a header line that names the columns as is usual; of other .*columns: \[\.\.\.\]",
        ),
        (
            "a.tsv",
            "好\t1\t2\n",
            {"columns": ["sentence", "label"]},
            r"a\.tsv:1: expected 2 fields as columns names, got 3",
        ),
        ("a.csv", "text,label\n好,1,2\n", {}, r"a\.csv:2: expected 2 fields as the header names, got 3"),
        ("a.csv", "text,text,label\n", {}, r"a\.csv:1: the header names 'text' more than once"),
        ("a.jsonl", '{"words": "好", "label": 1}\n', {}, r"a\.jsonl:1: expected sentence under a name that is known"),
        ("a.jsonl", '{"text": "好", "label": [1, 2]}\n', {}, r"a\.jsonl:1: expected one label, got \[1, 2\]"),
        ("a.jsonl", '{"text": 5, "label": 1}\n', {}, r"a\.jsonl:1: expected a text as sentence, got 5"),
        ("a.xml", "<text/>", {}, r"a\.xml: expected a file that ends in \.txt, \.tsv"),
        ("a.csv", "text,label\n", {}, r"a\.csv: no rows in it \(task own\)"),
        ("a.csv", "text,label\n好,\n", {}, r"task own: labels: expected 2 or more for classification"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_and_row(
    tmp_path: Path, name: str, text: str, more: dict[str, Any], complaint: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    own = OwnTask(kind="classification", files=str(tmp_path / name), dev_share=0.5, **more)
    with pytest.raises(InputError, match=complaint):
        loading.load("own", own, seed=8)
