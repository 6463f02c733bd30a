"""report: everything the stages found, on one page a person can look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    pretraining,
    runs,
    similarity,
    tables,
    tasks,
    vae,
)
from pipeline.report.figures import Figure
from pipeline.report.run_data import RunData
from pipeline.run import runner

REPORTS = Path("reports")


def sections(run_data: RunData, drawn: Mapping[str, Figure]) -> dict[str, Sequence[Markup]]:
    addresses = runs.addresses(run_data)

    def shown(*names: str) -> Markup:
        found = [drawn[name] for name in names if name in drawn]
        return html.figures(*(html.figure(each.path, each.caption, addresses) for each in found))

    return {
        "In short": headline.section(run_data, addresses),
        "Since the last commit": changes.section(run_data, addresses),
        "At a glance": [html.table(tables.main(run_data), addresses)],
        pretraining.DECLARATION.title: [
            shown(*pretraining.DECLARATION.figures),
            *pretraining.section(run_data, addresses),
        ],
        similarity.DECLARATION.title: [
            shown(*similarity.DECLARATION.figures),
            *similarity.section(run_data, addresses),
        ],
        vae.DECLARATION.title: [
            shown(*vae.DECLARATION.figures),
            *vae.section(run_data, addresses),
            *sphere(drawn, addresses),
        ],
        tasks.DECLARATION.title: [shown(*tasks.DECLARATION.figures), *tasks.section(run_data, addresses)],
        dimension.DECLARATION.title: [
            html.table(dimension.table(run_data), addresses),
            shown(*dimension.DECLARATION.figures),
        ],
        "Data and time": [
            html.folded("what was read, kept and dropped", html.table(tables.data(run_data), addresses)),
            html.folded("how long it took on this machine", html.table(tables.speed(run_data), addresses)),
        ],
    }


def sphere(drawn: Mapping[str, Figure], addresses: Mapping[str, str]) -> list[Markup]:
    """The figure of the latent sphere, or why there is none."""
    if "sphere" in drawn:
        return [html.figures(html.figure(drawn["sphere"].path, drawn["sphere"].caption, addresses))]
    return [html.note("The latent sphere is not shown: the task sentiment, whose labels would tell, was not prepared.")]


def origin(run_data: RunData) -> str:
    """Where the page was written."""
    commit = history.last(run_data.folder)
    return f"Written at commit {commit.name} of {commit.date}." if commit else "Written outside a git repository."


def summary(run_data: RunData) -> str:
    lines = ["# rosphere: report", "", tables.main(run_data).markdown(), "", pretraining.savings_sentence(run_data), ""]
    return "\n".join([*lines, *(f"- {finding}" for finding in tasks.findings(run_data)), ""])


def scores(run_data: RunData) -> str:
    """One line a task, for the plot of DVC that puts two revisions side by side."""
    frame = pd.DataFrame([run_data.task(name) for name in run_data.tasks], columns=["score", "baseline", "majority"])
    frame.insert(0, "task", run_data.tasks)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def main() -> None:
    with runner.stage("report") as job:
        named, variants = job.scalar("tasks", list[str]), job.scalar("vmf_vae.variants", list[str])
        run_data = RunData(folder=REPORTS, tasks=named, variants=variants)
        drawn = figures.draw(run_data, REPORTS / "figures")
        page = html.page("rosphere: report", sections(run_data, drawn), origin=origin(run_data))
        (REPORTS / "index.html").write_text(page, encoding="utf-8")
        (REPORTS / "summary.md").write_text(summary(run_data), encoding="utf-8")
        (REPORTS / "scores.csv").write_text(scores(run_data), encoding="utf-8")
        for path in (REPORTS / "index.html", REPORTS / "summary.md", REPORTS / "scores.csv", REPORTS / "figures"):
            job.artifact(path)


if __name__ == "__main__":
    main()
