"""roformer_sim: stage 2 of RoFormer-Sim. Similarities distilled from a teacher that sees clean text, and generation.

With supervised.files a copy then learns judged pairs, and what it has learnt is distilled back (RoFormer-Sim-FT).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from pipeline.run import runner
from pipeline.run.settings import at_least
from rosphere.encoder import folder
from rosphere.similarity import (
    distillation,
    diversity,
    encoding,
    evaluators,
    generation,
    gradient_cache,
    losses,
    pairs,
    retrieval,
    supervised,
    teachers,
    whitening,
)
from rosphere.similarity import model as similarity
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Groups
from rosphere.similarity.retrieval import Vectors
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop, processes
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule
from rosphere.training.streams import seed_everything

DATA = Path("data")
UNTRAINED, TARGET = Path("models/pretrain_wide"), Path("models/roformer_sim")
NEGATION = DATA / "sample" / "negation.jsonl"
EXAMPLES, AGREEMENT = 20, 1024


@dataclass(frozen=True, kw_only=True)
class Supervised:
    files: list[str]
    pairs: int
    schedule: Schedule


@dataclass(frozen=True, kw_only=True)
class RoformerSim:
    teacher: str
    init: str
    distillation: Literal["neighbours", "cosines"]
    weight: float
    contrastive: float
    scale: float
    pairs: int
    chunk: int
    longest: int
    noise: float
    mask_rate: float
    dropout: float
    measured: int
    even_out: float
    whitening: int
    samples: int
    schedule: Schedule
    supervised: Supervised

    def __post_init__(self) -> None:
        at_least(self, pairs=1, chunk=1, longest=4, measured=1, samples=1, weight=0, contrastive=0)

    def losses(self, vectors_ND: Tensor, teacher_NE: Tensor) -> dict[str, Tensor]:
        """Of the student's vectors, rows 2i and 2i + 1 similar, and the teacher's of the same sentences; weighted."""
        if self.distillation == "cosines":
            distilled = distillation.similarity_distillation(vectors_ND, teacher_NE, weight=self.weight)
        else:
            distilled = distillation.neighbour_distillation(
                vectors_ND, teacher_NE, weight=self.weight, scale=self.scale
            )
        if not self.contrastive:
            return {"distillation": distilled}
        return {
            "distillation": distilled,
            "contrastive": self.contrastive * losses.info_nce(vectors_ND, scale=self.scale),
        }


class Training:
    """What all phases of the stage share: the groups, the measure, the settings."""

    def __init__(self, job: runner.Job, settings: RoformerSim, tokenizer: Tokenizer) -> None:
        self.job, self.settings, self.tokenizer = job, settings, tokenizer
        self.seed = job.scalar("seed", int)
        self.train, self.dev = (
            Groups(DATA / "pairs" / f"{s}.jsonl", tokenizer, longest=settings.longest) for s in ("train", "dev")
        )
        self.measure = evaluators.benchmark(self.train, self.dev, DATA / "pairs" / "gold.jsonl", most=settings.measured)

    @property
    def longest(self) -> int:
        """Tokens of a sentence, [CLS] and [SEP] included."""
        return self.settings.longest + 2

    def encode(self, model: SimilarityModel, texts: Sequence[str]) -> Vectors:
        return encoding.encode(model, self.tokenizer, texts, longest=self.longest)

    def distil(self, model: SimilarityModel, goal: Vectors, phase: str) -> History:
        """Trains ``model`` in place to see what ``goal``, the vectors of the training sentences, holds for alike."""
        settings, clean = self.settings, torch.from_numpy(goal)

        def objective(trained: nn.Module, batch: pairs.Batch, backward: loop.Backward) -> dict[str, Tensor]:
            wanted, group = clean[batch.sentence_N.cpu()].to(batch.ids_NL.device), processes.join()
            parts: dict[str, Tensor] = {}

            def loss(vectors_ND: Tensor) -> Tensor:
                parts.update(settings.losses(vectors_ND, wanted))
                return torch.stack(list(parts.values())).sum()

            whole, lm = gradient_cache.accumulate(
                model, batch.split(settings.chunk), loss, backward=backward, processes=group
            )
            return {"loss": whole + lm, **{n: part.detach() / group.count for n, part in parts.items()}, "lm": lm}

        return loop.fit(
            model,
            partial(
                pairs.training_batch,
                self.train,
                pairs=settings.pairs,
                noise=settings.noise,
                rate=settings.mask_rate,
                seed=self.seed,
            ),
            objective,
            settings.schedule,
            seed=self.seed,
            folder=self.job.checkpoint / phase,
            callbacks=self._callbacks(model, phase),
            precision=self.job.precision(model.language.config.hidden_size),
        )

    def supervise(self, model: SimilarityModel) -> tuple[SimilarityModel, History]:
        """A copy of ``model`` that has learnt to judge the pairs of supervised.files."""
        chosen = self.settings.supervised
        rows = [row for file in chosen.files for row in supervised.read(Path(file))]
        judged = supervised.Pairs(rows, self.tokenizer, longest=self.settings.longest)
        seed_everything(self.seed)
        judge = supervised.Judge(copy.deepcopy(model))

        def objective(trained: nn.Module, batch: supervised.Batch, backward: loop.Backward) -> dict[str, Tensor]:
            loss, accuracy = judge.loss(batch)
            backward(loss)
            return {"loss": loss.detach(), "accuracy": accuracy.detach()}

        history = loop.fit(
            judge,
            partial(judged.training_batch, pairs=chosen.pairs, seed=self.seed),
            objective,
            chosen.schedule,
            seed=self.seed,
            folder=self.job.checkpoint / "supervised",
            callbacks=self._callbacks(judge.model, "supervised"),
            precision=self.job.precision(model.language.config.hidden_size),
        )
        return judge.model, history

    def _callbacks(self, model: SimilarityModel, phase: str) -> Callbacks:
        settings = self.settings
        lengths = {"": settings.schedule.steps}
        if settings.supervised.files:
            lengths |= {"supervised": settings.supervised.schedule.steps, "distilled_back": settings.schedule.steps}
        before = sum(list(lengths.values())[: list(lengths).index(phase)])

        def progress(step: int, total: int, metrics: Mapping[str, float]) -> None:
            """All phases on one scale."""
            named = {f"{phase}/{name}" if phase else name: value for name, value in metrics.items()}
            self.job.progress(before + step, sum(lengths.values()), named)

        return Callbacks(
            progress=progress,
            stopping=self.job.stopping,
            evaluate=lambda: self.measure(self.encode(model, self.measure.texts)),
        )


def compared(
    measure: evaluators.Benchmark, vectors: dict[str, Vectors], dimensions: int
) -> dict[str, dict[str, float]]:
    """Every encoder as it is, whitened, and whitened to fewer dimensions; TF-IDF beside them."""
    first = len(measure.queries)
    table: dict[str, dict[str, float]] = {}
    for name, each in vectors.items():
        table[name] = measure(each)
        table[f"{name} whitened"] = measure(evaluators.whitened(each, first, None))
        table[f"{name} whitened to {dimensions}"] = measure(evaluators.whitened(each, first, dimensions))
    table["TF-IDF"] = measure(retrieval.tf_idf(measure.texts[first:], measure.texts))
    return table


def agreement(student: Vectors, teacher: Vectors) -> float:
    """Spearman's rank correlation of the two similarity matrices, over all pairs of different sentences."""
    upper = np.triu_indices(len(student), 1)
    return float(stats.spearmanr((student @ student.T)[upper], (teacher @ teacher.T)[upper]).statistic)


