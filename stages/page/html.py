"""One self-contained page: figures inside, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.page.tables import Table

STYLE = """
body { font: 15px/1.55 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; color: #222;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #eee; vertical-align: top; }
th { font-weight: 600; color: #555; } img { max-width: 100%; } p.note { color: #555; }
details { margin: 1rem 0; } summary { cursor: pointer; color: #1f5fa8; }
"""


def escape(text: object) -> str:
    return html.escape(str(text))


def table(content: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in content.head)
    rows = ("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in content.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def figure(path: Path, alternative: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{escape(alternative)}" src="data:image/png;base64,{data}">'


def note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def beside(rows: Sequence[Mapping[str, Any]], left: str, right: str) -> str:
    """Inputs and what came of them: {"input": text, right: text or texts}."""
    cells = [(row["input"], row[right]) for row in rows]
    joined = [(one, " / ".join(other) if isinstance(other, list) else other) for one, other in cells]
    return table(Table(head=(left, right), rows=[(one, other or "(nothing)") for one, other in joined]))


def page(title: str, sections: Mapping[str, Sequence[str]]) -> str:
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(parts)}" for name, parts in sections.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
