"""The text VAE on the page: everything measured on held-out sentences, and sentences that it wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.language import N_, _
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table

NO_SPHERE = N_("The latent sphere is not shown: the task sentiment, whose labels would tell, was not prepared.")


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    measured = html.table(table(run_data), addresses)
    parts = [html.folded(_("everything measured on held-out sentences"), measured), *written(run_data)]
    return parts if run_data.sphere else [*parts, html.note(_(NO_SPHERE))]


def table(run_data: RunData) -> Table:
    """A row a metric, a column a model."""
    found = {name: run_data.vae(name) for name in run_data.variants}
    declared = run_data.declared["evaluate_vae"].listed
    rows = [(_(each.label), *(each.text(values) for values in found.values())) for each in declared]
    stages = tuple(f"evaluate_vae@{name}" for name in found)
    return Table(head=(_("held-out sentences"), *found), rows=rows, stages=stages)


def written(run_data: RunData) -> list[Markup]:
    """Sentences that the text VAE wrote."""
    vae = run_data.examples("evaluate_vae@vmf")
    between = Table(head=("t", _("sentence")), rows=_numbered(vae["interpolation"]))
    drawn = Table(head=("#", _("sentence")), rows=_numbered(vae["samples"]))
    return [
        html.folded(
            _("reconstructions of held-out sentences, from the means of their posteriors"),
            html.beside(vae["reconstructions"], N_("sentence"), N_("output")),
        ),
        html.folded(_("along the great circle between the first two"), html.table(between)),
        html.folded(_("written from points of the uniform prior, tokens drawn"), html.table(drawn)),
        html.folded(
            _("training sentences nearest to the held-out ones on the sphere"),
            html.beside(vae["neighbours"], N_("sentence"), N_("output")),
        ),
    ]


def _numbered(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(str(number), line or _("(nothing)")) for number, line in enumerate(lines)]
