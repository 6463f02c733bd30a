"""What rows say of pairs: labels in every writing, grades, headers, ids; and that no row is lost without a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rosphere.errors import InputError
from rosphere.preparation import labelled
from rosphere.preparation.labelled import Labelled


def made(folder: Path, name: str, text: str, positive_from: float | None = None) -> Labelled:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return labelled.read(path, positive_from=positive_from)


def said(found: Labelled) -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    return [group.texts for group in found.groups], [(n.sentence1, n.sentence2) for n in found.negatives]


@pytest.mark.parametrize("label", ["1", "1.0", "true", '"1"', '"1 "', '"1.0"', '"true"', '"entailment"', "1e0"])
@pytest.mark.parametrize("key", ["label", "score", "Label", "gold_label"])
def test_one_in_every_writing_is_alike(tmp_path: Path, key: str, label: str) -> None:
    row = f'{{"sentence1": "甲", "sentence2": "乙", "{key}": {label}}}'
    assert said(made(tmp_path, "a.jsonl", row)) == ([("甲", "乙")], [])


@pytest.mark.parametrize("label", ["0", "0.0", "false", '"0 "', '"contradiction"'])
def test_zero_in_every_writing_is_not_alike(tmp_path: Path, label: str) -> None:
    row = f'{{"query": "甲", "title": "乙", "label": {label}}}'
    assert said(made(tmp_path, "a.jsonl", row)) == ([], [("甲", "乙")])


@pytest.mark.parametrize(("label", "reason"), [('"neutral"', "neutral"), ('"-"', "unlabelled"), ("null", "unlabelled")])
def test_what_is_neither_is_counted(tmp_path: Path, label: str, reason: str) -> None:
    found = made(tmp_path, "a.jsonl", f'{{"premise": "甲", "hypothesis": "乙", "label": {label}}}')
    assert said(found) == ([], []) and found.counts == {"read": 1, f"dropped_{reason}": 1}


def test_grades_need_a_threshold(tmp_path: Path) -> None:
    text = "甲\t乙\t5\n丙\t丁\t1\n戊\t己\t0\n"
    with pytest.raises(InputError, match=r"a\.txt:1: expected a label 0 or 1, got the grade 5; .*positive_from"):
        made(tmp_path, "a.txt", text)
    found = made(tmp_path, "a.txt", text, positive_from=4)
    assert said(found) == ([("甲", "乙")], [])
    assert found.counts == {"read": 3, "kept": 1, "positives": 1, "dropped_below_positive_from": 2}
    found = made(tmp_path, "a.txt", "甲\t乙\t1\n丙\t丁\t0\n", positive_from=4)
    assert said(found) == ([("甲", "乙")], [("丙", "丁")]), "labels are no grades"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.TSV", "\ufeffsentence1\tsentence2\n甲\t乙\n"),
        ("a.txt", "Query\tTitle\tLabel\n甲\t乙\t1\n\n"),
        ("a.csv", '\ufefflabel,text_a,text_b\r\n1,甲,"乙"\r\n'),
        ("a.csv", "甲,乙,1\n"),
        ("a.tsv", "17\t甲\t乙\t1\n"),
        ("STS.train.data", "train-0001||甲||乙||1\n"),
        ("a.json", '[{"text1": "甲", "text2": "乙", "label": 1}]'),
        ("a.JSON", '\n [\n["甲", "乙", 1]\n]\n'.replace('["甲", "乙", 1]', '{"source": "甲", "target": "乙"}')),
    ],
)
def test_formats_and_names_of_fields(tmp_path: Path, name: str, text: str) -> None:
    found = made(tmp_path, name, text)
    assert said(found) == ([("甲", "乙")], []) and found.counts["read"] == 1


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.tsv", "sentence1\tsentenceB\n甲\t乙\n", r"a\.tsv:1: the header .* names no two texts"),
        ("a.tsv", "sentence1\tsentence2\tlabel\n甲\t乙\n", r"a\.tsv:2: expected 3 fields as the header names, got 2"),
        ("a.tsv", "query\ttitle\tquery\n", r"a\.tsv:1: the header names 'query' more than once"),
        ("a.csv", '"甲,乙\n', r"a\.csv:1: not CSV"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl:1: expected JSON, got too many brackets"),
        ("a.jsonl", '{"sentence1": ' + "[" * 100_000, r"a\.jsonl:1: expected JSON, got too many brackets"),
        ("a.jsonl", f'{{"sentence1": "甲", "label": {"1" * 5000}}}', r"a\.jsonl:1: expected JSON, got a number of too"),
        ("a.jsonl", '{"sentence1": "甲", "sentence2": "乙", "label": NaN}', r"a\.jsonl:1: expected a number as score"),
        ("a.md", "甲\t乙", r"a\.md: expected a file that ends in \.txt"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        made(tmp_path, name, text)


def test_groups_and_pairs_in_one_file(tmp_path: Path) -> None:
    rows = [{"text": "甲", "synonyms": ["乙", "丙"]}, {"sentence1": "丁", "sentence2": "戊"}]
    found = made(tmp_path, "a.jsonl", "".join(json.dumps(row) for row in rows))
    assert said(found) == ([("甲", "乙", "丙"), ("丁", "戊")], [])
