"""The numbers of the report as tables: a title, a head, rows of text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.judged import judged
from pipeline.report.language import N_, _
from pipeline.report.run_data import CONTROLS, RunData, savings
from pipeline.report.wording import in_words, known
from pipeline.workspace.declaration import held


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
    "ppl": N_("perplexity per token"),
    "mutual_information": N_("nats that the latent tells of a sentence"),
    "token_accuracy": N_("tokens reconstructed"),
    "sample_repetition": N_("samples with a token three times in a row"),
    "reconstruction_repetition": N_("reconstructions with a token three times in a row"),
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
    return Table(head=(_("system"), _("measure"), _("value")), rows=shown, stages=[row[0] for row in rows], linked=2)


def _widening(run_data: RunData) -> list[Row]:
    widen, narrow, wide = map(run_data.report, ("widen", "pretrain", "pretrain_wide"))
    gap = widen["max_logit_gap"]
    change = f"{gap['float64']:.1e} / {gap['float32']:.1e}"
    grown = ("widen", _("widening"), _("largest logit change, float64 / float32"), change)
    if not run_data.language_model:
        return [grown]
    if "dev_loss" not in narrow:  # its vocabulary head begins in pretrain_wide
        return [grown, ("pretrain_wide", _("pretraining"), _("dev loss"), f"{wide['dev_loss']:.3f}")]
    before = f"{narrow['dev_loss']:.4f} / {wide['dev_loss_at_start']:.4f}"
    after = f"{narrow['dev_loss']:.3f} / {wide['dev_loss']:.3f}"
    return [
        grown,
        ("widen", _("widening"), _("dev loss before / after widening"), before),
        ("pretrain_wide", _("pretraining"), _("dev loss narrow / widened and trained on"), after),
    ]


def _control(run_data: RunData) -> list[Row]:
    saved = savings(run_data)
    if saved is None:
        return []
    loss, none = _("dev loss of {control}, equal FLOPs"), _("none: {control} came out better")
    losses = [
        (name, _("pretraining"), loss.format(control=_(CONTROLS[name])), f"{report['dev_loss']:.3f}")
        for name, report in run_data.controls.items()
    ]
    value = none.format(control=_(CONTROLS[saved.against])) if saved.share is None else f"{saved.share:.0%}"
    measure = _("FLOPs saved at the better control's final loss (at most {cap:.0%})").format(cap=saved.cap)
    return [*losses, ("pretrain_wide", _("pretraining"), measure, value)]


def _similarity(run_data: RunData) -> list[Row]:
    """The trained encoder's values, and in brackets what it is held against."""
    report = run_data.report("evaluate_similarity")
    mean, words = report["table"]["untrained mean"], report["table"]["TF-IDF"]
    kinds = {
        "recall_at_1": _("recall@1 on held-out groups (untrained mean / TF-IDF)"),
        "spearman": _("Spearman with the grades (untrained mean / TF-IDF)"),
    }
    name, system = "evaluate_similarity", "RoFormer-Sim"
    rows = [
        (name, system, measure, f"{report[key]:.3f} ({mean[key]:.3f} / {words[key]:.3f})")
        for key, measure in kinds.items()
    ]
    for each in judged(report):
        theirs = " / ".join(f"{value:.3f}" for value in each.rivals.values())
        rivals = " / ".join(map(known, each.rivals))
        measure = _("Spearman on {name} ({rivals})").format(name=each.name, rivals=rivals)
        rows.append((name, system, measure, f"{each.ours:.3f} ({theirs})"))
    return rows


