"""The measured curves of the dimension stage: where more dimensions stop paying, next to where the rule says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from pipeline.report.language import _
from pipeline.report.palette import BLUE, MARKERS, SERIES
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table

NOISE = 0.01  # nats between two seeds of a short run


def embeddings(axis: Axes, report: Mapping[str, Any], curve: pd.DataFrame) -> None:
    """What is lost against the best dimension; a ring at nine tenths of the gain, a broken line at the rule."""
    known = curve.dropna(subset=["dimension"])
    for number, (size, rows) in enumerate(known.groupby("vocabulary")):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        found = report["knees"][str(int(size))]
        lost = rows["dev_loss"] - rows["dev_loss"].min()
        axis.plot(rows["dimension"], lost, marker=marker, color=colour, label=f"N = {int(size):,}")
        knee = lost[rows["dimension"] == found["knee"]]
        axis.plot([found["knee"]], knee, "o", ms=11, mfc="none", color=colour)
        axis.axvline(found["rule"], color=colour, ls="--", lw=1)
    axis.set_xscale("log", base=2)
    axis.set_xticks(sorted(known["dimension"].unique()), [str(int(n)) for n in sorted(known["dimension"].unique())])
    axis.set_xlabel(_("dimension (ring: 9/10 of the gain; dashes: the rule)"))
    axis.set_ylabel(_("loss above its best, nats"))
    axis.legend()


def heads(axis: Axes, report: Mapping[str, Any], curve: pd.DataFrame) -> None:
    known = curve.dropna(subset=["head_size"])
    axis.plot(known["head_size"], known["head_dev_loss"], "o-", color=BLUE)
    middle, spread = known["head_dev_loss"].mean(), report["head_loss_spread"]
    axis.set_ylim(middle - max(spread, 10 * NOISE), middle + max(spread, 10 * NOISE))  # noise shall look like noise
    axis.axvline(report["measured_head_rule"], color=BLUE, ls="--", lw=1)
    axis.set_xscale("log", base=2)
    axis.set_xticks(known["head_size"], [str(int(size)) for size in known["head_size"]])
    axis.set_xlabel(
        _("head size at one width (dashes: the rule, L = {length})").format(length=report["measured_sequence"])
    )
    axis.set_ylabel(_("masked-token loss on dev, nats"))


def knees(run_data: RunData) -> str:
    """Where the dimensions stop paying, beside the rule, in one sentence."""
    found = sorted(run_data.report("dimension")["knees"].items(), key=lambda item: int(item[0]))
    each = _("{knee} at {tokens:,} tokens (the rule: {rule})")
    parts = [each.format(knee=int(k["knee"]), tokens=int(n), rule=k["rule"]) for n, k in found]
    below = sum(k["knee"] <= k["rule"] for n, k in found)
    conclusion = {len(found): _("the rule is on the safe side"), 0: _("the rule asks for too little")}.get(
        below, _("they disagree")
    )
    said = _("Nine tenths of what dimensions bring are there at {knees}: {conclusion}.")
    return said.format(knees=_(", ").join(parts), conclusion=conclusion)


def heads_say(run_data: RunData) -> str:
    report = run_data.report("dimension")
    spread, best = report["head_loss_spread"], int(report["best_head_size"])
    if spread > NOISE:
        return _("Head sizes differ by {spread:.3f} nats, {best} being the best.").format(spread=spread, best=best)
    return _("Head sizes differ by {spread:.3f} nats, which is noise.").format(spread=spread)


def table(run_data: RunData) -> Table:
    report = run_data.report("dimension")
    rows = [
        (
            _("token vectors"),
            _("{count} tokens").format(count=report["vocabulary"]),
            f"{report['embedding_log_formula']:.1f}",
            str(report["embedding_rule"]),
            str(report["embedding_size"]),
        ),
        (
            _("attention heads"),
            _("{count} positions").format(count=report["sequence"]),
            f"{report['head_log_formula']:.1f}",
            str(report["head_rule"]),
            str(report["head_size"]),
        ),
    ]
    head = (_("what"), "N", "8.33 log N", _("smallest n by the exact rule"), _("chosen"))
    return Table(head=head, rows=rows, stages=("dimension",))