def written(model: SimilarityModel, training: Training, vectors: Vectors) -> tuple[dict[str, Any], dict[str, float]]:
    """Paraphrases and nearest neighbours of the first sentence of the first held-out groups, none picked; figures."""
    dev, settings = training.dev, training.settings
    queries = [members[0] for members in dev.members[:EXAMPLES] if members[0] < len(vectors)]
    texts = [dev.texts[query] for query in queries]
    near = evaluators.neighbours(vectors, dev.texts[: len(vectors)], queries, 3)
    found = generation.paraphrases_of_each(
        model, training.tokenizer, texts, samples=settings.samples, keep=5, longest=settings.longest, seed=training.seed
    )
    sentences = [[text for text, _ in each] for each in found]
    everything = [text for each in sentences for text in each]
    figures = {
        "distinct_1": diversity.distinct(everything, 1),
        "distinct_2": diversity.distinct(everything, 2),
        "self_similarity": float(np.mean([diversity.self_similarity(each) for each in sentences])),
        "overlap_with_source": _mean(
            [diversity.overlap(text, other) for text, each in zip(texts, sentences, strict=True) for other in each]
        ),
        "cosine_with_source": _mean([cosine for each in found for _, cosine in each]),
        "sentences": len(everything),
    }
    examples = {
        "paraphrases": [{"input": text, "output": each[:3]} for text, each in zip(texts, sentences, strict=True)],
        "neighbours": [{"input": text, "nearest": each} for text, each in zip(texts, near, strict=True)],
    }
    return examples, figures


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def evaluate(
    job: runner.Job, training: Training, model: SimilarityModel, *, teacher: Vectors, as_trained: Vectors
) -> None:
    """Everything the stage says of a finished model; the teacher's vectors of the measured sentences, and the model's
    own before they were evened out."""
    measure, settings, longest = training.measure, training.settings, training.longest
    untrained = folder.load(UNTRAINED)
    vectors = {
        "roformer_sim": training.encode(model, measure.texts),
        "as trained": as_trained,
        "teacher": teacher,
        "untrained [CLS]": training.encode(SimilarityModel(untrained), measure.texts),
        "untrained mean": encoding.mean_pooled(untrained, training.tokenizer, measure.texts, longest=longest),
    }
    table, held = compared(measure, vectors, settings.whitening), vectors["roformer_sim"][: len(measure.queries)]
    job.report(table["roformer_sim"])
    job.report(
        {
            "table": table,
            "teacher_agreement": agreement(as_trained[: len(held)][:AGREEMENT], teacher[: len(held)][:AGREEMENT]),
        }
    )
    job.report({"negation": evaluators.negation(NEGATION, partial(training.encode, model))})

    def everyone(texts: list[str]) -> dict[str, Vectors]:
        own = encoding.poolings(model, training.tokenizer, texts, longest=longest)
        mean = encoding.mean_pooled(untrained, training.tokenizer, texts, longest=longest)
        return {**own, "untrained, mean": mean}

    sets = evaluators.graded(sorted((DATA / "pairs" / "graded").glob("*.jsonl")))
    fit_on = training.train.texts[: settings.measured]
    job.report({"graded": evaluators.correlations(sets, everyone, fit_on=fit_on, dimensions=settings.whitening)})
    examples, figures = written(model, training, held)
    job.report({"generation": figures})
    job.examples(examples)


