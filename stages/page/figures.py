"""The figures of the report, as PNG files. Labels are English: not every machine has a Chinese font."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from stages.page import dimension as dimension_curves
from stages.page.ledger import Ledger

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first, for machines without a screen

NARROW, WIDE, CONTROL = "#8aa4c8", "#1f5fa8", "#c2703d"
MODELS = (WIDE, CONTROL, "#5a8f5a", "#7a5fa0", "#c9a227", "#555555")  # of the text VAE: the vMF and its twins
WIDTH, HEIGHT = 7.0, 3.6


@contextmanager
def drawing(path: Path, panels: int = 1) -> Iterator[list[Axes]]:
    figure, axes = plt.subplots(1, panels, figsize=(WIDTH if panels == 1 else 10.0, HEIGHT), squeeze=False)
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    yield list(axes[0])
    figure.tight_layout()
    # Without the metadata the same numbers give the same bytes.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def pretraining(ledger: Ledger, path: Path) -> None:
    names = [("pretrain", "narrow", NARROW), ("pretrain_wide", "widened, trained on", WIDE)]
    if ledger.scratch is not None:
        names.append(("pretrain_scratch", "wide from random weights", CONTROL))
    with drawing(path) as (axis,):
        for name, label, colour in names:
            curve = ledger.curve(name).dropna(subset=["dev_loss"])
            axis.plot(curve["flops"] / 1e12, curve["dev_loss"], "o-", ms=3, label=label, color=colour)
        axis.set_xlabel("training compute, TFLOP (the widened run begins where the narrow one ended)")
        axis.set_ylabel("MLM dev loss, nats")
        axis.legend(frameon=False)


def dimension(ledger: Ledger, path: Path) -> None:
    report, curve = ledger.report("dimension"), ledger.curve("dimension")
    with drawing(path, panels=2) as (left, right):
        dimension_curves.embeddings(left, report, curve)
        dimension_curves.heads(right, report, curve)


def similarity(ledger: Ledger, path: Path) -> None:
    table = ledger.report("roformer_sim")["table"]
    names = ["TF-IDF", "untrained [CLS]", "untrained mean", "teacher", "roformer_sim"]
    with drawing(path, panels=2) as axes:
        for axis, key, title in zip(
            axes, ("recall_at_1", "spearman"), ("recall@1, held-out groups", "Spearman with the grades"), strict=True
        ):
            colours = [CONTROL, NARROW, NARROW, NARROW, WIDE]
            axis.barh(names, [table[name][key] for name in names], color=colours)
            axis.set_title(title, fontsize=10)


def kl(ledger: Ledger, path: Path) -> None:
    curve, names = ledger.curve("vmf_vae"), ledger.report("vmf_vae")["models"]
    with drawing(path, panels=2) as axes:
        for number, (label, colour) in enumerate(zip(names, MODELS, strict=False)):
            rows = curve[curve["model"] == number]
            for axis, key in zip(axes, ("kl", "reconstruction"), strict=True):
                known = rows.dropna(subset=[key])
                axis.plot(known["step"], known[key], color=colour, label=label)
        axes[0].set_ylabel("KL(q(z|x) || p(z)), nats a sentence")
        axes[1].set_ylabel("reconstruction, nats a sentence")
        for axis in axes:
            axis.set_xlabel("step")
            axis.legend(frameon=False)


def sphere(ledger: Ledger, path: Path) -> None:
    found = ledger.sphere
    assert found is not None
    with drawing(path) as (axis,):
        axis.add_patch(Circle((0, 0), 1, fill=False, color="#bbbbbb"))
        for label, colour in zip(sorted(set(found["labels"])), MODELS, strict=False):
            x, y = zip(
                *(p for p, name in zip(found["points"], found["labels"], strict=True) if name == label), strict=True
            )
            axis.scatter(x, y, s=9, color=colour, label=f"label {label}")
        axis.set_aspect("equal")
        axis.set_xlabel("along the first label's mean direction")
        axis.set_ylabel("along the rest of the second's")
        axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def tasks(ledger: Ledger, path: Path) -> None:
    reports = {name: ledger.task(name) for name in ledger.tasks}
    with drawing(path) as (axis,):
        for place, (key, label, colour) in enumerate(
            (("majority", "majority", "#bbbbbb"), ("baseline", "baseline", CONTROL), ("score", "rosphere", WIDE))
        ):
            heights = [report[key] for report in reports.values()]
            axis.bar([x + 0.27 * (place - 1) for x in range(len(reports))], heights, 0.25, label=label, color=colour)
        axis.set_xticks(range(len(reports)), [f"{name}\n({r['metric']})" for name, r in reports.items()])
        if len(reports) > 5:
            axis.tick_params(axis="x", rotation=45)
        axis.legend(frameon=False)


FIGURES = {
    "pretraining": pretraining,
    "dimension": dimension,
    "similarity": similarity,
    "kl": kl,
    "sphere": sphere,
    "tasks": tasks,
}


def draw(ledger: Ledger, folder: Path) -> dict[str, Path]:
    """All figures that there is something for; returns their files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.png" for name in FIGURES if name != "sphere" or ledger.sphere}
    for name, path in paths.items():
        FIGURES[name](ledger, path)
    return paths
