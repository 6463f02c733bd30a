"""Files in the formats of the releases, written here small, become rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rosphere.clue import layouts
from rosphere.errors import InputError

ROWS = [{"sentence": "甲", "label": "100"}, {"sentence": "乙", "label": "101"}]
PARAGRAPH = {
    "id": "DEV_0",
    "context": "甲乙丙。",
    "qas": [
        {
            "id": "DEV_0_QUERY_0",
            "question": "哪个？",
            "answers": [{"text": "乙", "answer_start": 1}, {"text": "乙丙", "answer_start": 1}],
        },
        {"id": "DEV_0_QUERY_1", "question": "什么？"},
    ],
}
CMRC = {"version": "v1.0", "data": [{"paragraphs": [PARAGRAPH], "id": "DEV_0", "title": "题"}]}
DIALOGUE = [
    [
        ["男：甲。", "女：乙。"],
        [{"question": "谁？", "choice": ["男", "女"], "answer": "女"}, {"question": "何？", "choice": ["甲", "乙"]}],
        "47-275",
    ],
    [["丙"], [{"question": "几？", "choice": ["一", "二"], "answer": "一", "id": 7}], "m13-70"],
]
CANDIDATES = ["一日千里", "百花齐放", "日新月异"]
OFFICIAL = {"content": ["甲#idiom000001#乙#idiom000002#", "无", "#idiom000003#丙"], "candidates": CANDIDATES}
ANSWERS = {"#idiom000001#": 2, "#idiom000002#": 0, "#idiom000003#": 1}


def put(path: Path, value: Any, *, indent: int | None = None) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["lines", "list", "pretty list", "lines with blanks and a mark"])
def test_json_lines_and_a_json_list_are_the_same(tmp_path: Path, form: str) -> None:
    path = tmp_path / "train.json"
    if "list" in form:
        put(path, ROWS, indent=2 if "pretty" in form else None)
    else:
        lines = [json.dumps(row) for row in ROWS]
        path.write_text("\ufeff\n" * ("mark" in form) + "\n".join(lines) + "\n", encoding="utf-8")
    assert [row for _, row in layouts.lines(path)] == ROWS


def test_one_line_is_one_row_and_an_empty_file_none(tmp_path: Path) -> None:
    assert list(layouts.lines(put(tmp_path / "a.json", ROWS[0]))) == [(1, ROWS[0])]
    (tmp_path / "b.json").touch()
    assert list(layouts.lines(tmp_path / "b.json")) == []


def test_objects_one_behind_another_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('{"a": 1}{"a": 2} {"a": 3}\n{"a": 4}\n', encoding="utf-8")
    assert list(layouts.lines(path)) == [
        (1, {"a": 1}),
        ("1, object 2", {"a": 2}),
        ("1, object 3", {"a": 3}),
        (2, {"a": 4}),
    ]
    path.write_text('{"a": 1}{"a": 2, "a": 3}\n{"a": 4}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"train\.json:1: expected every key once in an object, got 'a' twice"):
        list(layouts.lines(path))


def test_cmrc_becomes_a_row_a_question(tmp_path: Path) -> None:
    found = list(layouts.squad(put(tmp_path / "dev.json", CMRC, indent=2)))
    answers = {"text": ["乙", "乙丙"], "answer_start": [1, 1]}
    assert found == [
        ("DEV_0_QUERY_0", {"id": "DEV_0_QUERY_0", "context": "甲乙丙。", "question": "哪个？", "answers": answers}),
        ("DEV_0_QUERY_1", {"id": "DEV_0_QUERY_1", "context": "甲乙丙。", "question": "什么？"}),
    ]
    lines = tmp_path / "lines.json"
    lines.write_text("".join(json.dumps(row) + "\n" for _, row in found), encoding="utf-8")
    assert [row for _, row in layouts.squad(lines)] == [row for _, row in found], "rows may stand in a file as they are"


def test_c3_becomes_a_row_a_question(tmp_path: Path) -> None:
    found = list(layouts.c3(put(tmp_path / "d-dev.json", DIALOGUE, indent=1)))
    assert [where for where, _ in found] == ["47-275 question 0", "47-275 question 1", "m13-70 question 0"]
    rows = [row for _, row in found]
    turns = ["男：甲。", "女：乙。"]
    assert rows[0] == {"context": turns, "question": "谁？", "choice": ["男", "女"], "answer": "女"}
    assert "answer" not in rows[1] and "id" not in rows[1], "its number in the file is its id"
    assert rows[2]["id"] == 7, "test questions bring their own id"
    assert [row for _, row in layouts.c3(put(tmp_path / "rows.json", rows))] == rows


def test_official_chid_becomes_a_row_a_blank(tmp_path: Path) -> None:
    path = put(tmp_path / "train.json", OFFICIAL)
    put(tmp_path / "train_answer.json", ANSWERS, indent=1)
    put(tmp_path / "idiomDict.json", dict.fromkeys(CANDIDATES, "……"))
    shared = {"group": 1, "candidates": CANDIDATES}
    assert list(layouts.chid(path)) == [
        ("1 #idiom000001#", {"id": "#idiom000001#", "content": "甲#idiom#乙#idiom000002#", "answer": 2, **shared}),
        ("1 #idiom000002#", {"id": "#idiom000002#", "content": "甲#idiom000001#乙#idiom#", "answer": 0, **shared}),
        ("1 #idiom000003#", {"id": "#idiom000003#", "content": "#idiom#丙", "answer": 1, **shared}),
    ]


def test_chid_without_answers_and_fewclues_chid(tmp_path: Path) -> None:
    rows = [row for _, row in layouts.chid(put(tmp_path / "test1.1.json", OFFICIAL), labelled=False)]
    assert len(rows) == 3 and not any("answer" in row for row in rows)
    few = {"id": 5, "candidates": CANDIDATES, "content": "甲#idiom#乙", "answer": 1}
    assert list(layouts.chid(put(tmp_path / "train_few_all.json", few))) == [(1, few)]


def without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != key}


@pytest.mark.parametrize(
    ("layout", "value", "complaint"),
    [
        (layouts.lines, [1], r"a\.json:1: expected a JSON object, got int"),
        (layouts.lines, 5, r"a\.json:1: expected a JSON object, got int"),
        (
            layouts.squad,
            {"data": [{"title": "题"}]},
            r"a\.json:data: expected a list of objects under 'paragraphs', got",
        ),
        (layouts.squad, {"data": {}}, r"a\.json: expected a list of objects under 'data', got \{\}"),
        (layouts.squad, {"data": [{"paragraphs": [without(PARAGRAPH, "qas")]}]}, r"a\.json:paragraphs: .* under 'qas'"),
        (
            layouts.squad,
            {"data": [{"paragraphs": [{**PARAGRAPH, "qas": [{"id": "Q", "answers": [{"text": "乙"}]}]}]}]},
            r"a\.json:Q: expected 'text' and 'answer_start' in every answer, 'answer_start' is missing",
        ),
        (layouts.c3, [[["甲"], []]], r"a\.json:1: expected \[turns, questions, id\], got"),
        (layouts.c3, [[["甲"], ["问"], "1"]], r"a\.json:1 question 0: expected a JSON object, got str"),
        (layouts.chid, {**OFFICIAL, "content": [3]}, r"a\.json:1: expected texts under 'content', got int"),
    ],
)
def test_what_is_not_in_its_format_is_refused_with_its_place(
    tmp_path: Path, layout: layouts.Layout, value: Any, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        list(layout(put(tmp_path / "a.json", value)))


def test_a_blank_without_an_answer_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "dev.json", OFFICIAL)
    put(tmp_path / "dev_answer.json", without(ANSWERS, "#idiom000003#"))
    with pytest.raises(
        InputError, match=r"dev_answer\.json: expected an answer for #idiom000003# \(dev\.json:1\), got none"
    ):
        list(layouts.chid(path))


def test_broken_files_are_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match=r"a\.json: no such file"):
        list(layouts.lines(path))
    path.write_text('[{"sentence": "甲"},\n {"sentence" "乙"}]', encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json:2: not JSON: Expecting ':' delimiter at column 14"):
        list(layouts.lines(path))
    path.write_text('{"sentence": "甲"}\n{"sentence"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json:2: not JSON"):
        list(layouts.lines(path))
    path.write_bytes("甲".encode("gbk"))
    with pytest.raises(InputError, match=r"a\.json: not UTF-8 \(byte 0\)"):
        list(layouts.squad(path))
