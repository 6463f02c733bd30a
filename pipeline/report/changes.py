"""What got better or worse since the last commit: `dvc metrics diff` in a reader's order.

HEAD is that of the moment when the page was written, and the page names it: a commit by itself makes no stage stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from pipeline.report import history, html
from pipeline.report.language import N_, _
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table
from pipeline.workspace import paths
from pipeline.workspace.declaration import Better, Declaration

Outcome = Literal["better", "worse", "changed"]
SHOWN = 12
SIGNS = {outcome: sign for sign, outcome in html.OUTCOMES.items()}
SAID = {"better": N_("better"), "worse": N_("worse"), "changed": N_("changed")}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One metric that moved."""

    stage: str
    key: str  # "table.roformer_sim.recall_at_1"
    before: float
    now: float
    better: Better | None = None
    main: bool = False  # one that the top of the page speaks of

    @property
    def outcome(self) -> Outcome:
        gain = {"higher": 1, "lower": -1, None: 0}[self.better] * (self.now - self.before)
        return "better" if gain > 0 else "worse" if gain < 0 else "changed"

    @property
    def relative(self) -> float:
        return abs(self.now - self.before) / abs(self.before) if self.before else float("inf")

    @property
    def rank(self) -> tuple[bool, int, bool, float]:
        """Known directions first, then results before details, each by the size of the change."""
        return (self.better is None, self.key.count("."), not self.main, -self.relative)


@dataclass(frozen=True, kw_only=True)
class Changes:
    moved: list[Change]
    same: int
    new: int
    gone: int


def compared(run_data: RunData) -> Changes | None:
    """None where HEAD has none of the reports, or nobody knows."""
    diff = history.metrics_diff(run_data.folder) or {}
    stages = {name: numbers(diff.get(_file(name), {})) for name in run_data.stages}
    # A report that HEAD does not have at all is that of a new task or stage, and nothing has changed in it.
    known = {stage: found for stage, found in stages.items() if any(old is not None for old, _ in found.values())}
    pairs = [(stage, key, old, new) for stage, found in known.items() for key, (old, new) in found.items()]
    both = [
        change(run_data.declared, stage, key, old, new)
        for stage, key, old, new in pairs
        if old is not None and new is not None
    ]
    moved = sorted((each for each in both if each.before != each.now), key=lambda each: each.rank)
    new, gone = sum(old is None for *_, old, _ in pairs), sum(new is None for *_, new in pairs)
    return Changes(moved=moved, same=len(both) - len(moved), new=new, gone=gone) if known else None


def _file(name: str) -> str:
    """As `dvc metrics diff` calls a stage's report in the folder of reports."""
    return str(paths.report(name).relative_to(paths.REPORTS))


def change(declared: Mapping[str, Declaration], stage: str, key: str, before: float, now: float) -> Change:
    """With what the stage declares of the metric."""
    own = declared[stage.partition("@")[0]]
    return Change(stage=stage, key=key, before=before, now=now, better=own.better(key), main=own.main(key))


def numbers(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float | None, float | None]]:
    """Old and new by key, in the keys' order; texts, truth values and lists are not compared."""
    pairs = {key: (_number(metrics[key]["old"]), _number(metrics[key]["new"])) for key in sorted(metrics)}
    return {key: pair for key, pair in pairs.items() if pair != (None, None)}


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    commit, found = history.last(run_data.folder), compared(run_data)
    if commit is None:
        return [html.note(_("There is no git history here, so nothing is compared."))]
    named = {"name": commit.name, "date": commit.date, "subject": commit.subject}
    against = _("commit {name} of {date}, “{subject}”").format_map(named)
    if found is None:
        nothing = _("Nothing is compared: DVC finds no reports in the last commit ({commit}).")
        return [html.note(nothing.format(commit=against))]
    if not found.moved and not found.new and not found.gone:
        return [
            html.note(_("Every one of {count} numbers is as in {commit}.").format(count=found.same, commit=against))
        ]
    parts = [html.note(_("Against {commit}: {counts}.").format(commit=against, counts=counted(found)))]
    if found.moved:
        parts += [html.table(table(found.moved[:SHOWN]), addresses)]
    if len(found.moved) > SHOWN:
        rest = found.moved[SHOWN:]
        parts.append(
            html.folded(_("the other {count} changes").format(count=len(rest)), html.table(table(rest), addresses))
        )
    if any(change.outcome != "changed" for change in found.moved):
        parts.append(
            html.aside(_("Two runs are compared. Whether a small difference is chance, only more seeds can tell."))
        )
    return parts


def counted(found: Changes) -> str:
    outcomes = [change.outcome for change in found.moved]
    said = {_("{count} better"): outcomes.count("better"), _("{count} worse"): outcomes.count("worse")}
    more = {
        _("{count} changed without a better or worse"): outcomes.count("changed"),
        _("{count} the same"): found.same,
        _("{count} new"): found.new,
        _("{count} gone"): found.gone,
    }
    counts = said | {text: count for text, count in more.items() if count}
    return _(", ").join(text.format(count=count) for text, count in counts.items())


def table(moved: list[Change]) -> Table:
    rows = [
        (
            f"{SIGNS[each.outcome]} {_(SAID[each.outcome])}",
            each.stage,
            each.key.replace("_", " ").replace(".", " › "),
            f"{each.before:.6g}",
            f"{each.now:.6g}",
            _percent(each),
        )
        for each in moved
    ]
    head = ("", _("stage"), _("metric"), _("before"), _("now"), _("change"))
    return Table(head=head, rows=rows, stages=[each.stage for each in moved], linked=4)


def _percent(change: Change) -> str:
    return f"{(change.now - change.before) / abs(change.before):+.1%}" if change.before else _("from zero")
