"""roformer_sim: stage 2 of RoFormer-Sim. Similarities distilled from a teacher that sees clean text, and generation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from rosphere import assessment, contrastive, fitting, generation, pairs, processes, retrieval, similarity
from rosphere.encoder import folder
from rosphere.fitting import Callbacks, Schedule
from rosphere.pairs import Groups
from rosphere.retrieval import Vectors
from rosphere.similarity import SimilarityModel
from rosphere.text.tokenizer import Tokenizer
from stages import runner

DATA = Path("data")
UNTRAINED, TARGET = Path("models/pretrain_wide"), Path("models/roformer_sim")
EXAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class RoformerSim:
    teacher: str
    init: str
    weight: float
    pairs: int
    chunk: int
    longest: int
    noise: float
    mask_rate: float
    dropout: float
    whitening: int
    samples: int
    schedule: Schedule


def compared(
    measure: assessment.Benchmark, vectors: dict[str, Vectors], settings: RoformerSim
) -> dict[str, dict[str, float]]:
    """Every encoder as it is, whitened, and whitened to fewer dimensions; TF-IDF beside them."""
    first = len(measure.queries)
    table: dict[str, dict[str, float]] = {}
    for name, each in vectors.items():
        table[name] = measure(each)
        table[f"{name} whitened"] = measure(assessment.whitened(each, first, None))
        table[f"{name} whitened to {settings.whitening}"] = measure(
            assessment.whitened(each, first, settings.whitening)
        )
    table["TF-IDF"] = measure(retrieval.tf_idf(measure.texts[first:], measure.texts))
    return table


def agreement(student: Vectors, teacher: Vectors) -> float:
    """Spearman's rank correlation of the two similarity matrices, over all pairs of different sentences."""
    upper = np.triu_indices(len(student), 1)
    return float(stats.spearmanr((student @ student.T)[upper], (teacher @ teacher.T)[upper]).statistic)


def examples(
    model: SimilarityModel, tokenizer: Tokenizer, dev: Groups, vectors: Vectors, settings: RoformerSim, seed: int
) -> dict[str, Any]:
    """Paraphrases and nearest neighbours of the first question of the first held-out groups; none is picked."""
    queries = [members[0] for members in dev.members[:EXAMPLES]]
    near = assessment.neighbours(vectors[: len(dev.texts)], dev.texts, queries, 3)
    written = generation.paraphrases_of_each(
        model, tokenizer, [dev.texts[query] for query in queries], samples=settings.samples, keep=3, seed=seed
    )
    return {
        "paraphrases": [
            {"input": dev.texts[query], "output": [text for text, _ in found]}
            for query, found in zip(queries, written, strict=True)
        ],
        "neighbours": [
            {"input": dev.texts[query], "nearest": found} for query, found in zip(queries, near, strict=True)
        ],
    }


def main() -> None:
    with runner.stage("roformer_sim") as job:
        settings, seed = job.section(RoformerSim), job.scalar("seed", int)
        tokenizer = Tokenizer(DATA / "tokenizer")
        train, dev = (
            Groups(DATA / "pairs" / f"{s}.jsonl", tokenizer, longest=settings.longest) for s in ("train", "dev")
        )
        teacher = similarity.load(Path(settings.teacher))
        tokenizer.require(teacher.language.config.vocab_size, model=Path(settings.teacher))
        model = similarity.load(Path(settings.init), dropout=settings.dropout)
        tokenizer.require(model.language.config.vocab_size, model=Path(settings.init))
        clean = torch.from_numpy(similarity.encode(teacher, tokenizer, train.texts, longest=settings.longest + 2))
        measure = assessment.benchmark(train, dev, DATA / "pairs" / "gold.jsonl")
        encode = partial(similarity.encode, model, tokenizer, longest=settings.longest + 2)

        def objective(trained: nn.Module, batch: pairs.Batch, backward: fitting.Backward) -> dict[str, Tensor]:
            goal = clean[batch.sentence_N.cpu()].to(batch.ids_NL.device)
            distilled, lm = contrastive.accumulate(
                model,
                batch.split(settings.chunk),
                partial(contrastive.similarity_distillation, teacher_ND=goal, weight=settings.weight),
                backward=backward,
                processes=processes.join(),
            )
            return {"loss": distilled + lm, "distillation": distilled, "lm": lm}

        history = fitting.fit(
            model,
            lambda step: pairs.training_batch(
                train, step, pairs=settings.pairs, noise=settings.noise, rate=settings.mask_rate, seed=seed
            ),
            objective,
            settings.schedule,
            seed=seed,
            folder=job.checkpoint,
            callbacks=Callbacks(
                progress=job.progress, stopping=job.stopping, evaluate=lambda: measure(encode(measure.texts))
            ),
        )
        similarity.save(model, TARGET, tokenizer=DATA / "tokenizer")
        job.curve(history)
        untrained = folder.load(UNTRAINED)
        vectors = {
            "roformer_sim": encode(measure.texts),
            "teacher": similarity.encode(teacher, tokenizer, measure.texts, longest=settings.longest + 2),
            "untrained [CLS]": similarity.encode(SimilarityModel(untrained), tokenizer, measure.texts),
            "untrained mean": similarity.mean_pooled(untrained, tokenizer, measure.texts),
        }
        table = compared(measure, vectors, settings)
        own, held = vectors["roformer_sim"], len(dev.texts)
        job.report(table["roformer_sim"])
        job.report({"table": table, "teacher_agreement": agreement(own[:held], vectors["teacher"][:held])})
        job.examples(examples(model, tokenizer, dev, own, settings, seed))


if __name__ == "__main__":
    main()
