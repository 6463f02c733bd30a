"""One self-contained page: figures inside, nothing loaded from anywhere, whole without JavaScript.

The markup stands in templates/, the style in style.css. Each function here fills one template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.report import language
from pipeline.report.captions import Caption
from pipeline.report.language import _
from pipeline.report.tables import Table

FOLDER = Path(__file__).parent
NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?%?( ± [\d.]+)?|")
VALUE = re.compile(r"[-+\d.,e%/()→± ]+")  # several numbers, which are not broken apart
LONG = 40  # characters from which a cell may not be squeezed to a ribbon
OUTCOMES = {"▲": "better", "▼": "worse", "◆": "changed"}  # a cell's class, by the sign that it begins with


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One figure to remember, what it means, and what stands beside it."""

    label: str
    value: str
    beside: str
    stage: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    text: str
    kind: str = ""  # its class in style.css
    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    name: str  # its title in English, by which it is linked to in every language
    parts: Sequence[Markup]

    @property
    def title(self) -> str:
        return _(self.name)

    @property
    def anchor(self) -> str:
        return re.sub(r"\W+", "-", self.name.lower()).strip("-")


def _templates() -> Environment:
    found = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.install_gettext_callables(_, language.ngettext, newstyle=True)  # type: ignore[attr-defined]  # the extension's
    return found


TEMPLATES = _templates()


def render(name: str, **values: Any) -> Markup:
    """A template of templates/, filled. Texts are escaped; what was rendered before stays as it is."""
    return Markup(TEMPLATES.get_template(f"{name}.html.j2").render(values))


def table(content: Table, addresses: Mapping[str, str] | None = None) -> Markup:
    """Rows link to their stages' runs, or the line below names the runs."""
    known = addresses or {}
    columns = list(zip(*content.rows, strict=True)) or [()] * len(content.head)
    numeric = [any(cells) and all(map(NUMBER.fullmatch, cells)) for cells in columns]
    by_row = len(content.stages) == len(content.rows)
    stages = content.stages if by_row else [""] * len(content.rows)
    rows = [
        [
            Cell(
                text=text,
                kind=_kind(text, numeric[n]),
                address=known.get(stage) if n == content.linked % len(row) else None,
            )
            for n, text in enumerate(row)
        ]
        for row, stage in zip(content.rows, stages, strict=True)
    ]
    return render(
        "table",
        label=_(", ").join(content.head),
        head=[Cell(text=text, kind="number" if numeric[n] else "") for n, text in enumerate(content.head)],
        rows=rows,
        stages=() if by_row else content.stages,
        addresses=known,
    )


def _kind(text: str, numeric: bool) -> str:
    if numeric:
        return "number"
    if text[1:2] == " " and text[0] in OUTCOMES:
        return OUTCOMES[text[0]]
    return "long" if len(text) > LONG else "value" if VALUE.fullmatch(text) else ""


def source(stages: Sequence[str], addresses: Mapping[str, str]) -> Markup:
    """The runs that numbers come from."""
    return render("source", stages=stages, addresses=addresses)


def figure(path: Path, caption: Caption, addresses: Mapping[str, str]) -> Markup:
    """The SVG itself, which holds its own text alternative, in one sentence what it shows, and its runs."""
    drawing = Markup(path.read_text(encoding="utf-8").strip())
    given = {"title": caption.title, "says": caption.says, "stages": caption.stages}
    return render("figure", drawing=drawing, addresses=addresses, **given)


def figures(*parts: Markup) -> Markup:
    return render("figures", parts=parts)


def lead(text: str) -> Markup:
    return render("paragraph", kind="lead", text=text)


def note(text: str) -> Markup:
    return render("paragraph", kind="note", text=text)


def warning(text: str) -> Markup:
    return render("paragraph", kind="warning", text=text)


def aside(text: str) -> Markup:
    return render("paragraph", kind="aside", text=text)


def folded(title: str, *content: Markup) -> Markup:
    return render("folded", title=title, content=Markup("\n").join(content))


def tiles(tiles: Sequence[Tile], addresses: Mapping[str, str]) -> Markup:
    return render("tiles", tiles=tiles, addresses=addresses)


def beside(rows: Sequence[Mapping[str, Any]], left: str, right: str) -> Markup:
    """Inputs and what came of them: {"input": text, right: text or texts}. Both heads are marked for translation."""
    cells = [(row["input"], row[right]) for row in rows]
    joined = [(one, " / ".join(other) if isinstance(other, list) else other) for one, other in cells]
    return table(Table(head=(_(left), _(right)), rows=[(one, other or _("(nothing)")) for one, other in joined]))


def page(
    title: str,
    sections: Mapping[str, Sequence[Markup]],
    *,
    origin: str = "",
    beside: Mapping[str, str] | None = None,
) -> str:
    """The whole page; `origin` says under the title where it comes from, and `beside` where runs are compared, by title
    with the address."""
    style = Markup((FOLDER / "style.css").read_text(encoding="utf-8"))
    parts = [Section(name=name, parts=each) for name, each in sections.items()]
    given = {"title": _(title), "style": style, "origin": origin, "beside": beside or {}, "sections": parts}
    return str(render("page", tag=language.tag(), **given)) + "\n"
