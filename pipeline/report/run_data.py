"""What the other stages left in reports/: read once, and nothing that is not there is made up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.report.language import N_
from pipeline.workspace import paths
from pipeline.workspace.declaration import Declaration
from rosphere.errors import InputError

CONTROLS = {
    "pretrain_longer": N_("the narrow model trained on"),
    "pretrain_scratch": N_("the wide model from random weights"),
}


@dataclass(frozen=True, kw_only=True)
class RunData:
    """The reports folder, and what the stages declare. A stage with an item is called `evaluate@tnews` here."""

    folder: Path
    declared: Mapping[str, Declaration]  # by the word of the stage
    items: Mapping[str, Sequence[str]]  # by the key of params.yaml that lists them

    @property
    def tasks(self) -> Sequence[str]:
        return self.items["tasks"]

    @property
    def variants(self) -> Sequence[str]:
        """Of the text VAE, vmf among them."""
        return self.items["vmf_vae.variants"]

    def names(self, word: str) -> list[str]:
        """The stage, or the stages, that this word stands for."""
        key = self.declared[word].items
        return [f"{word}@{item}" for item in self.items[key]] if key else [word]

    def of_title(self, title: str) -> dict[str, Declaration]:
        """The stages of one section of the page."""
        return {word: each for word, each in self.declared.items() if each.title == title}

    def found(self, name: str) -> dict[str, Any] | None:
        """The report of a stage, None of one that is switched off, or of an item that is not asked for."""
        if name not in self.names(name.partition("@")[0]):
            return None
        report = self.report(name)
        return report if report.get("enabled", True) else None

    def report(self, name: str) -> dict[str, Any]:
        return self._read(self.folder / paths.report(name).relative_to(paths.REPORTS))

    def task(self, name: str) -> dict[str, Any]:
        return self.report(f"evaluate@{name}")

    def vae(self, variant: str) -> dict[str, Any]:
        """What was measured of one text VAE."""
        return self.report(f"evaluate_vae@{variant}")

    def analysis(self, name: str) -> dict[str, Any]:
        return self._read(self.folder / "predictions" / name / "analysis.json")

    def examples(self, name: str) -> dict[str, Any]:
        return self._read(self.folder / "examples" / f"{_file(name)}.json")

    def speed(self, name: str) -> dict[str, Any]:
        """Seconds, MiB and steps per second as numbers, and `run`, the beginning of the stage's fingerprint."""
        return self._read(self.folder / "speed" / f"{_file(name)}.json")

    def curve(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "curves" / f"{_file(name)}.csv")

    def measured(self, name: str, key: str) -> pd.DataFrame:
        """The rows of a curve at which something was measured; none where it never was."""
        curve = self.curve(name)
        return curve.dropna(subset=[key]) if key in curve else curve.iloc[:0]

    @property
    def stages(self) -> list[str]:
        """All of them."""
        return [name for word in self.declared for name in self.names(word)]

    @property
    def language_model(self) -> bool:
        """Whether there is one: not where a published encoder without a vocabulary head was taken as it is."""
        return "dev_loss" in self.report("pretrain_wide")

    @property
    def pretrained(self) -> bool:
        """Whether anything was: a published model may be taken as it is."""
        return any(self.report(name).get("steps", 1) for name in ("pretrain", "pretrain_wide"))

    @property
    def writes(self) -> bool:
        """Whether the sentence encoder has learnt to."""
        return "dev_lm" in self.report("roformer_sim")

    @property
    def above(self) -> list[str]:
        """Tasks whose score is above both baselines; a draw is not."""
        return [name for name in self.tasks if (r := self.task(name))["score"] > max(r["baseline"], r["majority"])]

    @property
    def controls(self) -> dict[str, dict[str, Any]]:
        """Reports of the controls with the FLOPs of the widened run, those that were not switched off."""
        found = {name: self.found(name) for name in CONTROLS}
        return {name: report for name, report in found.items() if report is not None}

    @property
    def vae_baselines(self) -> dict[str, dict[str, Any]]:
        """Reports of the text VAEs that are declared as rivals and were trained, by the rivals' names."""
        rivals = [rival for metric in self.declared["evaluate_vae"].metrics for rival in metric.rivals]
        return {rival.name: found for rival in rivals if (found := self.found(rival.stage)) is not None}

    @property
    def sphere(self) -> dict[str, Any] | None:
        """Labelled sentences as points of the latent sphere seen from afar, None where no labels were prepared."""
        found: dict[str, Any] | None = self.examples("evaluate_vae@vmf").get("sphere")
        return found

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: not JSON: {error}") from error
        return values


def _file(name: str) -> str:
    """`evaluate@tnews` in the name of a file."""
    return name.replace("@", "-")


def flops_to_reach(curve: pd.DataFrame, loss: float) -> float | None:
    """FLOPs at which a curve's dev loss first falls to ``loss``, by linear interpolation; None if it never does."""
    known = curve.dropna(subset=["dev_loss"])
    before: tuple[float, float] | None = None
    for flops, value in zip(known["flops"], known["dev_loss"], strict=True):
        if value <= loss:
            if before is None:
                return float(flops)
            share = (before[1] - loss) / (before[1] - value) if before[1] > value else 1.0
            return before[0] + share * (float(flops) - before[0])
        before = (float(flops), float(value))
    return None


@dataclass(frozen=True, kw_only=True)
class Savings:
    """What widening saved at the final loss of the better control."""

    against: str  # the control's stage
    share: float | None  # of the control's FLOPs; None: it came out better, and nothing was saved
    cap: float  # what could have been saved at most: all that came after the narrow run


def savings(run_data: RunData) -> Savings | None:
    """All FLOPs of the narrow run are counted. None where both controls were switched off.

    A floor where the widened run begins below the control's loss: the narrow run could then have been shorter.
    """
    if not run_data.controls:
        return None
    name, best = min(run_data.controls.items(), key=lambda item: float(item[1]["dev_loss"]))
    reached = flops_to_reach(run_data.curve("pretrain_wide"), best["dev_loss"])
    return Savings(
        against=name,
        share=None if reached is None else 1.0 - reached / best["flops"],
        cap=1.0 - run_data.report("pretrain")["flops"] / best["flops"],
    )
