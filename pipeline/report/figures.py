"""The figures of the report, as SVG files: one panel each, so that a phone can show them one below the other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from pipeline.report import captions, svg, wording
from pipeline.report import dimension as dimension_curves
from pipeline.report.captions import Caption
from pipeline.report.language import _
from pipeline.report.palette import BLUE, GREEN, GREY, MARKERS, SERIES, SKY, VERMILION
from pipeline.report.run_data import CONTROLS, RunData
from pipeline.workspace.declaration import Lines, named

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first, for machines without a screen

WIDTH, HEIGHT = 5.0, 3.2  # inches: letters of 9.5 points can still be read where the page is 380 px wide


@dataclass(frozen=True, kw_only=True)
class Figure:
    path: Path
    caption: Caption


@contextmanager
def drawing(path: Path, height: float = HEIGHT) -> Iterator[Axes]:
    """An axis to draw on, and afterwards the file. The same numbers give the same bytes."""
    with matplotlib.rc_context(svg.SETTINGS), warnings.catch_warnings():
        # Chinese names are drawn by the browser, in a font of its own; here they are only measured.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure, axis = plt.subplots(figsize=(WIDTH, height), layout="constrained")
        try:
            yield axis
            figure.savefig(path, format="svg", metadata=svg.METADATA)
        finally:
            plt.close(figure)


def pretraining(run_data: RunData, path: Path) -> None:
    names = [("pretrain", _("narrow"), SKY), ("pretrain_wide", _("widened, trained on"), BLUE)]
    colours = {"pretrain_longer": GREEN, "pretrain_scratch": VERMILION}
    names += [(name, _(CONTROLS[name]).removeprefix("the "), colours[name]) for name in run_data.controls]
    with drawing(path) as axis:
        for (name, label, colour), marker in zip(names, MARKERS, strict=False):
            curve = run_data.measured(name, "dev_loss")
            if curve.empty:  # of a model without a vocabulary head
                continue
            curve = curve[curve["flops"] > 0]  # an untrained model's loss would press all others together
            axis.plot(curve["flops"] / 1e12, curve["dev_loss"], marker=marker, label=label, color=colour)
        axis.set_xlabel(_("training compute, TFLOP"))
        axis.set_ylabel(_("masked-token loss on dev, nats"))
        axis.legend()


def vectors(run_data: RunData, path: Path) -> None:
    with drawing(path) as axis:
        dimension_curves.embeddings(axis, run_data.report("dimension"), run_data.curve("dimension"))


def heads(run_data: RunData, path: Path) -> None:
    with drawing(path) as axis:
        dimension_curves.heads(axis, run_data.report("dimension"), run_data.curve("dimension"))


def recall(run_data: RunData, path: Path) -> None:
    _encoders(run_data, path, "recall_at_1", _("recall@1 on held-out groups"))


def spearman(run_data: RunData, path: Path) -> None:
    _encoders(run_data, path, "spearman", _("Spearman's correlation with the grades"))


def _encoders(run_data: RunData, path: Path, key: str, label: str) -> None:
    table = run_data.report("evaluate_similarity")["table"]
    colours = {
        "roformer_sim": BLUE,
        "static": GREEN,
        "teacher": SKY,
        "untrained mean": GREY,
        "untrained [CLS]": GREY,
        "TF-IDF": VERMILION,
    }
    with drawing(path, height=2.7) as axis:
        names = list(colours)[::-1]
        values = [table[name][key] for name in names]
        bars = axis.barh([*map(wording.known, names)], values, color=[colours[name] for name in names])
        axis.bar_label(bars, fmt="%.3f", padding=4)
        axis.margins(x=0.16)
        axis.grid(visible=False, axis="y")
        axis.set_xlabel(label)


def kl(run_data: RunData, path: Path) -> None:
    _latent(run_data, path, "kl", _("KL(q(z|x) || p(z)), nats a sentence"))


def reconstruction(run_data: RunData, path: Path) -> None:
    _latent(run_data, path, "reconstruction", _("reconstruction, nats a sentence"))


def _latent(run_data: RunData, path: Path, key: str, label: str) -> None:
    with drawing(path) as axis:
        for number, name in enumerate(run_data.variants):
            known = run_data.curve(f"vmf_vae@{name}").dropna(subset=[key])
            colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
            every = max(1, len(known) // 8)
            axis.plot(known["step"], known[key], label=name, color=colour, marker=marker, markevery=every)
        axis.set_xlabel(_("step"))
        axis.set_ylabel(label)
        axis.legend()


def sphere(run_data: RunData, path: Path) -> None:
    found = run_data.sphere
    assert found is not None
    with drawing(path, height=WIDTH) as axis:
        axis.add_patch(Circle((0, 0), 1, fill=False, color=GREY))
        for number, label in enumerate(sorted(set(found["labels"]))):
            points = [p for p, name in zip(found["points"], found["labels"], strict=True) if name == label]
            x, y = zip(*points, strict=True)
            colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
            said = _("label {label}").format(label=label)
            axis.scatter(x, y, s=12, alpha=0.8, linewidths=0, label=said, color=colour, marker=marker)
        axis.set_aspect("equal")
        axis.set_xlabel(_("along the first label's mean direction"))
        axis.set_ylabel(_("along the rest of the second's"))
        axis.figure.legend(loc="outside upper center", ncols=4)


def tasks(run_data: RunData, path: Path) -> None:
    reports = {f"{name}\n{wording.known(r['metric'])}": r for name in run_data.tasks if (r := run_data.task(name))}
    kinds = (("score", "rosphere", BLUE), ("baseline", _("baseline"), VERMILION), ("majority", _("majority"), GREY))
    with drawing(path, height=1.1 + 0.62 * max(len(reports), 1)) as axis:
        for place, (key, label, colour) in enumerate(kinds):
            heights = [y + 0.27 * (place - 1) for y in range(len(reports))]
            bars = axis.barh(heights, [report[key] for report in reports.values()], 0.24, label=label, color=colour)
            axis.bar_label(bars, fmt="%.3f", padding=3, fontsize=7.5)
        axis.set_yticks(range(len(reports)), list(reports))
        axis.invert_yaxis()
        axis.margins(x=0.12)
        axis.grid(visible=False, axis="y")
        axis.figure.legend(loc="outside upper center", ncols=3)


def lines(run_data: RunData, word: str, figure: Lines, path: Path) -> None:
    """A line an item, a mark where the curve has a value."""
    with drawing(path) as axis:
        for number, name in enumerate(run_data.names(word)):
            known = run_data.curve(name).dropna(subset=[figure.x, figure.y])
            colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
            every = max(1, len(known) // 8)
            label = name.partition("@")[2] or name
            axis.plot(known[figure.x], known[figure.y], label=label, color=colour, marker=marker, markevery=every)
        axis.set_xlabel(_(figure.x_label))
        axis.set_ylabel(_(figure.y_label))
        axis.legend()


# Figures that are drawn in a way of their own, by the names under which a stage declares them.
DRAWERS: Mapping[str, tuple[Callable[[RunData, Path], None], Callable[[RunData], Caption]]] = {
    "pretraining": (pretraining, captions.pretraining),
    "recall": (recall, captions.recall),
    "spearman": (spearman, captions.spearman),
    "kl": (kl, captions.kl),
    "reconstruction": (reconstruction, captions.reconstruction),
    "sphere": (sphere, captions.sphere),
    "tasks": (tasks, captions.tasks),
    "vectors": (vectors, captions.vectors),
    "heads": (heads, captions.heads),
}


def draw(run_data: RunData, folder: Path) -> dict[str, Figure]:
    """All figures that there is something for, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    needed = (("sphere", run_data.sphere), ("tasks", run_data.tasks), ("pretraining", run_data.language_model))
    absent = {name for name, found in needed if not found}
    drawn = {}
    for word, declared in run_data.declared.items():
        for figure in declared.figures:
            name = named(figure)
            if name not in absent:
                drawn[name] = _drawn(run_data, word, figure, folder / f"{name}.svg")
    return drawn


def _drawn(run_data: RunData, word: str, figure: str | Lines, path: Path) -> Figure:
    if isinstance(figure, Lines):
        caption = captions.lines(run_data, word, figure)
        lines(run_data, word, figure, path)
    else:
        drawer, captioned = DRAWERS[figure]
        caption = captioned(run_data)
        drawer(run_data, path)
    svg.finish(path, title=caption.title, description=caption.description)
    return Figure(path=path, caption=caption)
