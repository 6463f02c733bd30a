"""The catalogues of translated texts, brought up to date: python -m tests.catalogues

What is newly marked comes in, to be translated; what is marked no more goes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import typer
from babel.messages import pofile
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from jinja2.ext import babel_extract

from pipeline.report import html
from pipeline.workspace import declaration
from pipeline.workspace.declaration import Declaration, Lines
from rosphere.cli import app, language

ROOT = Path(__file__).resolve().parents[1]
PAGE = html.FOLDER / "zh.po"
COMMAND_LINE = ROOT / "rosphere" / "cli" / "zh.po"
# As pipeline/report/html.py reads templates; an error in one is an error here.
JINJA = dict.fromkeys(("trim_blocks", "lstrip_blocks", "newstyle_gettext"), "true") | {"silent": "false"}


def page() -> Catalog:
    """What is marked in the code and the templates of the page, and what the stages declare."""
    found = Catalog()
    for path in [*sorted(html.FOLDER.glob("*.py")), ROOT / "stages" / "report.py"]:
        for _, message, comments, context in extract_from_file("python", path):
            found.add(message, locations=[_place(path)], auto_comments=comments, context=context)
    for path in sorted(html.FOLDER.glob("templates/*.j2")):
        for _, message, comments, context in extract_from_file(babel_extract, path, options=JINJA):
            found.add(message, locations=[_place(path)], auto_comments=comments, context=context)
    for word, declared in declaration.read(ROOT / "stages").items():
        for text in filter(None, _texts(declared)):
            found.add(text, locations=[_place(ROOT / "stages" / f"{word}.py")])
    return found


def _place(path: Path) -> tuple[str, int]:
    return str(path.relative_to(ROOT)), 0


def _texts(declared: Declaration) -> Iterator[str]:
    yield declared.title
    for metric in declared.metrics:
        yield from (metric.label, metric.headline, *(rival.name for rival in metric.rivals))
    for figure in declared.figures:
        if isinstance(figure, Lines):
            yield from (figure.title, figure.x_label, figure.y_label)


def command_line() -> Catalog:
    """What the commands say of themselves, and what typer adds."""
    found = Catalog()
    command = typer.main.get_command(app.application())
    for text in (*language.TYPER, language.ERRORS, *(each.help for each in language.speakers(command))):
        found.add(text)
    return found


def kept(path: Path) -> Catalog:
    with path.open("rb") as file:
        return pofile.read_po(file, locale="zh", abort_invalid=True)


def placeholders(text: str) -> set[tuple[str, str]]:
    """With their formats; of templates, which jinja2 fills by %, and of code."""
    named = {(name, "") for name in re.findall(r"%\((\w+)\)s", text)}
    return named | {(name, spec or "") for _text, name, spec, _how in Formatter().parse(text) if name is not None}


def forms(value: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def untranslated(catalogue: Catalog) -> list[str]:
    """What has no translation, or one with other placeholders; the last form of a text holds all of them."""
    return [
        forms(each.id)[-1]
        for each in catalogue
        if each.id
        and not (
            all(forms(each.string))
            and not each.fuzzy
            and not each.check(catalogue)
            and all(placeholders(text) == placeholders(forms(each.id)[-1]) for text in forms(each.string))
        )
    ]


def identities(catalogue: Catalog) -> set[tuple[Any, str | None]]:
    return {(each.id, each.context) for each in catalogue if each.id}


def update(path: Path, marked: Catalog) -> None:
    found = kept(path)
    found.update(marked, no_fuzzy_matching=True, update_creation_date=False)
    found.obsolete.clear()
    with path.open("wb") as file:
        pofile.write_po(file, found, width=116, sort_by_file=True, include_lineno=False)


def main() -> None:
    update(PAGE, page())
    update(COMMAND_LINE, command_line())


if __name__ == "__main__":
    main()
