"""What got better or worse since the last commit: `dvc metrics diff` in a reader's order.

HEAD is that of the moment when the page was written, and the page names it: a commit by itself makes no stage stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from pipeline.report import history, html
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table
from pipeline.workspace import paths
from pipeline.workspace.declaration import Better, Declaration

Outcome = Literal["better", "worse", "changed"]
SHOWN = 12
SIGNS = {"better": "▲", "worse": "▼", "changed": "◆"}


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
        return [html.note("There is no git history here, so nothing is compared.")]
    against = f"commit {commit.name} of {commit.date}, “{commit.subject}”"
    if found is None:
        return [html.note(f"Nothing is compared: DVC finds no reports in the last commit ({against}).")]
    if not found.moved and not found.new and not found.gone:
        return [html.note(f"Every one of {found.same} numbers is as in {against}.")]
    parts = [html.note(f"Against {against}: {counted(found)}.")]
    if found.moved:
        parts += [html.table(table(found.moved[:SHOWN]), addresses)]
    if len(found.moved) > SHOWN:
        rest = found.moved[SHOWN:]
        parts.append(html.folded(f"the other {len(rest)} changes", html.table(table(rest), addresses)))
    if any(change.outcome != "changed" for change in found.moved):
        parts.append(
            html.aside("Two runs are compared. Whether a small difference is chance, only more seeds can tell.")
        )
    return parts


def counted(found: Changes) -> str:
    outcomes = [change.outcome for change in found.moved]
    said = [f"{outcomes.count('better')} better", f"{outcomes.count('worse')} worse"]
    more = {"changed without a better or worse": outcomes.count("changed"), "the same": found.same}
    more |= {"new": found.new, "gone": found.gone}
    return ", ".join([*said, *(f"{count} {word}" for word, count in more.items() if count)])


def table(moved: list[Change]) -> Table:
    rows = [
        (
            f"{SIGNS[each.outcome]} {each.outcome}",
            each.stage,
            each.key.replace("_", " ").replace(".", " › "),
            f"{each.before:.6g}",
            f"{each.now:.6g}",
            _percent(each),
        )
        for each in moved
    ]
    head = ("", "stage", "metric", "before", "now", "change")
    return Table(head=head, rows=rows, stages=[each.stage for each in moved], linked=4)


def _percent(change: Change) -> str:
    return f"{(change.now - change.before) / abs(change.before):+.1%}" if change.before else "from zero"
