"""What the page says of the tasks: where each one goes wrong, and what others report for CLUE's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table
from rosphere.clue import published

WHOLE_MATRIX = 16  # labels; of more only the commonest confusions are shown
FEW = 2000  # training rows up to which that is the reason given where a baseline is not beaten
MANY = 0.05  # share of cut rows from which on it is said
LONGEST = 160  # characters of a text that are shown


def details(run_data: RunData, name: str, addresses: Mapping[str, str]) -> Markup:
    """One folded part a task: confusions, classes, lengths, the first wrong rows."""
    found, report = run_data.analysis(name), run_data.task(name)
    parts = [html.table(lengths(found, report["metric"]))]
    if found["classes"]:
        parts = [html.table(confusion(found)), html.table(classes(found)), *parts]
    parts += [html.note(f"The first wrong rows of {found['wrong_rows']}:"), html.table(wrong(found))]
    parts.append(html.source([f"evaluate@{name}"], addresses))
    return html.folded(f"{name}: where it is wrong", *parts)


def confusion(found: dict[str, Any]) -> Table:
    """Gold down, predicted across; with many labels the commonest confusions instead."""
    counts = {(gold, guess): count for gold, guess, count in found["confusion"]}
    labels = sorted({label for pair in counts for label in pair})
    if len(labels) > WHOLE_MATRIX:
        worst = [(gold, guess, str(n)) for gold, guess, n in found["confusion"] if gold != guess]
        return Table(head=("gold", "predicted", "rows"), rows=worst[:WHOLE_MATRIX])
    rows = [(gold, *(str(counts.get((gold, guess), 0)) for guess in labels)) for gold in labels]
    return Table(head=("gold \\ predicted", *labels), rows=rows)


def classes(found: dict[str, Any]) -> Table:
    rows = [
        (each["label"], *(f"{each[key]:.3f}" for key in ("precision", "recall", "f1")), str(each["gold"]))
        for each in found["classes"]
    ]
    return Table(head=("class", "precision", "recall", "F1", "in gold"), rows=rows)


def lengths(found: dict[str, Any], metric: str) -> Table:
    rows = [
        (f"{each['from']} to {each['to'] - 1}" if each["to"] else f"{each['from']} or more", str(each["rows"]))
        + (f"{each[metric]:.3f}",)
        for each in found["lengths"]
    ]
    return Table(head=("characters", "rows", metric), rows=rows)


def wrong(found: dict[str, Any]) -> Table:
    rows = [
        (str(each["row"]), " | ".join(map(_short, each["texts"])), _said(each["gold"]), _said(each["prediction"]))
        for each in found["wrong"]
    ]
    return Table(head=("row", "text", "gold", "predicted"), rows=rows)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _said(value: Any) -> str:
    """A label as it is; entities and answers as short JSON."""
    return value if isinstance(value, str) else _short(json.dumps(value, ensure_ascii=False))


def beside(run_data: RunData, split: Literal["dev", "test"]) -> Table | None:
    """Published figures for the CLUE tasks of this run, ours among them on dev; None where there are none."""
    rows: list[tuple[str, str, str, str]] = []
    for name in run_data.tasks:
        report = run_data.task(name)
        others = published.beside(name, split) if report["clue"] else []
        if not others:
            continue
        rows += [(name, each.system, f"{each.figures[name]:.2f}", each.source) for each in others]
        if split == "dev":
            kept = f"this run, {report['train_rows']} training rows, {report['dev_rows']} dev rows"
            rows.append((name, "rosphere", f"{100 * report['score']:.2f}", kept))
    stages = [f"evaluate@{row[0]}" if row[1] == "rosphere" else "" for row in rows]
    head = ("task", "system", f"{split}, per cent", "source")
    return Table(head=head, rows=rows, stages=stages, linked=2) if rows else None


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    """What was found, published figures, dev and test apart, then every task's mistakes."""
    parts = [*map(html.note, findings(run_data))]
    dev, test = beside(run_data, "dev"), beside(run_data, "test")
    if dev:
        parts.append(html.folded("published scores on dev, for the CLUE tasks of this run", html.table(dev, addresses)))
    if test:
        said = "Published scores on the hidden test sets; no score of ours can stand beside them but one from CLUE:"
        folded = html.folded("published scores on the hidden test sets", html.note(said), html.table(test, addresses))
        parts.append(folded)
    return [*parts, *(details(run_data, name, addresses) for name in run_data.tasks)]


def findings(run_data: RunData) -> list[str]:
    """One plain sentence a task."""
    found = []
    for name in run_data.tasks:
        report = run_data.task(name)
        parts = [
            f"{name}: {report['metric']} {report['score']:.3f}{_spread(report)} on {report['dev_rows']} dev rows,",
            "above" if report["score"] > report["majority"] else "NOT above",
            f"the majority baseline ({report['majority']:.3f}) and",
            "above" if report["score"] > report["baseline"] else "NOT above",
            f"{report['baseline_name']} ({report['baseline']:.3f}).",
        ]
        if report["score"] <= report["baseline"] and report["train_rows"] <= FEW:
            few = f"It has {report['train_rows']} training rows"
            parts.append(f"{few}: with so few, counting learns more than fine-tuning.")
        if report.get("dev_cut_share", 0) > MANY:
            parts.append(f"{report['dev_cut_share']:.0%} of these rows are cut at max_length.")
        parts += [_tested(report, key) for key in report if key.startswith("test") and key.endswith("_score")]
        if report.get("selected_on_train_rows"):
            parts.append(
                f"The epoch was chosen on {report['selected_on_train_rows']} training rows set apart"
                f" ({report['select_share']:.0%}), never on these."
            )
        found.append(" ".join(parts))
    return found


def _tested(report: Mapping[str, Any], key: str) -> str:
    """What was measured on a test set of one's own that has answers."""
    split = key.removesuffix("_score")
    return (
        f"On its {report[f'{split}_rows']} {split} rows: {report[key]:.3f} (majority {report[f'{split}_majority']:.3f},"
        f" {report['baseline_name']} {report[f'{split}_baseline']:.3f})."
    )


def _spread(report: Mapping[str, Any]) -> str:
    """Standard deviation over the seeds, where there are several."""
    return f" ± {report['score_std']:.3f} over {len(report['scores'])} seeds" if "scores" in report else ""
