"""Every figure in words: a title, what is drawn for those who do not see it, and in one sentence what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.report import dimension
from pipeline.report.run_data import CONTROLS, RunData
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
    ends = ", ".join(f"{name} {row[figure.y]:.4g} at {row[figure.x]:g}" for name, row in last.items())
    return Caption(
        title=figure.title,
        description=f"Line chart of {figure.y_label} over {figure.x_label}. At the end: {ends}.",
        says=f"At the end {ends}.",
        stages=tuple(names),
    )


def pretraining(run_data: RunData) -> Caption:
    names = {"pretrain": "the narrow model", "pretrain_wide": "the widened model trained on"}
    names |= {name: CONTROLS[name] for name in run_data.controls}
    ends = []
    for stage, name in names.items():
        last = run_data.curve(stage).dropna(subset=["dev_loss"]).iloc[-1]
        ends.append(f"{name} ends at {last['dev_loss']:.3f} nats after {last['flops'] / 1e12:.3g} TFLOP")
    return Caption(
        title="Masked-token loss against compute",
        description=f"Line chart of the dev loss over training compute, a line a run. {'; '.join(ends).capitalize()}.",
        says="The widened run begins where the narrow one ended. Lower and more to the left is better.",
        stages=tuple(names),
    )


def recall(run_data: RunData) -> Caption:
    return _encoders(run_data, "recall_at_1", "Paraphrases found first")


def spearman(run_data: RunData) -> Caption:
    return _encoders(run_data, "spearman", "Agreement with grades")


def _encoders(run_data: RunData, key: str, title: str) -> Caption:
    table = run_data.report("evaluate_similarity")["table"]
    names = ("roformer_sim", "teacher", "untrained mean", "untrained [CLS]", "TF-IDF")
    ours, best = table["roformer_sim"][key], max(names[1:], key=lambda name: float(table[name][key]))
    rival = f"{best} ({table[best][key]:.3f})"
    place = "is ahead of" if ours > table[best][key] else "is level with" if ours == table[best][key] else "is behind"
    return Caption(
        title=title,
        description="Bar chart, an encoder a bar: " + ", ".join(f"{n} {table[n][key]:.3f}" for n in names) + ".",
        says=f"The trained encoder, at {ours:.3f}, {place} {rival}, the best of the others.",
        stages=("evaluate_similarity",),
    )


def kl(run_data: RunData) -> Caption:
    return _latent(run_data, "kl", "What the latent carries")


def reconstruction(run_data: RunData) -> Caption:
    return _latent(run_data, "reconstruction", "What reconstruction costs")


def _latent(run_data: RunData, key: str, title: str) -> Caption:
    last = {
        name: float(run_data.curve(f"vmf_vae@{name}").dropna(subset=[key])[key].iloc[-1]) for name in run_data.variants
    }
    ends = ", ".join(f"{name} {value:.3g}" for name, value in last.items())
    said = "Nats of KL a sentence" if key == "kl" else "Nats a sentence that are needed to write it again"
    return Caption(
        title=title,
        description=f"Line chart over training steps, a line a model. At the end: {ends}.",
        says=f"{said} in training batches; at the end {ends}.",
        stages=tuple(f"vmf_vae@{name}" for name in run_data.variants),
    )


def sphere(run_data: RunData) -> Caption:
    found = run_data.sphere
    assert found is not None
    counts = {label: found["labels"].count(label) for label in sorted(set(found["labels"]))}
    said = " and ".join(f"{count} with label {label}" for label, count in counts.items())
    return Caption(
        title="The latent sphere",
        description=f"Scatter plot inside the unit circle: {said}.",
        says="Held-out sentences along the labels' mean directions in the training data: the further the clouds lie "
        "apart, the more of the label, which the model never saw, is in the latent.",
        stages=("evaluate_vae@vmf",),
    )


def tasks(run_data: RunData) -> Caption:
    reports = {name: run_data.task(name) for name in run_data.tasks}
    each = (
        f"{name} {r['score']:.3f}, baseline {r['baseline']:.3f}, majority {r['majority']:.3f}"
        for name, r in reports.items()
    )
    above = run_data.above
    named = f": {', '.join(above)}" if above else ""
    return Caption(
        title="Task scores beside baselines",
        description=f"Bar chart, three bars a task: {'; '.join(each)}.",
        says=f"The fine-tuned encoder is above both baselines on {len(above)} of {len(reports)} tasks{named}.",
        stages=tuple(f"evaluate@{name}" for name in run_data.tasks),
    )


def vectors(run_data: RunData) -> Caption:
    knees = sorted(run_data.report("dimension")["knees"].items(), key=lambda item: int(item[0]))
    said = "; ".join(f"{int(n):,} tokens: ring at {k['knee']:g}, rule {k['rule']}" for n, k in knees)
    return Caption(
        title="Loss against dimension",
        description=f"Line chart of the skip-gram loss over the dimension, a line a vocabulary. {said}.",
        says=dimension.knees(run_data),
        stages=("dimension",),
    )


def heads(run_data: RunData) -> Caption:
    report = run_data.report("dimension")
    return Caption(
        title="Loss against head size",
        description=f"Line chart of the masked-token loss over the head size at one width. The lowest loss is at "
        f"{int(report['best_head_size'])}; the rule says {report['measured_head_rule']}.",
        says=dimension.heads_say(run_data),
        stages=("dimension",),
    )
