"""What the page says of the tasks: where each one goes wrong, and what others report for CLUE's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.language import _, sentences
from pipeline.report.run_data import RunData
from pipeline.report.tables import Table
from pipeline.report.wording import in_words, known
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
    first = _("The first wrong rows of {count}:").format(count=found["wrong_rows"])
    parts += [html.note(first), html.table(wrong(found))]
    parts.append(html.source([f"evaluate@{name}"], addresses))
    return html.folded(_("{name}: where it is wrong").format(name=name), *parts)


def confusion(found: dict[str, Any]) -> Table:
    """Gold down, predicted across; with many labels the commonest confusions instead."""
    counts = {(gold, guess): count for gold, guess, count in found["confusion"]}
    labels = sorted({label for pair in counts for label in pair})
    if len(labels) > WHOLE_MATRIX:
        worst = [(gold, guess, str(n)) for gold, guess, n in found["confusion"] if gold != guess]
        return Table(head=(_("gold"), _("predicted"), _("rows")), rows=worst[:WHOLE_MATRIX])
    rows = [(gold, *(str(counts.get((gold, guess), 0)) for guess in labels)) for gold in labels]
    return Table(head=(_("gold \\ predicted"), *labels), rows=rows)


def classes(found: dict[str, Any]) -> Table:
    rows = [
        (each["label"], *(f"{each[key]:.3f}" for key in ("precision", "recall", "f1")), str(each["gold"]))
        for each in found["classes"]
    ]
    return Table(head=(_("class"), _("precision"), _("recall"), "F1", _("in gold")), rows=rows)


def lengths(found: dict[str, Any], metric: str) -> Table:
    rows = [(_between(each["from"], each["to"]), str(each["rows"]), f"{each[metric]:.3f}") for each in found["lengths"]]
    return Table(head=(_("characters"), _("rows"), known(metric)), rows=rows)


def _between(least: int, end: int | None) -> str:
    if end is None:
        return _("{least} or more").format(least=least)
    return _("{least} to {most}").format(least=least, most=end - 1)


def wrong(found: dict[str, Any]) -> Table:
    rows = [
        (str(each["row"]), " | ".join(map(_short, each["texts"])), _said(each["gold"]), _said(each["prediction"]))
        for each in found["wrong"]
    ]
    return Table(head=(_("row"), _("text"), _("gold"), _("predicted")), rows=rows)


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
        rows += [(name, known(each.system), f"{each.figures[name]:.2f}", known(each.source)) for each in others]
        if split == "dev":
            kept = _("this run, {train} training rows, {dev} dev rows")
            kept = kept.format(train=report["train_rows"], dev=report["dev_rows"])
            rows.append((name, "rosphere", f"{100 * report['score']:.2f}", kept))
    stages = [f"evaluate@{row[0]}" if row[1] == "rosphere" else "" for row in rows]
    head = (_("task"), _("system"), _("{split}, per cent").format(split=in_words(split)), _("source"))
    return Table(head=head, rows=rows, stages=stages, linked=2) if rows else None


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    """What was found, published figures, dev and test apart, then every task's mistakes."""
    parts = [*map(html.note, findings(run_data))]
    dev, test = beside(run_data, "dev"), beside(run_data, "test")
    if dev:
        title = _("published scores on dev, for the CLUE tasks of this run")
        parts.append(html.folded(title, html.table(dev, addresses)))
    if test:
        said = _("Published scores on the hidden test sets; no score of ours can stand beside them but one from CLUE:")
        title = _("published scores on the hidden test sets")
        parts.append(html.folded(title, html.note(said), html.table(test, addresses)))
    return [*parts, *(details(run_data, name, addresses) for name in run_data.tasks)]


def findings(run_data: RunData) -> list[str]:
    """What was found of each task, in a few plain sentences."""
    return [sentences(_finding(name, run_data.task(name))) for name in run_data.tasks]


def _finding(name: str, report: Mapping[str, Any]) -> Iterator[str]:
    yield _compared(name, report)
    if report["score"] <= report["baseline"] and report["train_rows"] <= FEW:
        few = _("It has {rows} training rows: with so few, counting learns more than fine-tuning.")
        yield few.format(rows=report["train_rows"])
    if report.get("dev_cut_share", 0) > MANY:
        yield _("{share:.0%} of these rows are cut at max_length.").format(share=report["dev_cut_share"])
    yield from (_tested(report, key) for key in report if key.startswith("test") and key.endswith("_score"))
    if apart := report.get("selected_on_train_rows"):
        chosen = _("The epoch was chosen on {rows} training rows set apart ({share:.0%}), never on these.")
        yield chosen.format(rows=apart, share=report["select_share"])


def _compared(name: str, report: Mapping[str, Any]) -> str:
    """The score beside both baselines."""
    above, below = _("above"), _("NOT above")
    return _(
        "{name}: {metric} {score:.3f}{spread} on {rows} dev rows, {first} the majority baseline ({majority:.3f}) and "
        "{second} {baseline} ({simple:.3f})."
    ).format(
        name=name,
        metric=known(report["metric"]),
        score=report["score"],
        spread=_spread(report),
        rows=report["dev_rows"],
        first=above if report["score"] > report["majority"] else below,
        majority=report["majority"],
        second=above if report["score"] > report["baseline"] else below,
        baseline=known(report["baseline_name"]),
        simple=report["baseline"],
    )


def _tested(report: Mapping[str, Any], key: str) -> str:
    """What was measured on a test set of one's own that has answers."""
    split = key.removesuffix("_score")
    return _("On its {rows} {split} rows: {score:.3f} (majority {majority:.3f}, {baseline} {simple:.3f}).").format(
        rows=report[f"{split}_rows"],
        split=in_words(split),
        score=report[key],
        majority=report[f"{split}_majority"],
        baseline=known(report["baseline_name"]),
        simple=report[f"{split}_baseline"],
    )


def _spread(report: Mapping[str, Any]) -> str:
    """Standard deviation over the seeds, where there are several."""
    if "scores" not in report:
        return ""
    return _(" ± {spread:.3f} over {count} seeds").format(spread=report["score_std"], count=len(report["scores"]))
