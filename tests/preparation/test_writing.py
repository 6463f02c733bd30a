"""From a source to files: counts that add up, and dev that training never saw."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.preparation import writing
from rosphere.preparation.source import Group
from rosphere.text.cleaning import fingerprint


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def group(name: str, family: str, *texts: str) -> Group:
    return Group(name=name, family=family, texts=texts)


GROUPS = [
    group("a", "f", "甲一", "甲二", "甲三"),
    group("b", "f", "乙一", "乙二"),
    group("c", "g", "丙一", "丙二"),
    group("d", "h", "丁一", "丁二", "丁三"),
]


def test_held_out_sentences_are_removed_from_training_groups(tmp_path: Path) -> None:
    train = [group("a", "f", "甲一", "甲二", "乙一！"), group("c", "g", "丙一", "乙二")]
    dev = [group("b", "h", "乙一", "乙二")]
    counts = writing.write_groups(train, dev, tmp_path, seed=1)
    assert counts == {
        "train_groups": 1,
        "train_groups_group": 1,
        "train_groups_question": 0,
        "train_sentences": 2,
        "train_sentences_dropped_overlap": 3,  # 乙一！, 乙二, and 丙一, which is left alone
        "dev_groups": 1,
        "dev_sentences": 2,
        "gold_pairs": 1,
    }
    assert read(tmp_path / "train.jsonl") == [
        {"text": "甲一", "synonyms": ["甲二"], "family": "", "origin": "group", "question": False}
    ]
    assert read(tmp_path / "dev.jsonl") == [{"text": "乙一", "synonyms": ["乙二"], "family": "h"}]
    assert read(tmp_path / "gold.jsonl") == [{"sentence1": "乙一", "sentence2": "乙二", "score": 2}]


def test_training_groups_say_where_they_are_from_and_whether_they_ask(tmp_path: Path) -> None:
    mined = Group(name="near:0", family="", texts=("他来了", "他到了"), origin="near")
    counts = writing.write_groups([group("a", "f", "怎么退货", "退货流程"), mined], [], tmp_path, seed=1)
    written = [(row["text"], row["origin"], row["question"]) for row in read(tmp_path / "train.jsonl")]
    assert written == [("怎么退货", "group", True), ("他来了", "near", False)]
    names = ("train_groups", "train_groups_group", "train_groups_near", "train_groups_question")
    assert [counts[name] for name in names] == [2, 1, 1, 1]


def grade(groups: list[Group], one: str, other: str) -> int:
    (first,), (second,) = ([g for g in groups if text in g.texts] for text in (one, other))
    return 2 if first is second else int(first.family == second.family)


@given(
    st.lists(st.tuples(st.sampled_from("fghi"), st.integers(1, 4)), max_size=6),
    st.integers(0, 3),
)
def test_graded_pairs_are_right_distinct_and_as_many_of_each_grade(shape: list[tuple[str, int]], seed: int) -> None:
    groups = [group(str(n), f, *(f"{n}:{place}" for place in range(size))) for n, (f, size) in enumerate(shape)]
    texts = [text for g in groups for text in g.texts]
    possible: dict[int, int] = {2: 0, 1: 0, 0: 0}
    for one, other in itertools.combinations(texts, 2):
        possible[grade(groups, one, other)] += 1
    rows = writing.graded_pairs(groups, seed=seed)
    assert all(row["score"] == grade(groups, row["sentence1"], row["sentence2"]) for row in rows)
    pairs = {frozenset((row["sentence1"], row["sentence2"])) for row in rows}
    assert len(pairs) == len(rows)
    size = min((count for count in possible.values() if count), default=0) if possible[2] else 0
    counts = {score: sum(row["score"] == score for row in rows) for score in possible}
    assert counts == {score: size if count else 0 for score, count in possible.items()}


def test_graded_pairs_of_many_groups_are_drawn_and_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 groups of two have 8 * 10^8 unrelated pairs: a list of them would not fit into memory."""
    groups = [group(str(n), str(n), f"{n}a", f"{n}b") for n in range(20_000)]
    rows = writing.graded_pairs(groups, seed=1)
    assert len(rows) == 40_000
    assert writing.graded_pairs(groups[:50], seed=1) == writing.graded_pairs(groups[:50], seed=1)
    assert writing.graded_pairs(groups[:50], seed=1) != writing.graded_pairs(groups[:50], seed=2)


def rows(*sentences: str) -> list[dict[str, str]]:
    return [{"sentence": sentence, "label": "100"} for sentence in sentences]


def test_training_rows_that_stand_in_dev_are_dropped_and_counted(tmp_path: Path) -> None:
    test = [{"sentence": "丙", "id": 0}]
    splits = {"train": rows("甲，乙", "丙", "丁", "丁"), "dev": rows("甲乙！", "戊"), "test": test}
    counts = writing.write_task("tnews", splits, tmp_path)
    assert counts == {"train": 3, "dev": 2, "test": 1, "train_dropped_overlap": 1}
    assert read(tmp_path / "train.jsonl") == rows("丙", "丁", "丁")
    assert read(tmp_path / "dev.jsonl") == rows("甲乙！", "戊")
    assert read(tmp_path / "test.jsonl") == test


@pytest.mark.parametrize(
    ("splits", "complaint"),
    [
        (
            {"train": rows("甲"), "dev": rows("甲")},
            "task tnews: expected train rows that are not held out too, all 1 are",
        ),
        ({"train": rows("甲"), "dev": []}, "task tnews: expected train and dev rows, got 1 and 0"),
    ],
)
def test_a_task_with_nothing_to_train_or_measure_on_is_refused(
    tmp_path: Path, splits: dict[str, list[dict[str, str]]], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        writing.write_task("tnews", splits, tmp_path)


@given(st.lists(st.text("甲乙，", max_size=3)), st.lists(st.text("甲乙，", max_size=3), min_size=1))
def test_train_and_dev_of_a_task_are_disjoint(
    tmp_path_factory: pytest.TempPathFactory, train: list[str], dev: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("task")
    splits = {"train": rows(*train, "唯一"), "dev": rows(*dev)}
    counts = writing.write_task("tnews", splits, folder)
    ours, theirs = (
        {fingerprint(row["sentence"]) for row in read(folder / f"{split}.jsonl")} for split in ("train", "dev")
    )
    assert not ours & theirs
    assert counts["train"] + counts["train_dropped_overlap"] == len(train) + 1
