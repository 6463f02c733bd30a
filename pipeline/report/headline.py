"""What a reader should know who reads nothing else: what was trained, what it can do, what is beaten, what not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report import html, published
from pipeline.report.judged import judged
from pipeline.report.language import _, amount, ngettext, sentences
from pipeline.report.run_data import CONTROLS, RunData, savings
from pipeline.report.wording import known
from pipeline.workspace.declaration import Metric, Rival, held, value


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
            what = _("rank correlation with the grades of {name}").format(name=each.name)
            yield Comparison(what=what, ours=each.ours, theirs=theirs, against=known(rival), stage=stage)


def compared(run_data: RunData, name: str, metric: Metric, rival: Rival) -> Comparison | None:
    """None where one of both was switched off or not measured, or is another item's rival."""
    item = name.partition("@")[2]
    report, theirs = run_data.found(name), run_data.found(rival.stage or name)
    if report is None or theirs is None or rival.item not in ("", item):
        return None
    if not (held(report, metric.key) and held(theirs, rival.key)):
        return None
    said = {key: known(text) if isinstance(text, str) else text for key, text in report.items()} | {"item": item}
    return Comparison(
        what=_(metric.headline or metric.label).format_map(said),
        ours=value(report, metric.key),
        theirs=value(theirs, rival.key),
        against=_(rival.name).format_map(said),
        stage=name,
        lower=metric.better == "lower",
        format=metric.format,
    )


def trained(run_data: RunData) -> str:
    """What was made, of what."""
    count = len(run_data.tasks)
    begun = _pretrained(run_data) if run_data.pretrained else _taken(run_data)
    writing = _("From it were made a sentence encoder that also writes paraphrases and a text VAE on the sphere.")
    comparing = _("From it were made a sentence encoder and a text VAE on the sphere.")
    made = sentences([begun, writing if run_data.writes else comparing])
    tuned = ngettext("The model was fine-tuned on one task.", "The model was fine-tuned on {count} tasks.", count)
    return sentences([made, tuned.format(count=count)]) if count else made


def _taken(run_data: RunData) -> str:
    start, sizes = run_data.report("evaluate_similarity")["published"]["start"], run_data.report("widen")["parameters"]
    said = {"name": start["name"], "before": amount(sizes["before"]), "after": amount(sizes["after"])}
    if sizes["before"] == sizes["after"]:
        return _("The published model {name}, of {after} parameters, was taken as it is.").format(**said)
    return _("The published model {name}, of {before} parameters, was widened to {after} and not trained on.").format(
        **said
    )


def _pretrained(run_data: RunData) -> str:
    tokens = run_data.report("prepare")["corpus"]["train"]["tokens"]
    widen = run_data.report("widen")
    sizes, gap = widen["parameters"], widen["max_logit_gap"]["float64"]
    return _(
        "A masked language model of {before} parameters was trained on a corpus of {tokens} tokens of Chinese text, "
        "widened to {after} parameters, which changed no logit by more than about {gap:.0e}, and trained on."
    ).format(before=amount(sizes["before"]), tokens=amount(tokens), after=amount(sizes["after"]), gap=gap)


def able(run_data: RunData) -> str:
    """What it can do, in shares of held-out data."""
    wide, sim, vae = (
        run_data.report("pretrain_wide"),
        run_data.report("evaluate_similarity"),
        run_data.vae("vmf"),
    )
    shares = {"found": sim["recall_at_1"], "given": vae["token_accuracy"]}
    if run_data.language_model:
        said = _(
            "On held-out text it guesses {guessed:.0%} of the masked tokens, finds a paraphrase first for {found:.0%} "
            "of sentences, and gives back {given:.0%} of a sentence's tokens from its point on the sphere."
        ).format(guessed=wide["dev_accuracy"], **shares)
    else:
        said = _(
            "On held-out text it finds a paraphrase first for {found:.0%} of sentences, and gives back {given:.0%} of "
            "a sentence's tokens from its point on the sphere."
        ).format(**shares)
    reports = {name: run_data.task(name) for name in run_data.tasks}
    each = _("{score:.3f} {metric} on {name}")
    scores = [each.format(score=r["score"], metric=known(r["metric"]), name=name) for name, r in reports.items()]
    return sentences([said, _("Tasks: {scores}.").format(scores=_(", ").join(scores))]) if scores else said


def tiles(run_data: RunData) -> list[html.Tile]:
    wide, sim = run_data.report("pretrain_wide"), run_data.report("evaluate_similarity")
    found = []
    if run_data.language_model:
        narrow = run_data.report("pretrain").get("dev_loss")
        tile = html.Tile(
            label=_("masked-token loss"),
            value=f"{wide['dev_loss']:.3f}",
            beside="" if narrow is None else _("narrow {loss:.3f}").format(loss=narrow),
            stage="pretrain_wide",
        )
        found.append(tile)
    found.append(
        html.Tile(
            label=_("paraphrase found first"),
            value=f"{sim['recall_at_1']:.1%}",
            beside=f"TF-IDF {sim['table']['TF-IDF']['recall_at_1']:.1%}",
            stage="evaluate_similarity",
        )
    )
    saved = savings(run_data)
    if saved is not None:
        value = _("none") if saved.share is None else f"{saved.share:.0%}"
        most = _("of its FLOPs, at most {cap:.0%}").format(cap=saved.cap)
        beside = _("that control came out better") if saved.share is None else most
        label = _("saved against {control}").format(control=_(CONTROLS[saved.against]))
        found.insert(1, html.Tile(label=label, value=value, beside=beside, stage="pretrain_wide"))
    if run_data.tasks:
        value = _("{count} of {all}").format(count=len(run_data.above), all=len(run_data.tasks))
        found.append(html.Tile(label=_("tasks above both baselines"), value=value, beside=_("on dev rows"), stage=""))
    return found


def section(run_data: RunData, addresses: Mapping[str, str]) -> list[Markup]:
    every = comparisons(run_data)
    won, lost = [each for each in every if each.won], [each for each in every if not each.won]
    return [
        html.lead(trained(run_data)),
        html.lead(able(run_data)),
        *published.warnings(run_data),
        html.tiles(tiles(run_data), addresses),
        html.note(
            _("{won} of {all} comparisons are won. A draw counts as not beaten.").format(won=len(won), all=len(every))
        ),
        html.render("comparisons", won=won, lost=lost, addresses=addresses),
    ]
