"""What the other stages left in reports/: read once, and nothing that is not there is made up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rosphere.errors import InputError

WORDS = (
    "prepare",
    "dimension",
    "pretrain",
    "widen",
    "pretrain_wide",
    "pretrain_scratch",
    "simbert",
    "roformer_sim",
    "evaluate_similarity",
    "evaluate_paraphrases",
)
BASELINES = {  # of the text VAE: those that the page holds it against
    "gaussian": "Gaussian",
    "gaussian_free_bits": "Gaussian with free bits",
    "vmf_fresh": "decoder from random blocks",
}


@dataclass(frozen=True, kw_only=True)
class RunData:
    """The reports folder."""

    folder: Path
    tasks: list[str]
    variants: list[str]  # of the text VAE, vmf among them

    def read(self, name: str) -> dict[str, Any]:
        return self._read(self.folder / name)

    def report(self, word: str) -> dict[str, Any]:
        return self._read(self.folder / f"{word}.json")

    def task(self, name: str) -> dict[str, Any]:
        return self._read(self.folder / "tasks" / f"{name}.json")

    def vae(self, variant: str) -> dict[str, Any]:
        """What was measured of one text VAE."""
        return self._read(self.folder / "evaluate_vae" / f"{variant}.json")

    def analysis(self, name: str) -> dict[str, Any]:
        return self._read(self.folder / "predictions" / name / "analysis.json")

    def examples(self, word: str) -> dict[str, Any]:
        return self._read(self.folder / "examples" / f"{word}.json")

    def speed(self, name: str) -> dict[str, Any]:
        """Seconds, MiB and steps per second as numbers, and `run`, the beginning of the stage's fingerprint."""
        return self._read(self.folder / "speed" / f"{name}.json")

    def curve(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "curves" / f"{name}.csv")

    @property
    def stages(self) -> list[str]:
        """Stages with a speed, in the order of the graph."""
        return [*WORDS, *self._items]

    @property
    def files(self) -> dict[str, str]:
        """Stages and their metrics in the folder."""
        return {word: f"{word}.json" for word in WORDS} | self._items

    @property
    def _items(self) -> dict[str, str]:
        """Of stages with a variant or a task."""
        vaes = {f"{word}-{v}": f"{word}/{v}.json" for v in self.variants for word in ("vmf_vae", "evaluate_vae")}
        return vaes | {f"evaluate-{task}": f"tasks/{task}.json" for task in self.tasks}

    @property
    def above(self) -> list[str]:
        """Tasks whose score is above both baselines; a draw is not."""
        return [name for name in self.tasks if (r := self.task(name))["score"] > max(r["baseline"], r["majority"])]

    @property
    def scratch(self) -> dict[str, Any] | None:
        """The control's report, None where it was switched off."""
        report = self.report("pretrain_scratch")
        return report if report.get("enabled", True) else None

    @property
    def vae_baselines(self) -> dict[str, dict[str, Any]]:
        """Measures of the text VAE's baselines that were trained, by what the page calls them."""
        return {said: self.vae(name) for name, said in BASELINES.items() if name in self.variants}

    @property
    def sphere(self) -> dict[str, Any] | None:
        """Labelled sentences as points of the latent sphere seen from afar, None where no labels were prepared."""
        found: dict[str, Any] | None = self.examples("evaluate_vae-vmf").get("sphere")
        return found

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: not JSON: {error}") from error
        return values


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


def savings(run_data: RunData) -> float | None:
    """Share of FLOPs that widening saved at the control's final loss; all FLOPs of the narrow run are counted.

    A floor where the widened run begins below that loss: the narrow run could then have been shorter.
    None where the control was switched off, or where the control came out better: then nothing was saved.
    """
    if run_data.scratch is None:
        return None
    goal = run_data.scratch["dev_loss"]
    reached = flops_to_reach(run_data.curve("pretrain_wide"), goal)
    return None if reached is None else 1.0 - reached / run_data.scratch["flops"]