def _vae(run_data: RunData) -> list[Row]:
    """The VAE's values, and in brackets its baselines'."""
    name, system, vmf, baselines = "evaluate_vae@vmf", "vMF-VAE", run_data.vae("vmf"), run_data.vae_baselines
    metrics = {metric.key: metric for metric in run_data.declared["evaluate_vae"].metrics}
    beside = _("{measure} ({rivals})") if baselines else "{measure}"
    rivals = " / ".join(map(_, baselines))
    rows = [(name, system, _("KL measured / closed form, nats"), f"{vmf['kl']:.3f} / {vmf['kl_closed_form']:.3f}")]
    for key, measure in VAE.items():
        theirs = " / ".join(map(metrics[key].text, baselines.values()))
        said = beside.format(measure=_(measure), rivals=rivals)
        rows.append((name, system, said, metrics[key].text(vmf) + (f" ({theirs})" if theirs else "")))
    return rows


def _task(run_data: RunData, name: str) -> Row:
    report = run_data.task(name)
    beaten = "" if report["score"] > report["baseline"] else _(", which is NOT beaten")
    own = _("your task {name}") if report.get("own") else _("sample task {name}")
    system = "CLUE {name}" if report["clue"] else own
    apart = report.get("selected_on_train_rows")
    chosen = _(", epoch chosen on {rows} training rows").format(rows=apart) if apart else ""
    baseline = known(report["baseline_name"]) + beaten
    measure = _("{metric} (majority / {baseline})").format(metric=known(report["metric"]), baseline=baseline) + chosen
    value = f"{report['score']:.3f} ({report['majority']:.3f} / {report['baseline']:.3f})"
    return f"evaluate@{name}", system.format(name=name), measure, value


def _others(run_data: RunData, known: Collection[str]) -> list[Row]:
    """What the other stages call their main metrics."""
    return [
        (name, _(run_data.declared[word].title), _(metric.label), metric.text(report))
        for name in run_data.stages
        if (word := name.partition("@")[0]) not in known and (report := run_data.found(name))
        for metric in run_data.declared[word].metrics
        if metric.headline and held(report, metric.key)
    ]


def data(run_data: RunData) -> Table:
    report = run_data.report("prepare")
    rows = [(_key(key), str(value)) for key, value in report["text"].items()]
    corpora = report["corpus"].items()
    rows += [(f"{in_words(split)}: {in_words(key)}", str(n)) for split, counts in corpora for key, n in counts.items()]
    texts = report.get("texts", {}).items()
    rows += [(f"{name}: {in_words(key)}", f"{n:,}") for name, counts in texts for key, n in counts.items()]
    rows += [(_("vocabulary"), str(report["vocabulary"]))]
    rows += [(f"{_('pairs')}: {_key(key)}", str(value)) for key, value in report["pairs"].items()]
    task = _("task {name}: {count}")
    rows += [
        (task.format(name=name, count=_key(key)), str(n))
        for name, counts in report["tasks"].items()
        for key, n in counts.items()
    ]
    return Table(head=(_("data"), _("count")), rows=rows, stages=("prepare",))


def _key(name: str) -> str:
    """The name of a count in words."""
    return in_words(name.replace("_", " "))


def held_out(run_data: RunData) -> Table:
    """What was for training, and of it what stands in a set on which something is measured and was therefore left out;
    a row an input and set."""
    rows = []
    for name, counts in run_data.report("prepare")["held_out"].items():
        left = f"{counts['read']}", f"{counts['dropped']}", str(counts.get("cut", ""))
        found = counts["found"] or {_("none"): {}}
        rows += [(_key(name), *left, each, *_ways(ways)) for each, ways in found.items()]
    left_out = (_("dropped"), _("with sentences cut out"))
    head = (_("input of training"), _("read"), *left_out, _("held out in"), _("exactly"), _("nearly"))
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
        precision = f"{values['precision']}: {known(values['precision_reason'])}" if "precision" in values else ""
        seconds, steps = f"{values['seconds']:.1f}", f"{rate:.2f}" if rate else ""
        rows.append((name, seconds, steps, tokens, f"{memory:,.0f}", precision))
    head = (_("stage"), _("seconds"), _("steps/s"), _("tokens/s"), _("peak MiB"), _("precision of training"))
    return Table(head=head, rows=rows, stages=run_data.stages, linked=0)
