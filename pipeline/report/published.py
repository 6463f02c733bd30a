"""Did it get better? The finished sentence encoder beside the published ones that its run came from, in words first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.language import N_, _, sentences
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table

STAGE = "evaluate_similarity"
CLEAR = 2.0  # standard errors: of what does not differ, one in twenty seems to
START, TEACHER = "start", "teacher"
ASKED = {
    START: N_("Did it get better? {name}, which training began with, as published, beside the finished encoder."),
    TEACHER: N_("The finished encoder beside {name}, its teacher, as published."),
}
GENERAL = "general"
ON = {"own": N_("On your own held-out pairs, {said}."), GENERAL: N_("On general sets, {said}.")}
# An encoder is no better than its teacher or worse, it is ahead or behind.
SAID = {
    START: (N_("better: {sets}"), N_("fell: {sets}"), N_("no clear change: {sets}")),
    TEACHER: (N_("ahead: {sets}"), N_("behind: {sets}"), N_("no clear difference: {sets}")),
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of a published encoder and of the finished one."""

    name: str
    before: float
    after: float
    spread: float  # standard error of their difference
    units: int

    @property
    def outcome(self) -> int:
        """0: clearly better, 1: clearly worse, 2: neither."""
        difference = self.after - self.before
        return 2 if abs(difference) <= CLEAR * self.spread else int(difference < 0)

    @property
    def change(self) -> str:
        return f"{self.after - self.before:+.3f} ± {self.spread:.3f}"

    def __str__(self) -> str:
        return f"{self.name} {self.before:.3f} → {self.after:.3f} ({self.change})"


def changes(run_data: RunData, part: str, kind: str) -> list[Change]:
    """Of one's own pairs in the order in which the metrics are declared."""
    labels = {metric.key: _(metric.label) for metric in run_data.declared[STAGE].metrics}
    rows: Mapping[str, Mapping[str, Any]] = run_data.report(STAGE)["published"][part][kind]
    order = {key: place for place, key in enumerate(labels)}
    return [
        Change(
            name=labels.get(name, name),
            before=row["before"],
            after=row["after"],
            spread=row["standard_error"],
            units=row["units"],
        )
        for name, row in sorted(rows.items(), key=lambda item: order.get(item[0], len(order)))
    ]


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    """Nothing where training came from no published encoder."""
    parts: Mapping[str, Mapping[str, Any]] = run_data.report(STAGE).get("published", {})
    found: list[Markup] = []
    for part, report in parts.items():
        found.append(html.lead(sentences([_(ASKED[part]).format(name=report["name"]), *said(run_data, part)])))
        found += warnings(run_data) if part == START else []
        found.append(html.table(table(run_data, part), addresses))
    return [*found, html.aside(how())] if found else []


def said(run_data: RunData, part: str) -> Iterator[str]:
    """What got better, what fell, and of what neither can be said."""
    for kind, on in ON.items():
        every = changes(run_data, part, kind)
        groups = (
            (text, [each for each in every if each.outcome == outcome]) for outcome, text in enumerate(SAID[part])
        )
        listed = [_(text).format(sets=_(", ").join(map(str, chosen))) for text, chosen in groups if chosen]
        if listed:
            yield _(on).format(said=_("; ").join(listed))
        elif kind == GENERAL:
            yield _(
                "There is no general set by which to see what was forgotten: prepare.local.graded takes some, such as "
                "STS-B or LCQMC."
            )


def warnings(run_data: RunData) -> Sequence[Markup]:
    """What training has cost the encoder that it began with, and what helps."""
    if START not in run_data.report(STAGE).get("published", {}):
        return []
    fell = [each for each in changes(run_data, START, GENERAL) if each.outcome == 1]
    if not fell:
        return []
    text = _(
        "Warning: the encoder has forgotten some of what it knew when training began, for it fell clearly on general "
        "sets: {sets} (catastrophic forgetting). What helps: pairs of a general kind among your own "
        "(prepare.local.general), weights averaged with those at the start (roformer_sim.weight_averaging), more "
        "sentences of the corpus in each batch (unlabelled), a lower learning rate, fewer steps."
    )
    return [html.warning(text.format(sets=_(", ").join(map(str, fell))))]


def table(run_data: RunData, part: str) -> Table:
    """A row a figure."""
    kinds = {"own": _("your own"), GENERAL: _("general")}
    rows = [
        (each.name, kinds[kind], f"{each.units:,}", f"{each.before:.3f}", f"{each.after:.3f}", each.change)
        for kind in ON
        for each in changes(run_data, part, kind)
    ]
    head = (_("measured on"), _("kind"), _("queries or pairs"), _("as published"), _("finished"), _("difference"))
    return Table(head=head, rows=rows, stages=(STAGE,))


def how() -> str:
    return _(
        "± is the standard error of the difference, by a paired bootstrap over groups of sentences, or over graded "
        "pairs; from {clear:g} of them on a difference is called clear. General sets: Spearman's correlation with "
        "people's grades. The published encoder is asked as its authors do, with their pooling, prompt and length."
    ).format(clear=CLEAR)
