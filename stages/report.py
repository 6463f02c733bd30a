"""report: everything the stages found, on one page a person can look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages import runner
from stages.page import dimension, figures, html, similarity, tables, tasks
from stages.page.ledger import Ledger, savings

REPORTS = Path("reports")


def sections(ledger: Ledger, drawn: Mapping[str, Path]) -> dict[str, Sequence[str]]:
    vae = ledger.examples("vmf_vae")
    return {
        "At a glance": [html.table(tables.main(ledger))],
        "Pretraining and widening": [
            html.figure(drawn["pretraining"], "MLM dev loss against FLOPs"),
            html.note(savings_sentence(ledger)),
            html.table(tables.widening(ledger)),
        ],
        "Sentence similarity": [
            html.figure(drawn["similarity"], "recall and Spearman of the encoders"),
            *similarity.section(ledger),
        ],
        "Text VAE": [
            html.figure(drawn["kl"], "KL and reconstruction over training"),
            html.table(tables.vae(ledger)),
            html.note("Reconstructions of held-out sentences from a point on the sphere:"),
            html.beside(vae["vmf"]["reconstructions"], "sentence", "output"),
            html.note("Along the great circle between the first two:"),
            html.table(tables.Table(head=("t", "sentence"), rows=_numbered(vae["vmf"]["interpolation"]))),
            html.note("Decoded from the uniform prior:"),
            html.table(tables.Table(head=("#", "sentence"), rows=_numbered(vae["vmf"]["samples"]))),
            html.note("Training sentences nearest to the held-out ones on the sphere:"),
            html.beside(vae["vmf"]["neighbours"], "sentence", "output"),
            *sphere(drawn),
        ],
        "Tasks": [
            html.figure(drawn["tasks"], "task scores beside baselines"),
            *map(html.note, verdicts(ledger)),
            *tasks.section(ledger),
        ],
        "The dimension rule": [
            html.table(tables.dimension(ledger)),
            html.figure(drawn["dimension"], "skip-gram loss against dimension, MLM loss against head size"),
            html.note(dimension.sentence(ledger)),
        ],
        "Data and time": [
            html.folded("what was read, kept and dropped", html.table(tables.data(ledger))),
            html.folded("how long it took on this machine", html.table(tables.speed(ledger))),
        ],
    }


def sphere(drawn: Mapping[str, Path]) -> list[str]:
    """The figure of the latent sphere, or why there is none."""
    if "sphere" not in drawn:
        return [
            html.note("The latent sphere is not shown: the task sentiment, whose labels would tell, was not prepared.")
        ]
    return [
        html.note("Held-out sentences on the latent sphere, along the labels' mean directions in the training data:"),
        html.figure(drawn["sphere"], "the latent sphere by label"),
    ]


def _numbered(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(str(number), line or "(nothing)") for number, line in enumerate(lines)]


def savings_sentence(ledger: Ledger) -> str:
    if ledger.scratch is None:
        return "The control (pretrain_scratch) is switched off, so nothing is said about savings."
    saved = savings(ledger)
    if saved is None:
        return "The control from random weights ended with the lower loss: at this budget widening saved nothing."
    begun = ledger.report("pretrain_wide")["dev_loss_at_start"] <= ledger.scratch["dev_loss"]
    when = "from its first step on, so with at least" if begun else "with"
    return f"The widened model was at the control's final dev loss {when} {saved:.0%} fewer FLOPs, narrow run included."


def verdicts(ledger: Ledger) -> list[str]:
    """One plain sentence a task."""
    found = []
    for name in ledger.tasks:
        report = ledger.task(name)
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


def summary(ledger: Ledger) -> str:
    lines = ["# rosphere: report", "", tables.main(ledger).markdown(), "", savings_sentence(ledger), ""]
    return "\n".join([*lines, *(f"- {verdict}" for verdict in verdicts(ledger)), ""])


def main() -> None:
    with runner.stage("report") as job:
        ledger = Ledger(folder=REPORTS, tasks=job.scalar("tasks", list[str]))
        drawn = figures.draw(ledger, REPORTS / "figures")
        page = html.page("rosphere: report", sections(ledger, drawn))
        (REPORTS / "index.html").write_text(page, encoding="utf-8")
        (REPORTS / "summary.md").write_text(summary(ledger), encoding="utf-8")
        for path in (REPORTS / "index.html", REPORTS / "summary.md", REPORTS / "figures"):
            job.artifact(path)


if __name__ == "__main__":
    main()
