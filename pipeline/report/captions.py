"""Every figure in words: a title, what is drawn for those who do not see it, and in one sentence what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.report import dimension
from pipeline.report.language import _
from pipeline.report.run_data import CONTROLS, RunData
from pipeline.report.wording import known
from pipeline.workspace.declaration import Lines


@dataclass(frozen=True, kw_only=True)
class Caption:
    title: str
    description: str
    says: str
    stages: tuple[str, ...] = ()


def lines(run_data: RunData, word: str, figure: Lines) -> Caption:
    names = run_data.names(word)
    last = {name: run_data.curve(name).dropna(subset=[figure.x, figure.y]).iloc[-1] for name in names}
    ends = _(", ").join(
        _("{name} {value:.4g} at {place:g}").format(name=name, value=row[figure.y], place=row[figure.x])
        for name, row in last.items()
    )
    labels = {"y": _(figure.y_label), "x": _(figure.x_label)}
    return Caption(
        title=_(figure.title),
        description=_("Line chart of {y} over {x}. At the end: {ends}.").format(**labels, ends=ends),
        says=_("At the end {ends}.").format(ends=ends),
        stages=tuple(names),
    )


def pretraining(run_data: RunData) -> Caption:
    names = {"pretrain": _("the narrow model"), "pretrain_wide": _("the widened model trained on")}
    names |= {name: _(CONTROLS[name]) for name in run_data.controls}
    ends = []
    for stage, name in names.items():
        curve = run_data.measured(stage, "dev_loss")
        if curve.empty:  # of a model without a vocabulary head
            continue
        last = curve.iloc[-1]
        end = _("{name} ends at {loss:.3f} nats after {compute:.3g} TFLOP")
        ends.append(end.format(name=name, loss=last["dev_loss"], compute=last["flops"] / 1e12))
    said = _("; ").join(ends)
    return Caption(
        title=_("Masked-token loss against compute"),
        description=_("Line chart of the dev loss over training compute, a line a run. {ends}.").format(
            ends=said[0].upper() + said[1:]
        ),
        says=_("The widened run begins where the narrow one ended. Lower and more to the left is better."),
        stages=tuple(names),
    )


def recall(run_data: RunData) -> Caption:
    return _encoders(run_data, "recall_at_1", _("Paraphrases found first"))


def spearman(run_data: RunData) -> Caption:
    return _encoders(run_data, "spearman", _("Agreement with grades"))


def _encoders(run_data: RunData, key: str, title: str) -> Caption:
    table = run_data.report("evaluate_similarity")["table"]
    names = ("roformer_sim", "static", "teacher", "untrained mean", "untrained [CLS]", "TF-IDF")
    ours, best = table["roformer_sim"][key], max(names[1:], key=lambda name: float(table[name][key]))
    theirs = table[best][key]
    if ours > theirs:
        said = _("The trained encoder, at {ours:.3f}, is ahead of {rival} ({theirs:.3f}), the best of the others.")
    elif ours == theirs:
        said = _("The trained encoder, at {ours:.3f}, is level with {rival} ({theirs:.3f}), the best of the others.")
    else:
        said = _("The trained encoder, at {ours:.3f}, is behind {rival} ({theirs:.3f}), the best of the others.")
    bars = _(", ").join(f"{known(name)} {table[name][key]:.3f}" for name in names)
    return Caption(
        title=title,
        description=_("Bar chart, an encoder a bar: {bars}.").format(bars=bars),
        says=said.format(ours=ours, rival=known(best), theirs=theirs),
        stages=("evaluate_similarity",),
    )


def kl(run_data: RunData) -> Caption:
    return _latent(run_data, "kl", _("What the latent carries"))


def reconstruction(run_data: RunData) -> Caption:
    return _latent(run_data, "reconstruction", _("What reconstruction costs"))


def _latent(run_data: RunData, key: str, title: str) -> Caption:
    last = {
        name: float(run_data.curve(f"vmf_vae@{name}").dropna(subset=[key])[key].iloc[-1]) for name in run_data.variants
    }
    ends = _(", ").join(f"{name} {value:.3g}" for name, value in last.items())
    if key == "kl":
        said = _("Nats of KL a sentence in training batches; at the end {ends}.")
    else:
        said = _("Nats a sentence that are needed to write it again in training batches; at the end {ends}.")
    return Caption(
        title=title,
        description=_("Line chart over training steps, a line a model. At the end: {ends}.").format(ends=ends),
        says=said.format(ends=ends),
        stages=tuple(f"vmf_vae@{name}" for name in run_data.variants),
    )


def sphere(run_data: RunData) -> Caption:
    found = run_data.sphere
    assert found is not None
    counts = {label: found["labels"].count(label) for label in sorted(set(found["labels"]))}
    said = _(" and ").join(_("{count} with label {label}").format(count=n, label=each) for each, n in counts.items())
    return Caption(
        title=_("The latent sphere"),
        description=_("Scatter plot inside the unit circle: {points}.").format(points=said),
        says=_(
            "Held-out sentences along the labels' mean directions in the training data: the further the clouds lie "
            "apart, the more of the label, which the model never saw, is in the latent."
        ),
        stages=("evaluate_vae@vmf",),
    )


def tasks(run_data: RunData) -> Caption:
    reports = {name: run_data.task(name) for name in run_data.tasks}
    bars = _("{name} {score:.3f}, baseline {baseline:.3f}, majority {majority:.3f}")
    scores = _("; ").join(
        bars.format(name=name, score=r["score"], baseline=r["baseline"], majority=r["majority"])
        for name, r in reports.items()
    )
    above = run_data.above
    said = _("The fine-tuned encoder is above both baselines on {above} of {tasks} tasks.")
    if above:
        said = _("The fine-tuned encoder is above both baselines on {above} of {tasks} tasks: {names}.")
    return Caption(
        title=_("Task scores beside baselines"),
        description=_("Bar chart, three bars a task: {scores}.").format(scores=scores),
        says=said.format(above=len(above), tasks=len(reports), names=_(", ").join(above)),
        stages=tuple(f"evaluate@{name}" for name in run_data.tasks),
    )


def vectors(run_data: RunData) -> Caption:
    knees = sorted(run_data.report("dimension")["knees"].items(), key=lambda item: int(item[0]))
    each = _("{tokens:,} tokens: ring at {knee:g}, rule {rule}")
    said = _("; ").join(each.format(tokens=int(n), knee=k["knee"], rule=k["rule"]) for n, k in knees)
    return Caption(
        title=_("Loss against dimension"),
        description=_("Line chart of the skip-gram loss over the dimension, a line a vocabulary. {knees}.").format(
            knees=said
        ),
        says=dimension.knees(run_data),
        stages=("dimension",),
    )


def heads(run_data: RunData) -> Caption:
    report = run_data.report("dimension")
    return Caption(
        title=_("Loss against head size"),
        description=_(
            "Line chart of the masked-token loss over the head size at one width. The lowest loss is at {best}; the "
            "rule says {rule}."
        ).format(best=int(report["best_head_size"]), rule=report["measured_head_rule"]),
        says=dimension.heads_say(run_data),
        stages=("dimension",),
    )
