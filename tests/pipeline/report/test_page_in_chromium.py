"""The page as a browser shows it: quiet, by itself, fitting a phone, in both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from pipeline.report import figures, html, language
from pipeline.report.language import Language
from stages import report
from tests.pipeline.report import chromium
from tests.pipeline.report.chromium import View
from tests.pipeline.report.toy_reports import write

pytestmark = [pytest.mark.skipif(chromium.PROGRAM is None, reason="no Chromium here"), pytest.mark.integration]

OUTSIDE = """[...document.querySelectorAll('body *')].filter(each => !each.closest('.scroll')).filter(each => {
  const box = each.getBoundingClientRect(); return box.right > WIDTH + 1 || box.left < -1
}).map(each => each.outerHTML.slice(0, 80))"""
COLOURS = """[...new Set([...document.querySelectorAll(
  'p, td, th, a, summary, figcaption, h2, .list li, svg text'
)].map(each => getComputedStyle(each)[each instanceof SVGElement ? 'fill' : 'color']))]"""
STROKES = """[...new Set([...document.querySelectorAll('svg path, svg use')].flatMap(
  each => [getComputedStyle(each).stroke, getComputedStyle(each).fill]
))].filter(colour => colour.startsWith('rgb('))"""
UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"


@pytest.fixture(scope="module", params=get_args(Language))
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page of toy reports, with a word that no line can break."""
    folder = tmp_path_factory.mktemp("page")
    run_data = write(folder / "reports")
    path = folder / "index.html"
    with language.spoken(request.param):
        drawn = figures.draw(run_data, folder / "figures")
        sections = {**report.sections(run_data, drawn), "Long": [html.note("x" * 300)]}
        path.write_text(html.page(report.TITLE, sections, origin=report.origin(run_data)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    with chromium.browser(tmp_path_factory.mktemp("chromium") / "profile") as found:
        yield found


@pytest.mark.parametrize("width", [380, 700, 1280])
def test_it_fits_and_asks_for_nothing_and_complains_of_nothing(view: View, page: str, width: int) -> None:
    view.show(page, width=width)
    view.evaluate(UNFOLD)
    assert view.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
    assert view.evaluate(OUTSIDE.replace("WIDTH", str(width))) == []
    assert view.requests == [page]
    assert view.complaints == []


def test_the_checks_can_fail(view: View, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<!doctype html><div style="width:900px">x</div><img src="http://x.invalid/y.png"><script>z()</script>'
    )
    view.show(bad.as_uri(), width=380)
    assert view.evaluate(OUTSIDE.replace("WIDTH", "380"))
    assert view.requests == [bad.as_uri(), "http://x.invalid/y.png"]
    assert any("z is not defined" in each for each in view.complaints)


def test_every_figure_has_a_name_and_a_description_for_those_who_do_not_see_it(view: View, page: str) -> None:
    view.show(page)
    named = view.evaluate(
        "[...document.querySelectorAll('svg')].map(e => e.getAttribute('aria-labelledby').split(' ')"
        ".map(id => document.getElementById(id)?.textContent || ''))"
    )
    assert len(named) == 8
    assert all(len(title) > 3 and len(description) > 20 for title, description in named)


@pytest.mark.parametrize("dark", [False, True])
def test_letters_stand_out_in_both_themes(view: View, page: str, dark: bool) -> None:
    view.show(page, dark=dark)
    view.evaluate(UNFOLD)
    paper = luminance(view.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (paper < 0.05) if dark else (paper > 0.9)
    kinds = view.evaluate(COLOURS)
    assert len(kinds) >= 3
    for colour in kinds:
        assert contrast(luminance(colour), paper) >= 4.5, colour
    drawn = view.evaluate(STROKES)
    assert len(drawn) >= 4
    for colour in drawn:
        assert colour == "rgb(0, 0, 0)" or contrast(luminance(colour), paper) >= 3, colour


def luminance(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)", by WCAG."""
    shares = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
