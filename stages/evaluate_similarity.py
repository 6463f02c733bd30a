"""evaluate_similarity: finished sentence encoders on held-out groups, graded pairs and negations, beside baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration, Metric, Rival
from rosphere.encoder import folder, hub, modules
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.similarity import before_after, encoding, evaluators, lexical, teachers
from rosphere.similarity import folder as similarity
from rosphere.similarity.evaluators import Benchmark, Graded
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Groups
from rosphere.similarity.teacher_vectors import StoredVectors
from rosphere.similarity.vectors import Vectors, unit
from rosphere.static import folder as static
from rosphere.static.folder import StaticEncoder
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes

DATA, NEGATION = Path("data"), Path("data/sample/negation.jsonl")
UNTRAINED, STAGE_1, STAGE_2 = Path("models/pretrain_wide"), Path("models/simbert"), Path("models/roformer_sim")
STATIC = Path("models/static")
EXAMPLES, AGREEMENT = 20, 1024
SEED = 0  # of the random token vectors, which are the same in every run


@dataclass(frozen=True, kw_only=True)
class EvaluateSimilarity:
    measured: int
    whitening: int

    def __post_init__(self) -> None:
        at_least(self, measured=1, whitening=1)


DECLARATION = Declaration(
    title="Sentence similarity",
    settings=EvaluateSimilarity,
    metrics=(
        Metric(
            key="recall_at_1",
            label="recall@1",
            better="higher",
            format=".3f",
            headline="paraphrase found first (recall@1)",
            rivals=(
                Rival(key="table.untrained mean.recall_at_1", name="the encoder before this training"),
                Rival(key="table.TF-IDF.recall_at_1", name="TF-IDF"),
                Rival(key="table.static.recall_at_1", name="the static encoder"),
            ),
        ),
        Metric(key="recall_at_5", label="recall@5", better="higher", format=".3f", listed=False),
        Metric(key="recall_at_10", label="recall@10", better="higher", format=".3f"),
        Metric(key="mrr", label="MRR", better="higher", format=".3f"),
        Metric(
            key="spearman",
            label="Spearman",
            better="higher",
            format=".3f",
            headline="rank correlation with grades",
            rivals=(
                Rival(key="table.untrained mean.spearman", name="the encoder before this training"),
                Rival(key="table.TF-IDF.spearman", name="TF-IDF"),
                Rival(key="table.static.spearman", name="the static encoder"),
            ),
        ),
        Metric(key="alignment", label="alignment", format=".3f"),
        Metric(key="uniformity", label="uniformity", format=".3f"),
        Metric(
            key="negation.paraphrase_nearer",
            label="paraphrase nearer than the negation",
            better="higher",
            format=".0%",
            listed=False,
        ),
        Metric(
            key="negation.negation_cosine",
            label="mean cosine with the negation",
            better="lower",
            format=".3f",
            listed=False,
        ),
    ),
    figures=("recall", "spearman"),
    others=("untrained", "TF-IDF", "static"),
)


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """What is compared, and how sentences are cut for all of it."""

    model: SimilarityModel
    stage_1: SimilarityModel
    as_trained: SimilarityModel
    untrained: MaskedLanguageModel
    static: StaticEncoder
    tokenizer: Tokenizer
    taught: Callable[[list[str]], StoredVectors]  # by the teacher
    max_length: int  # tokens of a sentence, [CLS] and [SEP] included

    def encode(self, model: SimilarityModel, texts: Sequence[str]) -> Vectors:
        return encoding.encode(model, self.tokenizer, texts, max_length=self.max_length)

    def vectors(self, texts: list[str]) -> dict[str, Vectors]:
        """Unit vectors of the measured sentences by the name of the encoder."""
        whole = self.encode(self.model, texts)
        return {
            "roformer_sim": whole,
            **self.halves(whole),
            "as trained": self.encode(self.as_trained, texts),
            "simbert": self.encode(self.stage_1, texts),
            "teacher": np.asarray(self.taught(texts)),
            "static": self.static.encode(texts),
            "untrained [CLS]": self.encode(SimilarityModel(self.untrained), texts),
            "untrained mean": self.mean(texts),
            "random token vectors": self.random(texts),
        }

    def halves(self, whole: Vectors) -> dict[str, Vectors]:
        """What the encoder and the lexical half say alone, where the vectors have both."""
        if not self.model.lexical:
            return {}
        encoded, characters = np.split(whole, 2, axis=1)
        return {"without its lexical half": unit(encoded), "its lexical half alone": unit(characters)}

    def random(self, texts: Sequence[str]) -> Vectors:
        config = self.untrained.config
        ids = [each[: self.max_length - 2] for each in self.tokenizer.ids(texts)]
        return lexical.random_means(ids, vocabulary=config.vocab_size, width=config.hidden_size, seed=SEED)

    def poolings(self, texts: list[str]) -> dict[str, Vectors]:
        own = encoding.poolings(self.model, self.tokenizer, texts, max_length=self.max_length)
        whole = {"roformer_sim": self.encode(self.model, texts)} if self.model.lexical else {}
        return {
            **whole,
            **own,
            "static": self.static.encode(texts),
            "untrained, mean": self.mean(texts),
            "random token vectors": self.random(texts),
        }

    def mean(self, texts: Sequence[str]) -> Vectors:
        return encoding.mean_pooled(self.untrained, self.tokenizer, texts, max_length=self.max_length)


def loaded(job: runner.Job, tokenizer: Tokenizer, max_length: int) -> Encoders:
    device = processes.device()
    return Encoders(
        model=similarity.load(STAGE_2).to(device),
        stage_1=similarity.load(STAGE_1).to(device),
        as_trained=similarity.load_as_trained(STAGE_2).to(device),
        untrained=folder.load(UNTRAINED, fresh_head=True).to(device),
        static=static.load(STATIC),
        tokenizer=tokenizer,
        taught=partial(
            teachers.vectors,
            Path(job.scalar("roformer_sim.teacher", str)),
            max_length=max_length + 2,
            cache=job.cache,
            progress=job.encoded,
            stopping=job.stopping,
        ),
        max_length=max_length + 2,
    )


def compare(job: runner.Job, encoders: Encoders, measure: Benchmark, dimensions: int) -> Vectors:
    """Reports the table of all encoders; the vectors of the held-out sentences."""
    vectors = encoders.vectors(measure.texts)
    table, held = evaluators.compared(measure, vectors, dimensions), len(measure.queries)
    student, teacher = (vectors[name][:held][:AGREEMENT] for name in ("as trained", "teacher"))
    job.report({**table["roformer_sim"], "table": table, "teacher_agreement": evaluators.agreement(student, teacher)})
    return vectors["roformer_sim"][:held]


def published(init: str | None, teacher: Path) -> dict[str, str]:
    """The encoders of others that this run came from, by their part in it: "start", "teacher"."""
    found = {"start": init} if init else {}
    foreign = teacher.is_dir() and not teachers.like_ours(teacher)
    return {**found, "teacher": str(teacher)} if foreign and str(teacher) != init else found


def beside_published(
    job: runner.Job, encoders: Encoders, measure: Benchmark, sets: Sequence[Graded], most: int
) -> None:
    """Reports what became of each published encoder: nothing where there is none."""
    teacher = Path(job.scalar("roformer_sim.teacher", str))
    named = published(job.scalar("pretrain.init", str | None), teacher)  # type: ignore[arg-type]  # a union
    found = {}
    for part, name in named.items():
        place = hub.located(name)
        bare = part == "start" and not modules.listed(place)
        before = partial(before_after.of_language_model, place, tokenizer=encoders.tokenizer)
        found[part] = {"name": name} | before_after.compared(
            measure,
            sets,
            before=before if bare else partial(before_after.as_published, place, cache=job.cache),
            after=partial(encoders.encode, encoders.model),
            most=most,
            seed=job.scalar("seed", int),
        )
    if found:
        job.report({"published": found})


def main() -> None:
    with runner.stage("evaluate_similarity") as job:
        settings, max_length = job.section(EvaluateSimilarity), job.scalar("roformer_sim.max_length", int)
        tokenizer = Tokenizer(DATA / "tokenizer")
        train, dev = (Groups(DATA / "pairs" / f"{s}.jsonl", tokenizer, max_length=max_length) for s in ("train", "dev"))
        measure = evaluators.benchmark(train, dev, DATA / "pairs" / "gold.jsonl", most=settings.measured)
        encoders = loaded(job, tokenizer, max_length)
        vectors = compare(job, encoders, measure, settings.whitening)
        job.report({"negation": evaluators.negation(NEGATION, partial(encoders.encode, encoders.model))})
        sets, fit_on = evaluators.graded(sorted((DATA / "pairs" / "graded").glob("*.jsonl"))), train.texts
        graded = evaluators.correlations(
            sets, encoders.poolings, fit_on=fit_on[: settings.measured], dimensions=settings.whitening
        )
        job.report({"graded": graded})
        beside_published(job, encoders, measure, sets, settings.measured)
        queries = [members[0] for members in dev.members[:EXAMPLES] if members[0] < len(vectors)]
        near = evaluators.neighbours(vectors, dev.texts[: len(vectors)], queries, 3)
        pairs = zip((dev.texts[query] for query in queries), near, strict=True)
        job.examples({"neighbours": [{"input": text, "nearest": found} for text, found in pairs]})


if __name__ == "__main__":
    main()
