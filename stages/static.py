"""static: a table of vectors of characters and pairs of them, distilled from a teacher; a sentence is their mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.errors import InputError, Interrupted
from rosphere.similarity import teachers
from rosphere.static import bags, folder, pieces, regression, sentences, targets
from rosphere.static.folder import StaticEncoder
from rosphere.text.tokenizer import Tokenizer

DATA, TARGET = Path("data"), Path("models/static")
SENTENCES, GROUPS = DATA / "corpus" / "sentences-train", DATA / "pairs" / "train.jsonl"


@dataclass(frozen=True, kw_only=True)
class Static:
    teacher: str
    dimensions: int
    pieces: int
    sentences: int
    max_length: int
    ridge: float
    iterations: int

    def __post_init__(self) -> None:
        at_least(self, dimensions=1, pieces=2, sentences=0, max_length=4, iterations=1)
        if not self.ridge > 0:
            raise InputError(f"ridge: expected a number above 0, got {self.ridge}")


DECLARATION = Declaration(
    title="Sentence similarity",
    settings=Static,
    metrics=(
        Metric(key="sentences", label="sentences that the static encoder was distilled on", format=",d"),
        Metric(key="pieces", label="pieces in the static encoder's table", format=",d"),
        Metric(key="variance_kept", label="of the teacher's variance kept by the static encoder", format=".1%"),
    ),
)


def followed(job: runner.Job, settings: Static, curve: list[dict[str, float]]) -> Callable[[int, float], None]:
    """Shows each iteration, remembers it in ``curve``, and leaves where someone asks the stage to stop: no iteration is
    kept, for all of them together take less time than the teacher's vectors, which are.
    """

    def progress(done: int, residual: float) -> None:
        row = {"step": float(done), "residual": residual}
        curve.append(row)
        job.progress(done, settings.iterations, {"residual": residual})
        if done < settings.iterations and job.stopping():
            raise Interrupted(f"stopped after iteration {done} of {settings.iterations}")

    return progress


def main() -> None:
    with runner.stage("static") as job:
        settings, seed = job.section(Static), job.scalar("seed", int)
        tokenizer, length = Tokenizer(DATA / "tokenizer"), settings.max_length
        texts, numbers = sentences.read(
            GROUPS, SENTENCES, tokenizer, most=settings.sentences, max_length=length, seed=seed
        )
        taught = teachers.vectors(
            Path(settings.teacher),
            texts,
            max_length=length + 2,
            cache=job.cache,
            progress=job.encoded,
            stopping=job.stopping,
        ).selected(numbers)
        learnt = [texts[number] for number in numbers]
        found = pieces.chosen(learnt, settings.pieces)
        backend, composition = pieces.tokenizer(found), bags.composition(found)
        axes = targets.axes(taught, settings.dimensions)
        curve: list[dict[str, float]] = []
        parts = regression.solved(
            bags.counts(pieces.numbers(backend, learnt), len(found)) @ composition,
            lambda rows: axes(taught[rows]),
            ridge=settings.ridge,
            iterations=settings.iterations,
            progress=followed(job, settings, curve),
        )
        folder.save(StaticEncoder(backend=backend, table_PD=composition @ parts), TARGET)
        job.curve(curve)
        job.report({"sentences": len(learnt), "pieces": len(found), "variance_kept": axes.kept})
        job.report({"dimensions": parts.shape[1], "residual": curve[-1]["residual"]})


if __name__ == "__main__":
    main()
