"""Files from users: every complaint names file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.text import reading

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"one\ntwo", [(1, "one"), (2, "two")]),
        ("\ufeff第一\r\n第二\r\n".encode(), [(1, "第一"), (2, "第二")]),
        ("甲\n\ufeff乙\n".encode(), [(1, "甲"), (2, "\ufeff乙")]),  # only the first line can have a mark
        ("甲\u2028乙\x85丙\n".encode(), [(1, "甲\u2028乙\x85丙")]),  # only \n ends a line
        (b"\n\n", [(1, ""), (2, "")]),
    ],
)
def test_lines(tmp_path: Path, raw: bytes, expected: list[tuple[int, str]]) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(raw)
    assert list(reading.lines(path)) == expected


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.txt: no such file"):
        list(reading.lines(tmp_path / "gone.txt"))


def test_what_is_not_utf8_is_refused_with_its_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "gbk.txt"
    path.write_bytes("好\nab".encode() + "退货".encode("gbk") + b"\n")
    with pytest.raises(
        InputError, match=r"gbk\.txt:2: not UTF-8 \(byte 2 of the line\); it may be GBK: `iconv -f gb18030"
    ):
        list(reading.lines(path))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"text": ', r"rows\.jsonl:3: not JSON: Expecting value at column 10"),
        ('{"text": "好', r"rows\.jsonl:3: not JSON: Unterminated string starting at column 10"),
        ("[1, 2]", r"rows\.jsonl:3: expected a JSON object, got list"),
        ('"甲"', r"rows\.jsonl:3: expected a JSON object, got str"),
    ],
)
def test_a_malformed_row_is_refused_with_its_line(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "好"}}\n\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        list(reading.rows(path))


def test_blank_lines_are_skipped_and_still_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n  \n{"a": 2}\n', encoding="utf-8")
    assert list(reading.rows(path)) == [(1, {"a": 1}), (4, {"a": 2})]


@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=4))
def test_rows_survive_a_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("rows") / "a" / "rows.jsonl"
    assert reading.write_rows(path, rows) == len(rows)
    assert list(reading.rows(path)) == list(enumerate(rows, 1))


def test_rows_are_written_so_that_a_person_can_read_them(tmp_path: Path) -> None:
    reading.write_rows(tmp_path / "rows.jsonl", [{"text": "退货"}])
    assert (tmp_path / "rows.jsonl").read_bytes() == '{"text": "退货"}\n'.encode()


@pytest.mark.parametrize(("row", "came"), [({}, "nothing"), ({"text": 3}, "int"), ({"text": None}, "NoneType")])
def test_a_field_that_is_no_text_is_refused(row: dict[str, object], came: str) -> None:
    with pytest.raises(InputError, match=rf"a\.jsonl:7: expected text under 'text', got {came}"):
        reading.text_field(row, "text", path=Path("a.jsonl"), number=7)


def test_a_field_that_is_text_comes_back() -> None:
    assert reading.text_field({"text": "好"}, "text", path=Path("a.jsonl"), number=7) == "好"
