"""One self-contained page: figures inside, nothing loaded from anywhere, whole without JavaScript."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.report.style import STYLE
from pipeline.report.tables import Table

NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?%?( ± [\d.]+)?|")
VALUE = re.compile(r"[-+\d.,e%/()→± ]+")  # several numbers, which are not broken apart
LONG = 40  # characters from which a cell may not be squeezed to a ribbon
OUTCOMES = ("better", "worse", "changed")


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One figure to remember, what it means, and what stands beside it."""

    label: str
    value: str
    beside: str
    stage: str


def escape(text: object) -> str:
    return html.escape(str(text))


def linked(text: str, address: str | None) -> str:
    return f'<a href="{escape(address)}">{escape(text)}</a>' if address else escape(text)


def table(content: Table, addresses: Mapping[str, str] | None = None) -> str:
    """Its own box scrolls where it is too wide. Rows link to their stages' runs, or the line below names the runs."""
    known = addresses or {}
    columns = list(zip(*content.rows, strict=True)) or [()] * len(content.head)
    numeric = [any(cells) and all(map(NUMBER.fullmatch, cells)) for cells in columns]
    head = "".join(f"<th{_kind(numeric[n])}>{escape(cell)}</th>" for n, cell in enumerate(content.head))
    by_row = len(content.stages) == len(content.rows)
    stages = content.stages if by_row else [""] * len(content.rows)
    rows = (
        "<tr>"
        + "".join(
            _cell(cell, numeric[n], known.get(stage) if n == content.linked % len(row) else None)
            for n, cell in enumerate(row)
        )
        + "</tr>"
        for row, stage in zip(content.rows, stages, strict=True)
    )
    inner = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    box = f'<div class="scroll" role="region" aria-label="{escape(", ".join(content.head))}" tabindex="0">{inner}</div>'
    return box if by_row else box + source(content.stages, known)


def _cell(text: str, numeric: bool, address: str | None) -> str:
    outcome = text.rpartition(" ")[2]
    kind = "long" if len(text) > LONG else "value" if VALUE.fullmatch(text) else ""
    kind = outcome if outcome in OUTCOMES and text != outcome else kind
    return f"<td{_kind(numeric, kind)}>{linked(text, address)}</td>"


def _kind(numeric: bool, name: str = "") -> str:
    found = "number" if numeric else name
    return f' class="{found}"' if found else ""


def source(stages: Sequence[str], addresses: Mapping[str, str]) -> str:
    """The runs that numbers come from."""
    if not stages:
        return ""
    runs = " · ".join(linked(stage, addresses.get(stage)) for stage in stages)
    return f'<p class="source">From the run{"s" if len(stages) > 1 else ""} of {runs}</p>'


def figure(path: Path, title: str, says: str) -> str:
    """The SVG itself, which holds its own text alternative, and in one sentence what it shows."""
    drawing = path.read_text(encoding="utf-8").strip()
    return f"<figure><h3>{escape(title)}</h3>{drawing}<figcaption>{escape(says)}</figcaption></figure>"


def figures(*parts: str) -> str:
    """Side by side where there is room."""
    return f'<div class="figures">{"".join(parts)}</div>'


def lead(text: str) -> str:
    return f'<p class="lead">{escape(text)}</p>'


def note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def aside(text: str) -> str:
    return f'<p class="aside">{escape(text)}</p>'


def folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def tiles(every: Sequence[Tile], addresses: Mapping[str, str]) -> str:
    parts = (
        f'<div class="tile"><span>{escape(each.label)}</span><b>{linked(each.value, addresses.get(each.stage))}</b>'
        f"<span>{escape(each.beside)}</span></div>"
        for each in every
    )
    return f'<div class="tiles">{"".join(parts)}</div>'


def checklist(title: str, rows: Sequence[str], *, won: bool) -> str:
    """Lines of HTML under a title, each with a tick or a cross."""
    sign, name = ("✓", "won") if won else ("✗", "lost")
    lines = "".join(f"<li><i>{sign}</i>{row}</li>" for row in rows)
    return f'<div class="list {name}"><h3>{escape(title)}</h3><ul>{lines}</ul></div>'


def columns(*parts: str) -> str:
    return f'<div class="columns">{"".join(parts)}</div>'


def beside(rows: Sequence[Mapping[str, Any]], left: str, right: str) -> str:
    """Inputs and what came of them: {"input": text, right: text or texts}."""
    cells = [(row["input"], row[right]) for row in rows]
    joined = [(one, " / ".join(other) if isinstance(other, list) else other) for one, other in cells]
    return table(Table(head=(left, right), rows=[(one, other or "(nothing)") for one, other in joined]))


def page(title: str, sections: Mapping[str, Sequence[str]], *, origin: str = "") -> str:
    """The whole page; `origin` says under the title where it comes from."""
    anchors = {name: re.sub(r"\W+", "-", name.lower()).strip("-") for name in sections}
    contents = "".join(f'<li><a href="#{anchor}">{escape(name)}</a></li>' for name, anchor in anchors.items())
    body = "".join(
        f'<section id="{anchors[name]}"><h2>{escape(name)}</h2>{"".join(parts)}</section>'
        for name, parts in sections.items()
    )
    footer = (
        "Dotted numbers and the names of stages lead to the MLflow runs they come from, on the dashboard of the "
        "machine that made them (make ui). The page itself loads nothing."
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f'<body><div class="sheet"><header><h1>{escape(title)}</h1><p>{escape(origin)}</p></header>'
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav>'
        f"{body}<footer>{escape(footer)}</footer></div></body></html>\n"
    )
