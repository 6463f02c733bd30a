"""Help in Chinese where the user's locale is Chinese. Errors stay in English: one line each, to be searched for.

What a command says of itself stands in its docstring and its options, in English; zh.po has it in Chinese, and the
words that typer adds (`TYPER`). `python -m tests.catalogues` brings the catalogue up to date.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from gettext import GNUTranslations
from pathlib import Path
from typing import Any

import typer

from rosphere import translations

ERRORS = "Errors are in English, one line each, to be searched for."
TYPER = (
    "Usage: ",
    "Arguments",
    "Options",
    "Commands",
    "required",
    "default: {default}",
    "Show this message and exit.",
    # Of the root, by whether the shell can be found out.
    "Install completion for the current shell.",
    "Install completion for the specified shell.",
    "Show completion for the current shell, to copy it or customize the installation.",
    "Show completion for the specified shell, to copy it or customize the installation.",
)
FILLER = "\0"  # behind every wide character while lines are broken: that counts characters, and a terminal columns


def wanted(variables: Mapping[str, str], encoding: str) -> bool:
    """Whether Chinese is the locale's first language, as GNU gettext reads it, and the output can show it.

    The locale is the first that is set of LC_ALL, LC_MESSAGES and LANG. LANGUAGE goes before it, but not before C.
    """
    locale = next(filter(None, map(variables.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "C")
    first = (variables.get("LANGUAGE") or locale).partition(":")[0]
    try:
        "中".encode(encoding)
    except UnicodeEncodeError:
        return False
    return re.split("[_.@]", locale)[0] not in ("C", "POSIX") and re.split("[_.@]", first)[0] == "zh"


@cache
def _catalogue() -> GNUTranslations:
    return translations.read(Path(__file__).with_name("zh.po"))


def _(text: str) -> str:
    return _catalogue().gettext(text) if text else ""  # "" would be the catalogue's own head


def speak(command: Any) -> None:
    """Makes a command, with all below it, say its help in Chinese."""
    for each in speakers(command):
        each.help = _(each.help)
    for each in tree(command):
        each.context_class = Context
    command.epilog = _(ERRORS)


def tree(command: Any) -> Iterator[Any]:
    """A command of typer's, and all below it."""
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from tree(each)


def speakers(command: Any) -> Iterator[Any]:
    """The commands, arguments and options that say what they are for."""
    for one in tree(command):
        yield from (each for each in (one, *one.params) if each.help and not each.hidden)


class Formatter(typer.Context.formatter_class):  # type: ignore[valid-type, misc]  # typer has it nowhere else
    """typer's words in Chinese, and lines that are as wide as a terminal shows them."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, _("Usage: "))

    def write_heading(self, heading: str) -> None:
        super().write_heading(_(heading))

    def write_text(self, text: str) -> None:
        super().write_text(_filled(text))

    def write_dl(self, rows: Iterable[tuple[str, str]], *arguments: Any, **settings: Any) -> None:
        super().write_dl([(term, _filled(_row(text))) for term, text in rows], *arguments, **settings)

    def getvalue(self) -> str:
        return str(super().getvalue()).replace(FILLER, "")


class Context(typer.Context):
    formatter_class = Formatter


def _filled(text: str) -> str:
    return "".join(f"{each}{FILLER}" if unicodedata.east_asian_width(each) in "WF" else each for each in text)


def _row(text: str) -> str:
    """What an option is for; in brackets behind it its default, its bounds and whether it is required."""
    said, bracket, more = text.rpartition("[")
    if not bracket or not more.endswith("]"):
        return _(text)
    return f"{said}[{'; '.join(map(_extra, more[:-1].split('; ')))}]"


def _extra(text: str) -> str:
    value = text.removeprefix("default: ")
    return _(text) if value == text else _("default: {default}").format(default=value)
