"""The language of the page. Code and templates are in English and mark their texts; zh.po has them in Chinese.

`python -m tests.catalogues` brings the catalogue up to date with what is marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, reduce
from gettext import NullTranslations
from pathlib import Path
from typing import Literal

from babel import numbers

from rosphere import translations

Language = Literal["en", "zh"]
TAGS: dict[Language, str] = {"en": "en", "zh": "zh-CN"}  # as HTML calls them
_spoken: ContextVar[Language] = ContextVar("language", default="en")


@dataclass(frozen=True, kw_only=True)
class Report:
    """The section `report` of params.yaml."""

    language: Language


@contextmanager
def spoken(language: Language) -> Iterator[None]:
    """What is rendered inside is in this language."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


@cache
def _catalogue(language: Language) -> NullTranslations:
    return NullTranslations() if language == "en" else translations.read(Path(__file__).with_name(f"{language}.po"))


def _(message: str) -> str:
    """The text in the language that is spoken; as it is where the catalogue has none for it."""
    return _catalogue(_spoken.get()).gettext(message) if message else ""  # "" would be the catalogue's own head


def ngettext(one: str, several: str, count: int) -> str:
    """The text for a count: languages differ in how many forms they have."""
    return _catalogue(_spoken.get()).ngettext(one, several, count)


def N_(message: str) -> str:
    """Marks a text that is translated later, where it is rendered."""
    return message


def tag() -> str:
    """The language spoken, for HTML's `lang`."""
    return TAGS[_spoken.get()]


def sentences(said: Iterable[str]) -> str:
    """One after the other: Chinese puts no space between them."""
    return reduce(lambda one, other: _("{sentence} {next}").format(sentence=one, next=other), said)


def amount(number: float) -> str:
    """1941118 as "1.94 million" or "194万"."""
    rounded = float(f"{number:.3g}")
    return numbers.format_compact_decimal(rounded, format_type="long", locale=_spoken.get(), fraction_digits=2)
