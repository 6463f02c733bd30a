"""Every document in both languages: the same headings, commands, code, tables, numbers, links and pictures.

README.md and README.zh.md, docs/NAME.md and docs/zh/NAME.md; links of all documents lead somewhere.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.project import ROOT

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
NUMBER = re.compile(r"\d[\d.e+-]*\d|\d")
ENGLISH = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
OTHERS = ("CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", "LOG.md", "benchmarks/RESULTS.md")


def chinese(name: str) -> str:
    return "README.zh.md" if name == "README.md" else name.replace("docs/", "docs/zh/", 1)


TWINS = {chinese(name): name for name in ENGLISH}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    return FENCE.sub("", text)


def headings(name: str) -> list[int]:
    return [len(marks) for marks, _ in HEADING.findall(prose(read(name)))]


def fences(name: str) -> list[str]:
    return FENCE.findall(read(name))


def code(name: str) -> Counter[str]:
    return Counter(CODE.findall(prose(read(name))))


def tables(name: str) -> list[list[str]]:
    """For each table the numbers of each row, and how many cells it has."""
    rows = re.findall(r"(?:^\|.*\|\n)+", prose(read(name)), re.MULTILINE)
    return [[f"{line.count('|')}: {sorted(NUMBER.findall(line))}" for line in table.splitlines()] for table in rows]


def anchors(name: str) -> list[str]:
    """What the headings of a document are called in links, in order, as GitHub does."""
    found: Counter[str] = Counter()
    for _, heading in HEADING.findall(prose(read(name))):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        word = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found[word] += 1
        if found[word] > 1:
            found[f"{word}-{found[word] - 1}"] += 1
    return list(found)


class Link(NamedTuple):
    """Where a link leads, from the project's folder, an address of the web as it stands."""

    place: str
    anchor: str


def links(name: str) -> list[Link]:
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", prose(read(name)))):
        place, _, anchor = target.partition("#")
        if not re.match(r"\w+:", target):
            place = os.path.normpath(Path(name).parent / place) if place else name
        found.append(Link(place, anchor))
    return found


def places(name: str) -> Counter[tuple[str, int | str]]:
    """What is linked to or shown, the other language apart: a document by its English name, a heading by its number."""
    twin = TWINS.get(name) or chinese(name)
    found: Counter[tuple[str, int | str]] = Counter()
    for place, anchor in links(name):
        in_ours = place in TWINS or place in ENGLISH
        where = anchors(place).index(anchor) if anchor and in_ours else anchor
        if place != twin:
            found[TWINS.get(place, place), where] += 1
    return found


@pytest.mark.parametrize("of", [headings, fences, code, places, tables], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ENGLISH)
def test_both_languages_have_the_same(name: str, of) -> None:  # type: ignore[no-untyped-def]
    assert of(name) == of(chinese(name))


@pytest.mark.parametrize("of", [headings, fences, code, places, tables], ids=lambda f: f.__name__)
def test_there_is_something_to_compare(of) -> None:  # type: ignore[no-untyped-def]
    assert of("README.md") and of("docs/tutorial.md" if of is not tables else "docs/tasks.md")


def test_every_document_has_a_twin() -> None:
    there = {"README.zh.md", *(f"docs/zh/{path.name}" for path in (ROOT / "docs/zh").glob("*.md"))}
    assert there == set(TWINS)


@pytest.mark.parametrize("name", ENGLISH)
def test_each_leads_to_the_other_at_its_top(name: str) -> None:
    for one, other in ((name, chinese(name)), (chinese(name), name)):
        first = re.findall(r"\]\(([^)]+)\)", read(one))[0]
        assert os.path.normpath(Path(one).parent / first) == other


def test_documents_lead_to_documents_of_their_own_language() -> None:
    """But for the one line at the top."""
    for name in (*ENGLISH, *TWINS):
        strangers = set(TWINS) if name in ENGLISH else set(ENGLISH)
        across = [place for place, _ in links(name) if place in strangers]
        assert across == [TWINS.get(name) or chinese(name)], name


def test_the_index_names_every_document() -> None:
    named = {place for place, _ in links("docs/README.md")}
    assert {*ENGLISH, "CONTRIBUTING.md"} - {"docs/README.md"} <= named


@pytest.mark.parametrize("name", [*ENGLISH, *TWINS, *OTHERS])
def test_what_is_linked_to_is_there(name: str) -> None:
    for place, anchor in links(name):
        if re.match(r"\w+:", place):
            continue
        assert (ROOT / place).exists(), f"{name}: {place}"
        if anchor:
            assert anchor in anchors(place), f"{name}: {place} has no heading #{anchor}"


def test_headings_are_called_as_on_github(tmp_path: Path) -> None:
    text = "# A `b.c`: d\n## 你自己的数据\n```\n# no heading\n```\n## Does it pay?\n## Does it pay?\n"
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    assert anchors(str(tmp_path / "a.md")) == ["a-bc-d", "你自己的数据", "does-it-pay", "does-it-pay-1"]
