"""evaluate_paraphrases: what the paraphrase generator writes for held-out sentences, and how varied it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.similarity import diversity, generation
from rosphere.similarity import model as similarity
from rosphere.similarity.generation import Ranked
from rosphere.similarity.pairs import Groups
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes

DATA, SOURCE = Path("data"), Path("models/roformer_sim")
EXAMPLES, KEPT = 20, 5


@dataclass(frozen=True, kw_only=True)
class EvaluateParaphrases:
    samples: int  # drawn per sentence, before ranking

    def __post_init__(self) -> None:
        at_least(self, samples=1)


DECLARATION = Declaration(
    title="Sentence similarity",
    settings=EvaluateParaphrases,
    metrics=(
        Metric(key="sentences", label="sentences kept, of all sources"),
        Metric(key="distinct_1", label="distinct characters", better="higher"),
        Metric(key="distinct_2", label="distinct bigrams", better="higher"),
        Metric(key="self_similarity", label="overlap among those of one source"),
        Metric(key="overlap_with_source", label="overlap with the source"),
        Metric(key="cosine_with_source", label="cosine with the source"),
    ),
)


def figures(texts: Sequence[str], found: Sequence[Ranked]) -> dict[str, float]:
    """How the sentences differ from one another and from their sources, and how near their vectors are to these."""
    sentences = [[text for text, _ in each] for each in found]
    everything = [text for each in sentences for text in each]
    overlaps = [diversity.overlap(text, other) for text, each in zip(texts, sentences, strict=True) for other in each]
    return {
        "distinct_1": diversity.distinct(everything, 1),
        "distinct_2": diversity.distinct(everything, 2),
        "self_similarity": float(np.mean([diversity.self_similarity(each) for each in sentences])),
        "overlap_with_source": _mean(overlaps),
        "cosine_with_source": _mean([cosine for each in found for _, cosine in each]),
        "sentences": len(everything),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def main() -> None:
    with runner.stage("evaluate_paraphrases") as job:
        settings, max_length = job.section(EvaluateParaphrases), job.scalar("roformer_sim.max_length", int)
        tokenizer = Tokenizer(DATA / "tokenizer")
        dev = Groups(DATA / "pairs" / "dev.jsonl", tokenizer, max_length=max_length)
        model = similarity.load(SOURCE).to(processes.device())
        tokenizer.require(model.language.config.vocab_size, model=SOURCE)
        # The first sentence of the first groups: none picked.
        texts = [dev.texts[members[0]] for members in dev.members[:EXAMPLES]]
        found = generation.paraphrases_of_each(
            model,
            tokenizer,
            texts,
            samples=settings.samples,
            keep=KEPT,
            max_length=max_length,
            seed=job.scalar("seed", int),
        )
        job.report(figures(texts, found))
        shown = [{"input": text, "output": [s for s, _ in each[:3]]} for text, each in zip(texts, found, strict=True)]
        job.examples({"paraphrases": shown})


if __name__ == "__main__":
    main()
