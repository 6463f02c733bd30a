"""The best state of a training by its score on dev, kept on disk so that a killed run finds it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from rosphere import files
from rosphere.training import checkpoint
from rosphere.training.checkpoint import History

SCORES = "scores.json"


class Selection:
    """Scores by step, and the weights of the best; of equals the earliest.

    A run resumed at an earlier step makes later scores again, on a GPU perhaps others, so those on disk are forgotten
    with their weights; the best weights up to the training state on disk stay until there is a later state.
    """

    def __init__(self, folder: Path, *, patience: int) -> None:
        self.folder, self.patience = folder, patience
        path = folder / SCORES
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        reached = reached_by(folder)[0]
        self.scores = {int(step): score for step, score in known.items() if int(step) <= reached}

    @property
    def best(self) -> int:
        """The step with the highest score."""
        return _first_best(self.scores)

    @property
    def exhausted(self) -> bool:
        """Whether ``patience`` scores in a row were no better than the best before them; never with patience 0."""
        later = sum(step > self.best for step in self.scores) if self.scores else 0
        return 0 < self.patience <= later

    def see(self, step: int, score: float, model: nn.Module) -> None:
        self.scores[step] = score
        if self.best == step:
            with files.replacing(self._weights(step)) as fresh:
                save_file({name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}, fresh)
        files.write_text(self.folder / SCORES, json.dumps(self.scores))
        self._clear()

    def restore(self, model: nn.Module) -> None:
        """Gives the model the best weights."""
        model.load_state_dict(load_file(self._weights(self.best)))

    def _weights(self, step: int) -> Path:
        return self.folder / f"best-{step}.safetensors"

    def _clear(self) -> None:
        """Removes weights that neither this run nor one resumed from the state on disk can ask for."""
        reached = reached_by(self.folder)[0]
        before = {step: score for step, score in self.scores.items() if step <= reached}
        wanted = {self._weights(_first_best(scores)) for scores in (self.scores, before) if scores}
        for path in set(self.folder.glob("best-*.safetensors")) - wanted:
            path.unlink()


def _first_best(scores: Mapping[int, float]) -> int:
    return max(scores, key=lambda step: (scores[step], -step))


def reached_by(folder: Path) -> tuple[int, History]:
    """The step and the history of the training state in the folder; (0, []) where there is none."""
    path = folder / checkpoint.FILE
    if not path.is_file():
        return 0, []
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    return int(header["step"]), json.loads(header["history"])
