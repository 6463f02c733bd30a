"""The numbers of the report as tables: a title, a head, rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.run_data import RunData, savings


@dataclass(frozen=True, kw_only=True)
class Table:
    """`stages`: where each row comes from, as many as rows, or where all of them do."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    stages: Sequence[str] = ()
    linked: int = -1  # the column whose cells link to the rows' runs

    def markdown(self) -> str:
        lines = ["| " + " | ".join(self.head) + " |", "|" + " --- |" * len(self.head)]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])


STAGES = {
    "widening": "widen",
    "pretraining": "pretrain_wide",
    "RoFormer-Sim": "evaluate_similarity",
    "vMF-VAE": "evaluate_vae-vmf",
}


def main(run_data: RunData) -> Table:
    """One line per system: what it should do and what it did."""
    words = ("widen", "pretrain", "pretrain_wide", "evaluate_similarity")
    (widen, narrow, wide, sim), vae = map(run_data.report, words), run_data.vae("vmf")
    gap, table = widen["max_logit_gap"], sim["table"]
    rows = [
        ("widening", "largest logit change, float64 / float32", f"{gap['float64']:.1e} / {gap['float32']:.1e}"),
        ("widening", "dev loss before / after widening", f"{narrow['dev_loss']:.4f} / {wide['dev_loss_at_start']:.4f}"),
        (
            "pretraining",
            "dev loss narrow / widened and trained on",
            f"{narrow['dev_loss']:.3f} / {wide['dev_loss']:.3f}",
        ),
        *_control(run_data),
        (
            "RoFormer-Sim",
            "recall@1 on held-out groups (untrained mean / TF-IDF)",
            _against(sim, table, "recall_at_1"),
        ),
        (
            "RoFormer-Sim",
            "Spearman with the grades (untrained mean / TF-IDF)",
            _against(sim, table, "spearman"),
        ),
        ("vMF-VAE", "KL measured / closed form, nats", f"{vae['kl']:.3f} / {vae['kl_closed_form']:.3f}"),
        *_vae(run_data),
        *(_task(run_data, name) for name in run_data.tasks),
    ]
    stages = [STAGES.get(system, f"evaluate-{system.rpartition(' ')[2]}") for system, _, _ in rows]
    return Table(head=("system", "measure", "value"), rows=rows, stages=stages)


def _against(sim: Mapping[str, Any], table: Mapping[str, Mapping[str, float]], key: str) -> str:
    """The trained encoder's value, and in brackets what it is held against."""
    return f"{sim[key]:.3f} ({table['untrained mean'][key]:.3f} / {table['TF-IDF'][key]:.3f})"


def _control(run_data: RunData) -> list[tuple[str, str, str]]:
    if run_data.scratch is None:
        return []
    saved = savings(run_data)
    said = "none: the control came out better" if saved is None else f"{saved:.0%}"
    return [
        ("pretraining", "dev loss from random weights, equal FLOPs", f"{run_data.scratch['dev_loss']:.3f}"),
        ("pretraining", "FLOPs saved at the control's final loss", said),
    ]


def _vae(run_data: RunData) -> list[tuple[str, str, str]]:
    """The VAE's value, and in brackets its baselines'."""
    vmf, baselines = run_data.vae("vmf"), run_data.vae_baselines
    names = f" ({' / '.join(baselines)})" if baselines else ""
    rows = []
    for key, measure, form in (
        ("ppl", "perplexity per token", ".0f"),
        ("mutual_information", "nats the latent tells of a sentence", ".2f"),
        ("token_accuracy", "tokens reconstructed", ".1%"),
        ("sample_repetition", "samples with a token three times in a row", ".1%"),
        ("reconstruction_repetition", "reconstructions with a token three times in a row", ".1%"),
    ):
        beside = " / ".join(format(each[key], form) for each in baselines.values())
        rows.append(("vMF-VAE", measure + names, format(vmf[key], form) + (f" ({beside})" if beside else "")))
    return rows


def _task(run_data: RunData, name: str) -> tuple[str, str, str]:
    report = run_data.task(name)
    beaten = "" if report["score"] > report["baseline"] else ", which is NOT beaten"
    kind = "CLUE" if report["clue"] else "sample task"
    chosen = ", epoch chosen on these rows" if report.get("selected_on_dev") else ""
    measure = f"{report['metric']} (majority / {report['baseline_name']}{beaten}){chosen}"
    return (
        f"{kind} {name}",
        measure,
        f"{report['score']:.3f} ({report['majority']:.3f} / {report['baseline']:.3f})",
    )


def data(run_data: RunData) -> Table:
    report = run_data.report("prepare")
    rows = [(key.replace("_", " "), str(value)) for key, value in report["text"].items()]
    rows += [(f"{split}: {key}", str(n)) for split, counts in report["corpus"].items() for key, n in counts.items()]
    rows += [("vocabulary", str(report["vocabulary"]))]
    rows += [(f"pairs: {key.replace('_', ' ')}", str(value)) for key, value in report["pairs"].items()]
    rows += [(f"task {n}: {key.replace('_', ' ')}", str(v)) for n, c in report["tasks"].items() for key, v in c.items()]
    return Table(head=("data", "count"), rows=rows, stages=("prepare",))


def speed(run_data: RunData) -> Table:
    rows = []
    for name in run_data.stages:
        values = run_data.speed(name)
        rate = values.get("steps_per_second")
        report = run_data.report(name) if name.startswith("pretrain") else {}
        tokens = f"{rate * report['tokens'] / report['steps']:,.0f}" if rate and "tokens" in report else ""
        memory = values.get("peak_gpu_memory_mib", values["peak_memory_mib"])
        precision = f"{values['precision']}: {values['precision_reason']}" if "precision" in values else ""
        seconds, steps = f"{values['seconds']:.1f}", f"{rate:.2f}" if rate else ""
        rows.append((name, seconds, steps, tokens, f"{memory:,.0f}", precision))
    head = ("stage", "seconds", "steps/s", "tokens/s", "peak MiB", "precision of training")
    return Table(head=head, rows=rows, stages=run_data.stages, linked=0)
