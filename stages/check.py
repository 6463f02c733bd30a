"""Looks params.yaml and the sources over before DVC empties any output folder.

    python -m stages.check

DVC deletes a stage's outputs before it runs the stage, so what can be seen to be wrong is better seen here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rosphere.clue.reading import named
from rosphere.encoder.hub import REPOSITORY
from rosphere.errors import InputError
from rosphere.preparation import local, sample
from stages import config, dimension, evaluate, pretrain, roformer_sim, simbert, vmf_vae, widen
from stages.prepare import Prepare
from stages.sizes import Size, encoder_config
from stages.tracking import Tracking

PARAMS = Path("params.yaml")
SECTIONS: dict[str, Any] = {
    "seed": int,
    "tasks": list[str],
    "sizes": dict[str, Size],
    "prepare": Prepare,
    "dimension": dimension.Dimension,
    "pretrain": pretrain.Pretrain,
    "widen": widen.Widen,
    "pretrain_wide": pretrain.Continued,
    "pretrain_scratch": pretrain.Scratch,
    "simbert": simbert.Simbert,
    "roformer_sim": roformer_sim.RoformerSim,
    "vmf_vae": vmf_vae.VmfVae,
    "evaluate": evaluate.Evaluate,
    "tracking": Tracking,
}


def check(path: Path) -> None:
    """Raises InputError or FileNotFoundError at the first thing that cannot work."""
    document = config.read(path)
    unknown = [word for word in document if word not in SECTIONS]
    if unknown:
        raise InputError(f"{path}: {unknown[0]}: no stage reads this section; there are {', '.join(SECTIONS)}")
    sections = {word: config.load(path, word, cls) for word, cls in SECTIONS.items()}
    for task in sections["tasks"]:
        named(task)
    for name in filter(None, (sections["pretrain"].size, sections["widen"].size)):
        encoder_config(sections["sizes"], name, vocabulary=5000, dropout=0.0)
    if sections["pretrain_scratch"].enabled:
        _check_control(sections["pretrain"], sections["widen"])
    _check_source(sections["prepare"], sections["tasks"])


def _check_control(narrow: pretrain.Pretrain, grown: widen.Widen) -> None:
    """The control has the shape and the FLOPs of a widened run from random weights; nothing else has one."""
    if narrow.init or not grown.size:
        got = f"pretrain.init: {narrow.init}" if narrow.init else "widen.size: null"
        raise InputError(
            f"params.yaml: pretrain_scratch.enabled: there is no control for {got}; set pretrain_scratch.enabled: false"
        )


def _check_source(settings: Prepare, tasks: list[str]) -> None:
    """The files are there and begin well; all the rows of a large text are read by the stage itself."""
    path = settings.vocabulary.path
    if path and not (Path(path).exists() or REPOSITORY.fullmatch(path)):
        raise InputError(f"params.yaml: prepare.vocabulary.path: no such file or folder, nor a hub name: {path}")
    if settings.source == "sample":
        sample.read_faq(Path(settings.sample.faq))
    elif settings.source == "local":
        own = settings.local
        local.probe(own.text)
        local.load(own.text, own.pairs, own.tasks, tasks, answers=own.answers, graded=own.graded)
    elif settings.hub.text is None:
        raise InputError("params.yaml: prepare.hub.text: expected the name of a dataset, got null")


def main() -> None:
    try:
        check(PARAMS)
    except (InputError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
