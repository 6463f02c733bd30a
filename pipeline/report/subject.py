"""A subject that the page has no words of its own for: what its stages declare, with what they found."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.language import _
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table


def section(run_data: RunData, title: str, addresses: Mapping[str, str]) -> list[Markup]:
    """One table a stage of this title."""
    tables = [table(run_data, word) for word in run_data.of_title(title)]
    return [html.table(each, addresses) for each in tables if each.rows and each.stages]


def table(run_data: RunData, word: str) -> Table:
    """A row a metric, a column an item; a stage without items is a column of its own name."""
    found = {name: report for name in run_data.names(word) if (report := run_data.found(name)) is not None}
    rows = [
        (_(each.label), *(each.text(report) for report in found.values())) for each in run_data.declared[word].listed
    ]
    heads = [name.partition("@")[2] or name for name in found]
    return Table(head=(_(run_data.declared[word].title), *heads), rows=rows, stages=tuple(found))
