"""What a reader should know who reads nothing else: what was trained, what it can do, what is beaten, what not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report import html
from pipeline.report.judged import judged
from pipeline.report.run_data import CONTROLS, RunData, savings
from pipeline.workspace.declaration import Metric, Rival, value


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One of our figures beside what it has to beat. A draw is not a win."""

    what: str
    ours: float
    theirs: float
    against: str
    stage: str
    lower: bool = False  # whether less is better
    format: str = ".3f"

    @property
    def won(self) -> bool:
        return self.ours < self.theirs if self.lower else self.ours > self.theirs

    def written(self, value: float) -> str:
        return format(value, self.format)


def comparisons(run_data: RunData) -> list[Comparison]:
    """Every metric of every stage beside the rivals that it declares, and the sets of pairs that people judged."""
    declared = [
        found
        for name in run_data.stages
        for metric in run_data.declared[name.partition("@")[0]].metrics
        for rival in metric.rivals
        if (found := compared(run_data, name, metric, rival)) is not None
    ]
    return [*declared, *_judged(run_data)]


def _judged(run_data: RunData) -> Iterator[Comparison]:
    stage = "evaluate_similarity"
    for each in judged(run_data.found(stage) or {"graded": {}}):
        for rival, theirs in each.rivals.items():
            what = f"rank correlation with the grades of {each.name}"
            yield Comparison(what=what, ours=each.ours, theirs=theirs, against=rival, stage=stage)


def compared(run_data: RunData, name: str, metric: Metric, rival: Rival) -> Comparison | None:
    """None where one of both was switched off, or is another item's rival."""
    item = name.partition("@")[2]
    report, theirs = run_data.found(name), run_data.found(rival.stage or name)
    if report is None or theirs is None or rival.item not in ("", item):
        return None
    said = {**report, "item": item}
    return Comparison(
        what=(metric.headline or metric.label).format_map(said),
        ours=value(report, metric.key),
        theirs=value(theirs, rival.key),
        against=rival.name.format_map(said),
        stage=name,
        lower=metric.better == "lower",
        format=metric.format,
    )


def trained(run_data: RunData) -> str:
    """What was made, of what."""
    tokens = run_data.report("prepare")["corpus"]["train"]["tokens"]
    widen = run_data.report("widen")
    sizes, gap = widen["parameters"], widen["max_logit_gap"]["float64"]
    count = len(run_data.tasks)
    tuned = (
        ""
        if not count
        else " The model was fine-tuned on one task."
        if count == 1
        else f" The model was fine-tuned on {count} tasks."
    )
    return (
        f"A masked language model of {amount(sizes['before'])} parameters was trained on a corpus of {amount(tokens)} "
        f"tokens of Chinese text, widened to {amount(sizes['after'])} parameters, which changed no logit by more than "
        f"about {gap:.0e}, and trained on. From it were made a sentence encoder that also writes paraphrases and a "
        f"text VAE on the sphere.{tuned}"
    )


def able(run_data: RunData) -> str:
    """What it can do, in shares of held-out data."""
    wide, sim, vae = (
        run_data.report("pretrain_wide"),
        run_data.report("evaluate_similarity"),
        run_data.vae("vmf"),
    )
    said = (
        f"On held-out text it guesses {wide['dev_accuracy']:.0%} of the masked tokens, finds a paraphrase first for "
        f"{sim['recall_at_1']:.0%} of sentences, and gives back {vae['token_accuracy']:.0%} of a sentence's tokens "
        "from its point on the sphere"
    )
    scores = [f"{r['score']:.3f} {r['metric']} on {name}" for name in run_data.tasks if (r := run_data.task(name))]
    return f"{said}. Tasks: {', '.join(scores)}." if scores else f"{said}."


def amount(number: float) -> str:
    """1941118 as "1.9 million"."""
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:g}"


def tiles(run_data: RunData) -> list[html.Tile]:
    wide, sim = run_data.report("pretrain_wide"), run_data.report("evaluate_similarity")
    found = [
        html.Tile(
            label="masked-token loss",
            value=f"{wide['dev_loss']:.3f}",
            beside=f"narrow {run_data.report('pretrain')['dev_loss']:.3f}",
            stage="pretrain_wide",
        ),
        html.Tile(
            label="paraphrase found first",
            value=f"{sim['recall_at_1']:.1%}",
            beside=f"TF-IDF {sim['table']['TF-IDF']['recall_at_1']:.1%}",
            stage="evaluate_similarity",
        ),
    ]
    saved = savings(run_data)
    if saved is not None:
        value = "none" if saved.share is None else f"{saved.share:.0%}"
        beside = "that control came out better" if saved.share is None else f"of its FLOPs, at most {saved.cap:.0%}"
        label = f"saved against {CONTROLS[saved.against]}"
        found.insert(1, html.Tile(label=label, value=value, beside=beside, stage="pretrain_wide"))
    if run_data.tasks:
        value = f"{len(run_data.above)} of {len(run_data.tasks)}"
        found.append(html.Tile(label="tasks above both baselines", value=value, beside="on dev rows", stage=""))
    return found


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    every = comparisons(run_data)
    won, lost = [each for each in every if each.won], [each for each in every if not each.won]
    return [
        html.lead(trained(run_data)),
        html.lead(able(run_data)),
        html.tiles(tiles(run_data), addresses),
        html.note(f"{len(won)} of {len(every)} comparisons are won. A draw counts as not beaten."),
        html.render("comparisons", won=won, lost=lost, addresses=addresses),
    ]
