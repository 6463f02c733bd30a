"""The numbers of the report as tables: a title, a head, rows of text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.judged import judged
from pipeline.report.run_data import CONTROLS, RunData, savings


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


Row = tuple[str, str, str, str]  # the stage that it is of, system, measure, value
VAE = {  # what is said of the text VAE here, by the declared metric
    "ppl": "perplexity per token",
    "mutual_information": "nats that the latent tells of a sentence",
    "token_accuracy": "tokens reconstructed",
    "sample_repetition": "samples with a token three times in a row",
    "reconstruction_repetition": "reconstructions with a token three times in a row",
}


def main(run_data: RunData) -> Table:
    """One line per system: what it should do and what it did."""
    rows = [
        *_widening(run_data),
        *_control(run_data),
        *_similarity(run_data),
        *_vae(run_data),
        *(_task(run_data, name) for name in run_data.tasks),
    ]
    rows += _others(run_data, {stage.partition("@")[0] for stage, *_ in rows})
    shown = [row[1:] for row in rows]
    return Table(head=("system", "measure", "value"), rows=shown, stages=[row[0] for row in rows], linked=2)


def _widening(run_data: RunData) -> list[Row]:
    widen, narrow, wide = map(run_data.report, ("widen", "pretrain", "pretrain_wide"))
    gap, before = widen["max_logit_gap"], f"{narrow['dev_loss']:.4f} / {wide['dev_loss_at_start']:.4f}"
    after = f"{narrow['dev_loss']:.3f} / {wide['dev_loss']:.3f}"
    change = f"{gap['float64']:.1e} / {gap['float32']:.1e}"
    return [
        ("widen", "widening", "largest logit change, float64 / float32", change),
        ("widen", "widening", "dev loss before / after widening", before),
        ("pretrain_wide", "pretraining", "dev loss narrow / widened and trained on", after),
    ]


def _control(run_data: RunData) -> list[Row]:
    saved = savings(run_data)
    if saved is None:
        return []
    losses = [
        (name, "pretraining", f"dev loss of {CONTROLS[name]}, equal FLOPs", f"{report['dev_loss']:.3f}")
        for name, report in run_data.controls.items()
    ]
    value = f"none: {CONTROLS[saved.against]} came out better" if saved.share is None else f"{saved.share:.0%}"
    measure = f"FLOPs saved at the better control's final loss (at most {saved.cap:.0%})"
    return [*losses, ("pretrain_wide", "pretraining", measure, value)]


def _similarity(run_data: RunData) -> list[Row]:
    """The trained encoder's values, and in brackets what it is held against."""
    report = run_data.report("evaluate_similarity")
    mean, words = report["table"]["untrained mean"], report["table"]["TF-IDF"]
    kinds = {"recall_at_1": "recall@1 on held-out groups", "spearman": "Spearman with the grades"}
    name, system = "evaluate_similarity", "RoFormer-Sim"
    rows = [
        (
            name,
            system,
            f"{said} (untrained mean / TF-IDF)",
            f"{report[key]:.3f} ({mean[key]:.3f} / {words[key]:.3f})",
        )
        for key, said in kinds.items()
    ]
    for each in judged(report):
        theirs = " / ".join(f"{value:.3f}" for value in each.rivals.values())
        rows.append(
            (name, system, f"Spearman on {each.name} ({' / '.join(each.rivals)})", f"{each.ours:.3f} ({theirs})")
        )
    return rows


def _vae(run_data: RunData) -> list[Row]:
    """The VAE's values, and in brackets its baselines'."""
    name, system, vmf, baselines = "evaluate_vae@vmf", "vMF-VAE", run_data.vae("vmf"), run_data.vae_baselines
    metrics = {metric.key: metric for metric in run_data.declared["evaluate_vae"].metrics}
    beside = f" ({' / '.join(baselines)})" if baselines else ""
    rows = [(name, system, "KL measured / closed form, nats", f"{vmf['kl']:.3f} / {vmf['kl_closed_form']:.3f}")]
    for key, measure in VAE.items():
        theirs = " / ".join(map(metrics[key].text, baselines.values()))
        rows.append((name, system, measure + beside, metrics[key].text(vmf) + (f" ({theirs})" if theirs else "")))
    return rows


def _task(run_data: RunData, name: str) -> Row:
    report = run_data.task(name)
    beaten = "" if report["score"] > report["baseline"] else ", which is NOT beaten"
    kind = "CLUE" if report["clue"] else "your task" if report.get("own") else "sample task"
    apart = report.get("selected_on_train_rows")
    chosen = f", epoch chosen on {apart} training rows" if apart else ""
    measure = f"{report['metric']} (majority / {report['baseline_name']}{beaten}){chosen}"
    value = f"{report['score']:.3f} ({report['majority']:.3f} / {report['baseline']:.3f})"
    return f"evaluate@{name}", f"{kind} {name}", measure, value


def _others(run_data: RunData, known: Collection[str]) -> list[Row]:
    """What the other stages call their main metrics."""
    return [
        (name, run_data.declared[word].title, metric.label, metric.text(report))
        for name in run_data.stages
        if (word := name.partition("@")[0]) not in known and (report := run_data.found(name))
        for metric in run_data.declared[word].metrics
        if metric.headline
    ]


def data(run_data: RunData) -> Table:
    report = run_data.report("prepare")
    rows = [(key.replace("_", " "), str(value)) for key, value in report["text"].items()]
    rows += [(f"{split}: {key}", str(n)) for split, counts in report["corpus"].items() for key, n in counts.items()]
    rows += [("vocabulary", str(report["vocabulary"]))]
    rows += [(f"pairs: {key.replace('_', ' ')}", str(value)) for key, value in report["pairs"].items()]
    rows += [(f"task {n}: {key.replace('_', ' ')}", str(v)) for n, c in report["tasks"].items() for key, v in c.items()]
    return Table(head=("data", "count"), rows=rows, stages=("prepare",))


def held_out(run_data: RunData) -> Table:
    """What was for training, and of it what stands in a set on which something is measured and was therefore left out;
    a row an input and set."""
    rows = []
    for name, counts in run_data.report("prepare")["held_out"].items():
        left = f"{counts['read']}", f"{counts['dropped']}"
        found = counts["found"] or {"none": {}}
        rows += [(name.replace("_", " "), *left, each, *_ways(ways)) for each, ways in found.items()]
    head = ("input of training", "read", "dropped", "held out in", "exactly", "nearly")
    return Table(head=head, rows=rows, stages=("prepare",))


def _ways(ways: Mapping[str, int]) -> tuple[str, str]:
    return str(ways.get("exact", 0)), str(ways["near"]) if "near" in ways else ""


def speed(run_data: RunData) -> Table:
    rows = []
    for name in run_data.stages:
        values = run_data.speed(name)
        rate = values.get("steps_per_second")
        report = run_data.report(name)
        tokens = (
            f"{rate * report['tokens'] / report['steps']:,.0f}" if rate and {"tokens", "steps"} <= report.keys() else ""
        )
        memory = values.get("peak_gpu_memory_mib", values["peak_memory_mib"])
        precision = f"{values['precision']}: {values['precision_reason']}" if "precision" in values else ""
        seconds, steps = f"{values['seconds']:.1f}", f"{rate:.2f}" if rate else ""
        rows.append((name, seconds, steps, tokens, f"{memory:,.0f}", precision))
    head = ("stage", "seconds", "steps/s", "tokens/s", "peak MiB", "precision of training")
    return Table(head=head, rows=rows, stages=run_data.stages, linked=0)
