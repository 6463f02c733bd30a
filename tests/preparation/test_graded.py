"""Graded pairs from files as they are released, and complaints that name the row."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rosphere.errors import InputError
from rosphere.preparation import graded, local, naming
from rosphere.preparation.objects import objects
from rosphere.preparation.source import Graded

REAL = os.environ.get("ROSPHERE_DATA") or None
needs_data = pytest.mark.skipif(REAL is None, reason="ROSPHERE_DATA does not name a folder with clue/ and pairs/")


def write(path: Path, *lines: object, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text("".join(f"{text}{end}" for text in texts), encoding="utf-8")
    return path


def pair(one: str, other: str, score: float, split: str) -> Graded:
    return Graded(sentence1=one, sentence2=other, score=score, split=split)  # type: ignore[arg-type]


def test_tab_separated_and_json(tmp_path: Path) -> None:
    write(tmp_path / "set" / "a_train-1.txt", "甲\tＡ\t2.5")
    write(tmp_path / "set" / "valid.tsv", "丙\t丁\t0")
    write(tmp_path / "set" / "test.jsonl", {"sentence1": "戊", "sentence2": "己", "score": 1})
    write(tmp_path / "set" / "x-test-2.json", {"source": "庚", "target": "辛", "label": "0", "id": 7})
    write(tmp_path / "set" / "README.md", "不读")
    assert sorted(graded.read("set", tmp_path / "set"), key=lambda row: row.sentence1) == [
        pair("丙", "丁", 0.0, "dev"),
        pair("庚", "辛", 0.0, "test"),
        pair("戊", "己", 1.0, "test"),
        pair("甲", "A", 2.5, "train"),
    ]


@pytest.mark.parametrize(("name", "split"), [("a.txt", "test"), ("dev.txt", "dev"), ("a-train.txt", "train")])
def test_a_single_file_may_name_its_split(tmp_path: Path, name: str, split: str) -> None:
    assert graded.read("set", write(tmp_path / name, "甲\t乙\t1")) == [pair("甲", "乙", 1.0, split)]


def test_objects_one_behind_another(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {"n": 1}, {"n": 2}, ' {"n": 3}\n\n', {"n": 4}, end="")
    assert list(objects(path)) == [
        (f"{path}:1", {"n": 1}),
        (f"{path}:1, object 2", {"n": 2}),
        (f"{path}:1, object 3", {"n": 3}),
        (f"{path}:3", {"n": 4}),
    ]


def test_objects_over_several_lines(tmp_path: Path) -> None:
    rows = [{"a": "甲", "b": {"c": [1, 2]}}, {"a": "乙"}]
    path = write(tmp_path / "rows.json", *(json.dumps(row, ensure_ascii=False, indent=1) for row in rows), '{"a": 3}')
    assert list(objects(path)) == [(f"{path}:1", rows[0]), (f"{path}:10", rows[1]), (f"{path}:13", {"a": 3})]
    broken = write(tmp_path / "broken.json", '{"a": 1', '{"a": 2}')
    with pytest.raises(InputError, match=r"broken\.json:1: not JSON: Expecting ',' delimiter at column 8"):
        list(objects(broken))


@pytest.mark.parametrize(
    ("name", "lines", "complaint"),
    [
        ("test.txt", ["甲\t乙\t1", "甲\t乙"], r"test\.txt:2: expected 2 texts and a score, got 2 fields"),
        ("test.txt", ["甲\t乙\t好"], r"test\.txt:1: expected a number as score, got '好'"),
        ("test.txt", ["甲\t乙\tnan"], r"test\.txt:1: expected a number as score, got 'nan'"),
        ("test.json", [{"sentence1": "甲", "score": 1}], r"test\.json:1: expected text under 'sentence2', got nothing"),
        ("test.json", [{"source": "甲", "target": 3}], r"test\.json:1: expected text under 'target', got int"),
        (
            "test.json",
            [{"sentence1": "甲", "sentence2": "乙"}],
            r"test\.json:1: expected a number as score, got nothing",
        ),
        ("test.json", ['{"n": 1}{"n": '], r"test\.json:1: expected text under 'sentence1', got nothing"),
        (
            "test.json",
            ['{"sentence1": "甲", "sentence2": "乙", "score": 1}{'],
            r"test\.json:1, object 2: not JSON: .* col",
        ),
        ("test.json", ["[1]"], r"test\.json, item 1: expected a JSON object, got int"),
        ("notes.txt", ["甲\t乙\t1"], r"notes\.txt: expected a file name with one of the words train, dev, valid"),
    ],
)
def test_bad_rows_are_refused_with_file_and_row(tmp_path: Path, name: str, lines: list[object], complaint: str) -> None:
    write(tmp_path / "set" / name, *lines)
    with pytest.raises(InputError, match=complaint):
        graded.read("set", tmp_path / "set")


def test_missing_and_empty_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: no such file or folder \(graded set a\)"):
        graded.read("a", tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no graded pairs in it \(graded set a; looked for \*\.txt"):
        graded.read("a", tmp_path / "empty")
    with pytest.raises(InputError, match=r"graded: expected a name of ASCII letters, digits, _ and -, got '\.\./a'"):
        graded.read("../a", tmp_path)


def test_written_rows_are_counted_and_empty_ones_left_out(tmp_path: Path) -> None:
    rows = [pair("甲", "乙", 1.5, "dev"), pair("？", "乙", 0.0, "dev"), pair("丙", "丁", 0.0, "test")]
    counts = graded.write("set", rows, tmp_path)
    assert counts == {"graded_set_dev": 1, "graded_set_test": 1, "graded_set_dropped_empty": 1}
    lines = (tmp_path / "set.jsonl").read_text(encoding="utf-8").splitlines()
    assert list(map(json.loads, lines)) == [
        {"sentence1": "甲", "sentence2": "乙", "score": 1.5, "split": "dev"},
        {"sentence1": "丙", "sentence2": "丁", "score": 0.0, "split": "test"},
    ]


@needs_data
def test_real_sets() -> None:
    pairs = Path(str(REAL)) / "pairs"
    sizes = {
        name: Counter(row.split for row in graded.read(name, pairs / name)) for name in ("atec", "stsb", "sohu_sts")
    }
    assert sizes == {
        "atec": {"train": 43786, "dev": 20000, "test": 20000},
        "stsb": {"train": 5231, "dev": 1458, "test": 1361},
        "sohu_sts": {"train": 9867 + 9858, "dev": 1645 + 1643},
    }
    sohu = pairs / "sohu_sts" / "sohu-sts-A-ss_valid-r.json"
    positive = sum(row.score == 1 for row in graded.read_file(sohu, "dev"))
    assert len(list(local.read_groups(sohu))) == positive > 0


@pytest.mark.parametrize(
    ("name", "text", "given"),
    [
        ("a.csv", "q,reply,grade\n甲,乙,3\n", {"fields": {"sentence1": "q", "sentence2": "reply", "score": "grade"}}),
        ("a.tsv", "17\t甲\t乙\t3\n", {"columns": ["number", "sentence1", "sentence2", "score"]}),
        (
            "a.tsv",
            "甲\t3\t乙\n",
            {"columns": ["q", "s", "r"], "fields": {"sentence1": "q", "sentence2": "r", "score": "s"}},
        ),
        (
            "a.jsonl",
            '{"问": "甲", "答": "乙", "分": 3}',
            {"fields": {"sentence1": "问", "sentence2": "答", "score": "分"}},
        ),
    ],
)
def test_fields_of_other_names_are_given_ours(tmp_path: Path, name: str, text: str, given: dict[str, Any]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    files = graded.GradedFiles(files=str(tmp_path / name), **given)
    found = graded.read_set("ours", Path(naming.place_of(files)), naming.naming_of(files))
    assert found.rows == [Graded(sentence1="甲", sentence2="乙", score=3.0, split="test")]
    assert found.counts == {"read": 1, "kept": 1}


def test_a_name_that_does_not_stand_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,reply,grade\n甲,乙,3\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"q": "甲", "r": "乙"}', encoding="utf-8")
    fields = {"sentence1": "q", "sentence2": "r", "score": "grade"}
    named = naming.naming_of(graded.GradedFiles(files="", fields=fields))
    with pytest.raises(InputError, match=r"a\.csv:1: expected a header line with the column 'r', which fields names"):
        graded.read_set("ours", tmp_path / "a.csv", named)
    with pytest.raises(InputError, match=r"a\.jsonl:1: expected 'grade', which fields names, the row has q, r"):
        graded.read_set("ours", tmp_path / "a.jsonl", named)
    with pytest.raises(InputError, match=r"fields: expected some of sentence1, sentence2, score, got 'label'"):
        graded.GradedFiles(files="", fields={"label": "x"})
