"""Pretraining and widening on the page: what widening saved, and the certificate that it changed no function."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.language import N_, _
from pipeline.report.run_data import CONTROLS, RunData, savings
from pipeline.report.tables import Table

# Before widening and after it.
SIZES = {
    "parameters": N_("parameters, before and after"),
    "flops_per_token": N_("flops per token, before and after"),
}


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    parts = [html.note(savings_sentence(run_data)), html.table(certificate(run_data), addresses)]
    if "measured_through" in run_data.report("widen"):
        said = _("The model has no vocabulary head: its logits are those of one that was drawn for this measure.")
        parts.append(html.note(said))
    return parts


def certificate(run_data: RunData) -> Table:
    report = run_data.report("widen")
    sizes = [(_(label), f"{report[key]['before']:,.0f} → {report[key]['after']:,.0f}") for key, label in SIZES.items()]
    proofs = [(_(each.label), each.text(report)) for each in run_data.declared["widen"].listed]
    return Table(head=(_("certificate"), _("value")), rows=[*proofs, *sizes], stages=("widen",))


def savings_sentence(run_data: RunData) -> str:
    saved = savings(run_data)
    if saved is None:
        return _("The controls are switched off, so nothing is said about savings.")
    control = _(CONTROLS[saved.against])
    if saved.share is None:
        return _(
            "For the same FLOPs {control} ended with the lower loss: at this budget widening saved nothing. It begins "
            "to pay when the narrow model has stopped improving."
        ).format(control=control)
    begun = run_data.report("pretrain_wide")["dev_loss_at_start"] <= run_data.controls[saved.against]["dev_loss"]
    if begun:
        said = _(
            "The widened model was at the final dev loss of the better control, {control}, from its first step on, so "
            "with at least {share:.0%} fewer FLOPs, narrow run included; {cap:.0%} is what could be saved at most."
        )
    else:
        said = _(
            "The widened model was at the final dev loss of the better control, {control}, with {share:.0%} fewer "
            "FLOPs, narrow run included; {cap:.0%} is what could be saved at most."
        )
    return said.format(control=control, share=saved.share, cap=saved.cap)
