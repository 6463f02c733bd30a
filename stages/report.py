"""report: everything the stages found, on one page a person can look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.report import changes, figures, headline, history, html, runs, similarity, tables, tasks
from pipeline.report.figures import Figure
from pipeline.report.run_data import RunData, savings
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
        "Pretraining and widening": [
            shown("pretraining"),
            html.note(savings_sentence(run_data)),
            html.table(tables.widening(run_data), addresses),
        ],
        "Sentence similarity": [shown("recall", "spearman"), *similarity.section(run_data, addresses)],
        "Text VAE": [
            shown("kl", "reconstruction"),
            html.folded("everything measured on held-out sentences", html.table(tables.vae(run_data), addresses)),
            *written(run_data),
            *sphere(drawn, addresses),
        ],
        "Tasks": [shown("tasks"), *map(html.note, findings(run_data)), *tasks.section(run_data, addresses)],
        "The dimension rule": [html.table(tables.dimension(run_data), addresses), shown("vectors", "heads")],
        "Data and time": [
            html.folded("what was read, kept and dropped", html.table(tables.data(run_data), addresses)),
            html.folded("how long it took on this machine", html.table(tables.speed(run_data), addresses)),
        ],
    }


def written(run_data: RunData) -> list[Markup]:
    """Sentences that the text VAE wrote."""
    vae = run_data.examples("evaluate_vae-vmf")
    head = ("#", "sentence")
    between = tables.Table(head=("t", "sentence"), rows=_numbered(vae["interpolation"]))
    drawn = tables.Table(head=head, rows=_numbered(vae["samples"]))
    return [
        html.folded(
            "reconstructions of held-out sentences from a point on the sphere",
            html.beside(vae["reconstructions"], "sentence", "output"),
        ),
        html.folded("along the great circle between the first two", html.table(between)),
        html.folded("decoded from the uniform prior", html.table(drawn)),
        html.folded(
            "training sentences nearest to the held-out ones on the sphere",
            html.beside(vae["neighbours"], "sentence", "output"),
        ),
    ]


def sphere(drawn: Mapping[str, Figure], addresses: Mapping[str, str]) -> list[Markup]:
    """The figure of the latent sphere, or why there is none."""
    if "sphere" in drawn:
        return [html.figures(html.figure(drawn["sphere"].path, drawn["sphere"].caption, addresses))]
    return [html.note("The latent sphere is not shown: the task sentiment, whose labels would tell, was not prepared.")]


def origin(run_data: RunData) -> str:
    """Where the page was written."""
    commit = history.last(run_data.folder)
    return f"Written at commit {commit.name} of {commit.date}." if commit else "Written outside a git repository."


def _numbered(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(str(number), line or "(nothing)") for number, line in enumerate(lines)]


def savings_sentence(run_data: RunData) -> str:
    if run_data.scratch is None:
        return "The control (pretrain_scratch) is switched off, so nothing is said about savings."
    saved = savings(run_data)
    if saved is None:
        return "The control from random weights ended with the lower loss: at this budget widening saved nothing."
    begun = run_data.report("pretrain_wide")["dev_loss_at_start"] <= run_data.scratch["dev_loss"]
    when = "from its first step on, so with at least" if begun else "with"
    return f"The widened model was at the control's final dev loss {when} {saved:.0%} fewer FLOPs, narrow run included."


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
        if report.get("selected_on_dev"):
            parts.append("The epoch was chosen on these dev rows, so the score flatters.")
        found.append(" ".join(parts))
    return found


def _spread(report: Mapping[str, Any]) -> str:
    """Standard deviation over the seeds, where there are several."""
    return f" ± {report['score_std']:.3f} over {len(report['scores'])} seeds" if "scores" in report else ""


def summary(run_data: RunData) -> str:
    lines = ["# rosphere: report", "", tables.main(run_data).markdown(), "", savings_sentence(run_data), ""]
    return "\n".join([*lines, *(f"- {finding}" for finding in findings(run_data)), ""])


def scores(run_data: RunData) -> str:
    """One line a task, for the plot of DVC that puts two revisions side by side."""
    frame = pd.DataFrame([run_data.task(name) for name in run_data.tasks], columns=["score", "baseline", "majority"])
    frame.insert(0, "task", run_data.tasks)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def main() -> None:
    with runner.stage("report") as job:
        tasks_, variants = job.scalar("tasks", list[str]), job.scalar("vmf_vae.variants", list[str])
        run_data = RunData(folder=REPORTS, tasks=tasks_, variants=variants)
        drawn = figures.draw(run_data, REPORTS / "figures")
        page = html.page("rosphere: report", sections(run_data, drawn), origin=origin(run_data))
        (REPORTS / "index.html").write_text(page, encoding="utf-8")
        (REPORTS / "summary.md").write_text(summary(run_data), encoding="utf-8")
        (REPORTS / "scores.csv").write_text(scores(run_data), encoding="utf-8")
        for path in (REPORTS / "index.html", REPORTS / "summary.md", REPORTS / "scores.csv", REPORTS / "figures"):
            job.artifact(path)


if __name__ == "__main__":
    main()
