"""The text VAE on the page: everything measured on held-out sentences, and sentences that it wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.declaration import Declaration, Metric
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table

STUCK = "with a token three times in a row"
DECLARATION = Declaration(
    title="Text VAE",
    figures=("kl", "reconstruction"),
    metrics=(
        Metric(key="reconstruction", label="reconstruction, nats a sentence", better="lower"),
        Metric(key="kl", label="KL, nats a sentence (Monte Carlo)"),
        Metric(key="kl_closed_form", label="KL, nats a sentence (closed form)"),
        Metric(key="kl_std", label="KL, standard deviation over sentences"),
        Metric(key="bound_ppl", label="bound on the perplexity per token", better="lower"),
        Metric(key="nll", label="-log p(x) by importance sampling, nats a sentence*", better="lower"),
        Metric(key="nll_bound", label="-ELBO from the same draws*", better="lower"),
        Metric(key="ppl", label="perplexity per token by importance sampling*", better="lower"),
        Metric(key="effective_draws", label="effective number of the importance draws*"),
        Metric(key="token_accuracy", label="token accuracy", better="higher"),
        Metric(key="bleu", label="BLEU-4 of reconstructions", better="higher"),
        Metric(key="reconstruction_repetition", label=f"reconstructions {STUCK}", better="lower", format=".1%"),
        Metric(key="sample_repetition", label=f"samples {STUCK}", better="lower", format=".1%"),
        Metric(key="held_out_repetition", label=f"the sentences themselves {STUCK}", format=".1%"),
        Metric(key="sample_distinct", label="samples that differ from one another", better="higher", format=".1%"),
        Metric(key="mutual_information", label="mutual information, nats", better="higher"),
        Metric(key="active_units", label="active units", better="higher"),
        Metric(key="active_directions", label="active directions", better="higher"),
        Metric(key="samples", label="samples written"),
        Metric(key="importance_draws", label="* draws a sentence"),
        Metric(key="importance_sentences", label="* sentences"),
    ),
)


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    measured = html.table(table(run_data), addresses)
    return [html.folded("everything measured on held-out sentences", measured), *written(run_data)]


def table(run_data: RunData) -> Table:
    """A row a metric, a column a model."""
    found = {name: run_data.vae(name) for name in run_data.variants}
    rows = [(each.label, *(each.text(values) for values in found.values())) for each in DECLARATION.metrics]
    stages = tuple(f"evaluate_vae-{name}" for name in found)
    return Table(head=("held-out sentences", *found), rows=rows, stages=stages)


def written(run_data: RunData) -> list[Markup]:
    """Sentences that the text VAE wrote."""
    vae = run_data.examples("evaluate_vae-vmf")
    between = Table(head=("t", "sentence"), rows=_numbered(vae["interpolation"]))
    drawn = Table(head=("#", "sentence"), rows=_numbered(vae["samples"]))
    return [
        html.folded(
            "reconstructions of held-out sentences, from the means of their posteriors",
            html.beside(vae["reconstructions"], "sentence", "output"),
        ),
        html.folded("along the great circle between the first two", html.table(between)),
        html.folded("written from points of the uniform prior, tokens drawn", html.table(drawn)),
        html.folded(
            "training sentences nearest to the held-out ones on the sphere",
            html.beside(vae["neighbours"], "sentence", "output"),
        ),
    ]


def _numbered(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(str(number), line or "(nothing)") for number, line in enumerate(lines)]
