"""Sentence similarity on the page: retrieval, graded pairs beside published figures, negation, generation, examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.report import html, published, writing
from pipeline.report.language import N_, _
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table
from pipeline.report.wording import known

STAGE, WRITING = "evaluate_similarity", writing.STAGE
# RoFormer-Sim small and its supervised successor on the test sets (kexue.fm/archives/8541).
PUBLISHED = {
    "atec test": "0.371 / 0.512",
    "bq test": "0.468 / 0.731",
    "lcqmc test": "0.713 / 0.789",
    "pawsx test": "0.058 / 0.564",
    "stsb test": "0.713 / 0.763",
}


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    report, near = run_data.report(STAGE), run_data.examples(STAGE)
    return [
        *published.section(run_data, addresses),
        html.table(retrieval(run_data), addresses),
        *_graded(report, addresses),
        html.note(probe(report)),
        html.folded(
            _("nearest held-out sentences, for the first one of the first held-out groups"),
            html.beside(near["neighbours"], N_("sentence"), N_("nearest")),
        ),
        *writing.parts(run_data, addresses),
        html.folded(_("how varied the paraphrases are"), html.table(generation(run_data), addresses)),
    ]


def retrieval(run_data: RunData) -> Table:
    """A row an encoder."""
    listed, table = run_data.declared[STAGE].listed, run_data.report(STAGE)["table"]
    rows = [(known(name), *(each.text(values) for each in listed)) for name, values in table.items()]
    return Table(head=(_("encoder"), *(_(each.label) for each in listed)), rows=rows, stages=(STAGE,))


def _graded(report: Mapping[str, Any], addresses: Mapping[str, str]) -> Sequence[Markup]:
    """Nothing where the data have no graded pairs of their own."""
    if not report["graded"]:
        return []
    text = _(
        "Spearman's correlation with people's grades: as it is, whitened, whitened to fewer dimensions (whitening is "
        "fitted on training sentences only). Published: RoFormer-Sim small without and with supervision, on the test "
        "sets; its model has 6 layers of 384 and was trained on some 40 million pairs."
    )
    return [html.note(text), html.table(graded(report["graded"]), addresses)]


def graded(sets: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """A row per encoder and pooling, a column per set and split."""
    names = sorted(sets)
    encoders = list(dict.fromkeys(encoder for name in names for encoder in sets[name]))
    rows = [
        (known(each), *(" / ".join(f"{v:.3f}" for v in sets[name][each].values()) for name in names))
        for each in encoders
    ]
    rows.append((_("published, without / with supervision"), *(PUBLISHED.get(name, "") for name in names)))
    return Table(head=(_("vectors"), *names), rows=rows, stages=(STAGE,))


def probe(report: Mapping[str, Any]) -> str:
    found = report["negation"]
    return _(
        "Negation: a paraphrase is nearer than the sentence's negation in {nearer:.0%} of the probe; mean cosine "
        "{paraphrase:.3f} with the paraphrase, {negation:.3f} with the negation."
    ).format(
        nearer=found["paraphrase_nearer"], paraphrase=found["paraphrase_cosine"], negation=found["negation_cosine"]
    )


def generation(run_data: RunData) -> Table:
    report = run_data.report(WRITING)
    rows = [(_(each.label), each.text(report)) for each in run_data.declared[WRITING].listed]
    return Table(head=(_("what is written"), _("value")), rows=rows, stages=(WRITING,))
