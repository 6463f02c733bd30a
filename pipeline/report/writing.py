"""Paraphrases on the page: what was written, beside what people wrote, a retrieved sentence and the source itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.language import N_, _
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table
from pipeline.workspace.declaration import Metric

STAGE = "evaluate_paraphrases"
WRITERS = ("people", "nearest", "freely")
ROWS = {
    "model": N_("the model"),
    "people": N_("people, for the same sentences"),
    "nearest": N_("the nearest training sentence"),
    "freely": N_("the model, freely (nothing edited)"),
    "copy": N_("the source, copied"),
}
MEASURES = (
    Metric(key="perplexity", label=N_("perplexity by counts"), format=".0f"),
    Metric(key="unseen_bigram", label=N_("with a pair of characters never seen"), format=".0%"),
    Metric(key="three_in_a_row", label=N_("with one three times in a row"), format=".0%"),
    Metric(key="relevance", label=N_("cosine with the source"), format=".3f"),
    Metric(key="distance", label=N_("distance from the source"), format=".3f"),
    Metric(key="sentences", label=N_("sentences"), format=".0f"),
    Metric(key="answered", label=N_("sources with one"), format=".0%"),
)


def parts(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    report, examples = run_data.report(STAGE), run_data.examples(STAGE)["paraphrases"]
    return [
        html.table(beside_people(report), addresses),
        html.note(judged(report["judge"])),
        html.folded(_("paraphrases of the first held-out sentences, none picked"), html.table(shown(examples))),
    ]


def beside_people(report: Mapping[str, Any]) -> Table:
    rows = [
        (_(title), *(each.text(report["writing"][name]) for each in MEASURES))
        for name, title in ROWS.items()
        if name in report["writing"]
    ]
    return Table(head=(_("written by"), *(_(each.label) for each in MEASURES)), rows=rows, stages=(STAGE,))


def judged(judge: Mapping[str, Any]) -> str:
    by = judge["relevance"]
    counted, encoded = _("of TF-IDF vectors of 1 to 3 characters"), _("by {encoder}").format(encoder=by)
    return _(
        "Perplexity by {order}-grams of {tokens:,} tokens not trained on; the cosine is {cosine}; the distance is 1 - "
        "Jaccard's index of character bigrams."
    ).format(order=judge["order"], tokens=judge["tokens"], cosine=counted if by == "TF-IDF" else encoded)


def shown(examples: list[Mapping[str, Any]]) -> Table:
    rows = [
        (each["input"], " / ".join(each["output"]) or _("(nothing)"), *(" / ".join(each[key]) for key in WRITERS))
        for each in examples
    ]
    return Table(
        head=(
            _("sentence"),
            _("the model, best first"),
            _("a person"),
            _("nearest training sentence"),
            _("the model, freely"),
        ),
        rows=rows,
    )
