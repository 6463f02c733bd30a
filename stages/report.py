"""report: everything the stages found, on one page a person can look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from pipeline.report import (
    changes,
    dimension,
    figures,
    headline,
    history,
    html,
    language,
    pretraining,
    runs,
    similarity,
    subject,
    tables,
    tasks,
    vae,
)
from pipeline.report.figures import Figure
from pipeline.report.language import N_, _
from pipeline.report.run_data import RunData
from pipeline.run import runner
from pipeline.workspace import declaration

REPORTS = Path("reports")
TITLE = N_("rosphere: report")


def the_rule(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    return [html.table(dimension.table(run_data), addresses)]


def data_and_time(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    return [
        html.folded(_("what was read, kept and dropped"), html.table(tables.data(run_data), addresses)),
        html.folded(
            _("what is held out and was left out of training"), html.table(tables.held_out(run_data), addresses)
        ),
        html.folded(_("how long it took on this machine"), html.table(tables.speed(run_data), addresses)),
    ]


# What the page says in words of its own, below the title of this stage. All other subjects: pipeline/report/subject.py.
OWN: Mapping[str, Callable[[RunData, Mapping[str, str]], Sequence[Markup]]] = {
    "widen": pretraining.section,
    "evaluate_similarity": similarity.section,
    "evaluate_vae": vae.section,
    "evaluate": tasks.section,
    "dimension": the_rule,
    "prepare": data_and_time,
}


def sections(run_data: RunData, drawn: Mapping[str, Figure]) -> dict[str, Sequence[Markup]]:
    """By title in English, which the page translates."""
    addresses = runs.addresses(run_data)
    own = {run_data.declared[word].title: section for word, section in OWN.items()}
    *first, last = own
    titles = dict.fromkeys([*first, *(each.title for each in run_data.declared.values() if each.title != last), last])
    return {
        N_("In short"): headline.section(run_data, addresses),
        N_("Since the last commit"): changes.section(run_data, addresses),
        N_("At a glance"): [html.table(tables.main(run_data), addresses)],
        **{
            title: [
                *shown(run_data, title, drawn, addresses),
                *(own[title](run_data, addresses) if title in own else subject.section(run_data, title, addresses)),
            ]
            for title in titles
        },
    }


def shown(run_data: RunData, title: str, drawn: Mapping[str, Figure], addresses: Mapping[str, str]) -> list[Markup]:
    """The figures of one section."""
    names = [name for each in run_data.of_title(title).values() for name in each.figure_names if name in drawn]
    found = [html.figure(drawn[name].path, drawn[name].caption, addresses) for name in names]
    return [html.figures(*found)] if found else []


def origin(run_data: RunData) -> str:
    """Where the page was written."""
    commit = history.last(run_data.folder)
    if commit is None:
        return _("Written outside a git repository.")
    return _("Written at commit {name} of {date}.").format(name=commit.name, date=commit.date)


def summary(run_data: RunData) -> str:
    lines = [f"# {_(TITLE)}", "", tables.main(run_data).markdown(), "", pretraining.savings_sentence(run_data), ""]
    return "\n".join([*lines, *(f"- {finding}" for finding in tasks.findings(run_data)), ""])


def scores(run_data: RunData) -> str:
    """One line a task, for the plot of DVC that puts two revisions side by side."""
    frame = pd.DataFrame([run_data.task(name) for name in run_data.tasks], columns=["score", "baseline", "majority"])
    frame.insert(0, "task", run_data.tasks)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def write(run_data: RunData) -> None:
    drawn = figures.draw(run_data, REPORTS / "figures")
    parts, beside = sections(run_data, drawn), runs.compared()
    page = html.page(TITLE, parts, origin=origin(run_data), beside=beside)
    (REPORTS / "index.html").write_text(page, encoding="utf-8")
    (REPORTS / "summary.md").write_text(summary(run_data), encoding="utf-8")
    (REPORTS / "scores.csv").write_text(scores(run_data), encoding="utf-8")


def main() -> None:
    with runner.stage("report") as job:
        declared = declaration.read(Path("stages"))
        items = {each.items: job.scalar(each.items, list[str]) for each in declared.values() if each.items}
        run_data = RunData(folder=REPORTS, declared=declared, items=items)
        with language.spoken(job.section(language.Report).language):
            write(run_data)
        for path in (REPORTS / "index.html", REPORTS / "summary.md", REPORTS / "scores.csv", REPORTS / "figures"):
            job.artifact(path)


if __name__ == "__main__":
    main()
