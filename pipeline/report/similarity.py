"""Sentence similarity on the page: retrieval, graded pairs beside published figures, negation, generation, examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.report import html, writing
from pipeline.report.declaration import Declaration, Metric
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table

STAGE, WRITING = "evaluate_similarity", writing.STAGE
# Of every encoder, in the columns of one table.
MEASURES = (
    Metric(key="recall_at_1", label="recall@1", better="higher", format=".3f"),
    Metric(key="recall_at_10", label="recall@10", better="higher", format=".3f"),
    Metric(key="mrr", label="MRR", better="higher", format=".3f"),
    Metric(key="spearman", label="Spearman", better="higher", format=".3f"),
    Metric(key="alignment", label="alignment", format=".3f"),
    Metric(key="uniformity", label="uniformity", format=".3f"),
)
# RoFormer-Sim small and its supervised successor on the test sets (kexue.fm/archives/8541).
PUBLISHED = {
    "atec test": "0.371 / 0.512",
    "bq test": "0.468 / 0.731",
    "lcqmc test": "0.713 / 0.789",
    "pawsx test": "0.058 / 0.564",
    "stsb test": "0.713 / 0.763",
}
WRITTEN = (
    Metric(key="sentences", label="sentences kept, of all sources"),
    Metric(key="distinct_1", label="distinct characters", better="higher"),
    Metric(key="distinct_2", label="distinct bigrams", better="higher"),
    Metric(key="self_similarity", label="overlap among those of one source"),
    Metric(key="overlap_with_source", label="overlap with the source"),
    Metric(key="cosine_with_source", label="cosine with the source"),
)
# In no table: said in a sentence, or only compared with the last commit.
UNLISTED = (
    Metric(key="recall_at_5", label="recall@5", better="higher", format=".3f"),
    Metric(key="dev_contrastive", label="contrastive loss of held-out pairs, nats", better="lower", format=".3f"),
    Metric(key="dev_lm", label="loss of writing the paraphrase, nats", better="lower", format=".3f"),
    Metric(
        key="negation.paraphrase_nearer", label="paraphrase nearer than the negation", better="higher", format=".0%"
    ),
    Metric(key="negation.negation_cosine", label="mean cosine with the negation", better="lower", format=".3f"),
)
DECLARATION = Declaration(
    title="Sentence similarity", figures=("recall", "spearman"), metrics=(*MEASURES, *WRITTEN, *UNLISTED, *writing.OWN)
)


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    report, near = run_data.report(STAGE), run_data.examples(STAGE)
    return [
        html.table(retrieval(report), addresses),
        *_graded(report, addresses),
        html.note(probe(report)),
        html.folded(
            "nearest held-out sentences, for the first one of the first held-out groups",
            html.beside(near["neighbours"], "sentence", "nearest"),
        ),
        *writing.parts(run_data, addresses),
        html.folded("how varied the paraphrases are", html.table(generation(run_data.report(WRITING)), addresses)),
    ]


def retrieval(report: Mapping[str, Any]) -> Table:
    rows = [(name, *(each.text(values) for each in MEASURES)) for name, values in report["table"].items()]
    return Table(head=("encoder", *(each.label for each in MEASURES)), rows=rows, stages=(STAGE,))


def _graded(report: Mapping[str, Any], addresses: Mapping[str, str]) -> Sequence[Markup]:
    """Nothing where the data have no graded pairs of their own."""
    if not report["graded"]:
        return []
    text = (
        "Spearman's correlation with people's grades: as it is, whitened, whitened to fewer dimensions (whitening is "
        "fitted on training sentences only). Published: RoFormer-Sim small without and with supervision, on the test "
        "sets; its model has 6 layers of 384 and was trained on some 40 million pairs."
    )
    return [html.note(text), html.table(graded(report["graded"]), addresses)]


def graded(sets: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """A row per encoder and pooling, a column per set and split."""
    names = sorted(sets)
    encoders = list(dict.fromkeys(encoder for name in names for encoder in sets[name]))
    rows = [(each, *(" / ".join(f"{v:.3f}" for v in sets[name][each].values()) for name in names)) for each in encoders]
    rows.append(("published, without / with supervision", *(PUBLISHED.get(name, "") for name in names)))
    return Table(head=("vectors", *names), rows=rows, stages=(STAGE,))


def probe(report: Mapping[str, Any]) -> str:
    found = report["negation"]
    return (
        f"Negation: a paraphrase is nearer than the sentence's negation in {found['paraphrase_nearer']:.0%} of the "
        f"probe; mean cosine {found['paraphrase_cosine']:.3f} with the paraphrase, {found['negation_cosine']:.3f} with "
        "the negation."
    )


def generation(report: Mapping[str, Any]) -> Table:
    rows = [(each.label, each.text(report)) for each in WRITTEN]
    return Table(head=("what is written", "value"), rows=rows, stages=(WRITING,))
