"""From the package's file to a finished folder: switched, cut, healed, measured; what was computed outlives a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rosphere import files
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.importing import folder as folders
from rosphere.importing import healing, original, packed, student
from rosphere.importing.packed import Packed
from rosphere.randomness.state import seed_everything
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity import encoding, teachers
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.teacher_vectors import Progress as Reading
from rosphere.similarity.vectors import mean_cosine
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.loop import Callbacks, Progress
from rosphere.training.schedule import Schedule

WORK = ".work"  # beside the folder to come: what a run that was stopped goes on with
HELD_OUT = 512  # sentences that are measured and not learnt


@dataclass(frozen=True, kw_only=True)
class Healing:
    """How much is learnt of the original, of ``sentences`` drawn by the seed of those given."""

    sentences: int
    steps: int
    batch_size: int
    learning_rate: float
    max_length: int  # tokens of a sentence, [CLS] and [SEP] included
    seed: int

    def schedule(self) -> Schedule:
        return Schedule(
            steps=self.steps,
            learning_rate=self.learning_rate,
            warmup=0.05,
            beta2=0.98,
            log_every=25,
            evaluate_every=self.steps,
            checkpoint_every=100,
        )


def whole(file: Path, target: Path) -> None:
    """The original as a folder, with its own vocabulary."""
    with files.appearing(target) as place:
        original.save(packed.read(file), place)


def cut(
    file: Path,
    target: Path,
    *,
    vocabulary: Path,
    layers: int,
    texts: Sequence[str],
    settings: Healing,
    reading: Reading = lambda done, total: None,
    progress: Progress = lambda step, total, metrics: None,
) -> dict[str, Any]:
    """An encoder of ``layers`` layers with another vocabulary, healed on ``texts``; what was found on the way.

    ``reading`` is told how many of the texts the original has read, ``progress`` how far healing is.

    Raises:
        InputError: a file is damaged, or the work of another run with other settings lies beside ``target``.
    """
    tokenizer, model = Tokenizer(vocabulary), packed.read(file)
    seed_everything(settings.seed)
    taken = student.of(model, tokenizer, layers=layers)
    found: dict[str, Any] = {"layers": taken.layers, "tokens": len(tokenizer)}
    found |= {name: getattr(taken.switched, name) for name in ("pieces", "composed", "unknown")}
    healed = None
    if settings.steps:
        work = _work(target, found | asdict(settings) | {"vocabulary": files.folder_hash(vocabulary)})
        healed = _healed(taken.language, model, tokenizer, texts, settings, work, reading, progress)
        found["healed"] = healed
    with files.appearing(target) as place:
        place.mkdir()
        max_length = settings.max_length
        folders.save(taken, place, tokenizer=vocabulary, name=target.name, max_length=max_length, healed=healed)
    return found


def _work(target: Path, said: dict[str, Any]) -> Path:
    """The folder for what lasts, which is of one run alone."""
    work = target.with_name(target.name + WORK)
    path = work / "settings.json"
    if path.is_file() and files.json_object(path) != said:
        raise InputError(f"{work}: begun with other settings; go on with those, or remove the folder")
    work.mkdir(parents=True, exist_ok=True)
    files.write_json(path, said)
    return work


def _healed(
    language: MaskedLanguageModel,
    model: Packed,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    settings: Healing,
    work: Path,
    reading: Reading,
    progress: Progress,
) -> dict[str, Any]:
    learnt, held_out = drawn(texts, settings.sentences, settings.seed)
    if not (work / "original").is_dir():
        with files.appearing(work / "original") as place:
            original.save(model, place)
    wanted, unseen = (
        teachers.vectors(
            work / "original", each, max_length=settings.max_length, cache=work / "vectors", progress=reading
        )
        for each in (learnt, held_out)
    )

    def rows(numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(wanted[numbers])

    def measured() -> dict[str, float]:
        ours = encoding.encode(SimilarityModel(language, "mean"), tokenizer, held_out, max_length=settings.max_length)
        return {"cosine": mean_cosine(ours, np.asarray(unseen))}

    taught = healing.Taught(
        learnt, rows, tokenizer, max_length=settings.max_length, batch_size=settings.batch_size, seed=settings.seed
    )
    history = healing.heal(
        language,
        taught,
        settings.schedule(),
        folder=work / "training",
        callbacks=Callbacks(progress=progress, evaluate=measured),
    )
    return {
        "sentences": len(learnt),
        "held_out": len(held_out),
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "before": round(history[0]["cosine"], 4),
        "after": round(history[-1]["cosine"], 4),
    }


def drawn(texts: Sequence[str], count: int, seed: int) -> tuple[list[str], list[str]]:
    """At most ``count`` of the different texts to learn from, and HELD_OUT others, or a tenth, to measure on."""
    different = list(dict.fromkeys(text for text in texts if text.strip()))
    order = stream(seed, Stream.HEALING).permutation(len(different))
    unseen = min(HELD_OUT, len(different) // 10)
    chosen = [different[number] for number in order[: unseen + count]]
    if len(chosen) - unseen < 2:
        raise InputError(f"expected sentences to learn from, got {len(different)} different ones")
    return chosen[unseen:], chosen[:unseen]


def of_corpus(folder: Path, vocabulary: Path, *, most: int, seed: int) -> list[str]:
    """Sentences of a prepared split as texts, drawn by the seed: ``most``, and those that are measured on."""
    tokenizer, corpus = Tokenizer(vocabulary), Corpus(folder)
    chosen = stream(seed, Stream.HEALING).permutation(len(corpus))[: most + HELD_OUT]
    return [tokenizer.decode(corpus.document(int(number))[0].tolist()) for number in chosen]
