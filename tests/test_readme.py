"""The README in both languages: the same headings, commands, code, tables, numbers, links and pictures."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.test_house import ROOT

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d[\d.e+-]*\d|\d")
NAMES = ("README.md", "README.zh.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    return FENCE.sub("", text)


def headings(text: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(text), re.MULTILINE)]


def code(text: str) -> Counter[str]:
    return Counter(re.findall(r"`([^`\n]+)`", prose(text)))


def places(text: str) -> Counter[str]:
    """What is linked to or shown, the other language apart."""
    return Counter(re.findall(r"\]\(([^)]+)\)", prose(text))) - Counter(NAMES)


def tables(text: str) -> list[list[str]]:
    """For each table the numbers of each row, and how many cells it has."""
    rows = re.findall(r"(?:^\|.*\|\n)+", prose(text), re.MULTILINE)
    return [[f"{line.count('|')}: {sorted(NUMBER.findall(line))}" for line in table.splitlines()] for table in rows]


@pytest.mark.parametrize("of", [headings, FENCE.findall, code, places, tables], ids=lambda f: f.__name__)
def test_both_languages_have_the_same(of) -> None:  # type: ignore[no-untyped-def]
    english, chinese = (of(read(name)) for name in NAMES)
    assert english == chinese
    assert english, "there is something to compare"


def test_each_leads_to_the_other() -> None:
    assert "](README.zh.md)" in read("README.md") and "](README.md)" in read("README.zh.md")


def test_what_is_shown_is_there() -> None:
    assert all((ROOT / place.partition("#")[0]).exists() for name in NAMES for place in places(read(name)))
