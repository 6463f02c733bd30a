"""Paraphrases on the page: what was written, beside what people wrote, a retrieved sentence and the source itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table
from pipeline.workspace.declaration import Metric

STAGE = "evaluate_paraphrases"
WRITERS = ("people", "nearest", "freely")
ROWS = {
    "model": "the model",
    "people": "people, for the same sentences",
    "nearest": "the nearest training sentence",
    "freely": "the model, freely (nothing edited)",
    "copy": "the source, copied",
}
MEASURES = (
    Metric(key="perplexity", label="perplexity by counts", format=".0f"),
    Metric(key="unseen_bigram", label="with a pair of characters never seen", format=".0%"),
    Metric(key="three_in_a_row", label="with one three times in a row", format=".0%"),
    Metric(key="relevance", label="cosine with the source", format=".3f"),
    Metric(key="distance", label="distance from the source", format=".3f"),
    Metric(key="sentences", label="sentences", format=".0f"),
    Metric(key="answered", label="sources with one", format=".0%"),
)


def parts(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    report, examples = run_data.report(STAGE), run_data.examples(STAGE)["paraphrases"]
    return [
        html.table(beside_people(report), addresses),
        html.note(judged(report["judge"])),
        html.folded("paraphrases of the first held-out sentences, none picked", html.table(shown(examples))),
    ]


def beside_people(report: Mapping[str, Any]) -> Table:
    rows = [(title, *(each.text(report["writing"][name]) for each in MEASURES)) for name, title in ROWS.items()]
    return Table(head=("written by", *(each.label for each in MEASURES)), rows=rows, stages=(STAGE,))


def judged(judge: Mapping[str, Any]) -> str:
    by = judge["relevance"]
    cosine = "of TF-IDF vectors of 1 to 3 characters" if by == "TF-IDF" else f"by {by}"
    return (
        f"Perplexity by {judge['order']}-grams of {judge['tokens']:,} tokens not trained on; the cosine is "
        f"{cosine}; the distance is 1 - Jaccard's index of character bigrams."
    )


def shown(examples: list[Mapping[str, Any]]) -> Table:
    rows = [
        (each["input"], " / ".join(each["output"]) or "(nothing)", *(" / ".join(each[key]) for key in WRITERS))
        for each in examples
    ]
    return Table(
        head=("sentence", "the model, best first", "a person", "nearest training sentence", "the model, freely"),
        rows=rows,
    )