def main() -> None:
    with runner.stage("roformer_sim", divides=True) as job:
        settings = job.section(RoformerSim)
        tokenizer = Tokenizer(DATA / "tokenizer")
        training = Training(job, settings, tokenizer)
        ask = partial(teachers.vectors, Path(settings.teacher), longest=training.longest, cache=job.cache)
        goal = ask(training.train.texts)
        model = similarity.load(Path(settings.init), dropout=settings.dropout)
        tokenizer.require(model.language.config.vocab_size, model=Path(settings.init))
        history = training.distil(model, goal, "")
        if settings.supervised.files:
            before = training.measure(training.encode(model, training.measure.texts))
            judge, learnt = training.supervise(model)
            judged = training.measure(training.encode(judge, training.measure.texts))
            back = training.distil(model, training.encode(judge, training.train.texts), "distilled_back")
            job.report({"supervised": {"before": before, "judge": judged, "accuracy": learnt[-1]["accuracy"]}})
            history = back
        as_trained = training.encode(model, training.measure.texts)
        whitening.even_out(model, tokenizer, training.train.texts, settings.even_out, longest=training.longest)
        similarity.save(model, TARGET, tokenizer=DATA / "tokenizer")
        job.curve(history)
        evaluate(job, training, model, teacher=ask(training.measure.texts), as_trained=as_trained)


if __name__ == "__main__":
    main()
