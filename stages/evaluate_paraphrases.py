"""evaluate_paraphrases: what the paraphrase generator writes for held-out sentences, beside what people wrote for them.

The judge of fluency counts text that nothing was trained on: held-out documents of the corpus, what else the source
holds out of it, and the held-out groups of other families than those of the sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.similarity import counting, diversity, encoding, generation, retrieval, teachers, writing
from rosphere.similarity import folder as similarity
from rosphere.similarity.generation import Ranked
from rosphere.similarity.pairs import Groups
from rosphere.similarity.vectors import Rows
from rosphere.similarity.writing import Judge
from rosphere.text import ngrams, reading
from rosphere.text.cleaning import fingerprint
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes

DATA, SOURCE = Path("data"), Path("models/roformer_sim")
EXAMPLES, KEPT, ORDER = 20, 5, 5


@dataclass(frozen=True, kw_only=True)
class EvaluateParaphrases:
    samples: int  # drawn per sentence, before ranking
    groups: int  # held-out ones whose first sentence is paraphrased, at most
    teacher: str | None  # a folder whose cosines say what is near in meaning; null: overlap of TF-IDF instead

    def __post_init__(self) -> None:
        at_least(self, samples=1, groups=1)

    def sources(self) -> list[str | None]:
        """What is read that no stage makes."""
        return [self.teacher]


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
        Metric(
            key="writing.model.perplexity",
            label="perplexity of paraphrases by counts",
            better="lower",
            format=".0f",
            listed=False,
        ),
        Metric(
            key="writing.model.relevance",
            label="cosine of paraphrases with the source",
            better="higher",
            format=".3f",
            listed=False,
        ),
    ),
    others=("people", "nearest", "freely", "copy"),
)


def figures(texts: Sequence[str], found: Sequence[Ranked]) -> dict[str, float]:
    """How the sentences differ from one another and from their sources, and how near their vectors are to these."""
    sentences = [[text for text, _ in each] for each in found]
    everything = writing.flat(sentences)
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


def unseen(path: Path, held: set[bytes]) -> Iterator[str]:
    """The texts that are held out whatever tasks are asked for, but for sentences of the held-out groups."""
    return (row["text"] for _, row in reading.rows(path) if fingerprint(row["text"]) not in held)


def of_other_families(groups: Groups, first: int) -> Iterator[str]:
    """The sentences of the groups after the ``first`` ones that have no family with these in common."""
    families = set(groups.families[:first])
    for members, family in zip(groups.members[first:], groups.families[first:], strict=True):
        if family not in families or not family:
            yield from (groups.texts[member] for member in members)


def judge(settings: EvaluateParaphrases, tokenizer: Tokenizer, train: Groups, dev: Groups) -> tuple[Judge, int]:
    """Fitted on text not trained on, and of how many tokens."""
    held = {fingerprint(text) for text in dev.texts}
    texts = [*unseen(DATA / "unseen.jsonl", held), *of_other_families(dev, settings.groups)]
    rows = [np.array(ids, np.int64) for ids in tokenizer.ids(texts)]
    own = [*counting.documents(Corpus(DATA / "corpus" / "dev")), *rows]
    size = len(tokenizer)
    text: list[NDArray[np.int64]] = list(counting.sentences(own, tokenizer))
    groups = (ids.astype(np.int64) for ids, _ in train.tokens)
    trained = [*counting.documents(Corpus(DATA / "corpus" / "train")), *groups]
    counts = ngrams.fit(text, order=ORDER, vocabulary=size, begin=tokenizer.cls, end=tokenizer.sep)
    encode = partial(relevance, settings.teacher, train.texts)
    seen = writing.bigrams([*own, *trained], size)
    return Judge(counts=counts, seen=seen, tokenizer=tokenizer, encode=encode), sum(map(len, text))


def relevance(teacher: str | None, fit_on: Sequence[str], texts: list[str]) -> Rows:
    """Unit vectors by an encoder that has nothing to do with ours, or by TF-IDF of character n-grams."""
    if teacher is None:
        return retrieval.tf_idf(fit_on, texts)
    return np.asarray(teachers.vectors(Path(teacher), texts, max_length=64))


def main() -> None:
    with runner.stage("evaluate_paraphrases") as job:
        settings, max_length = job.section(EvaluateParaphrases), job.scalar("roformer_sim.max_length", int)
        tokenizer = Tokenizer(DATA / "tokenizer")
        train, dev = (Groups(DATA / "pairs" / f"{s}.jsonl", tokenizer, max_length=max_length) for s in ("train", "dev"))
        model = similarity.load(SOURCE).to(processes.device())
        tokenizer.require(model.language.config.vocab_size, model=SOURCE)
        # The first sentence of the first groups: none picked.
        texts = [dev.texts[members[0]] for members in dev.members[: settings.groups]]
        write = partial(
            generation.paraphrases_of_each,
            model,
            tokenizer,
            texts,
            samples=settings.samples,
            keep=KEPT,
            max_length=max_length,
            seed=job.scalar("seed", int),
        )
        found = write()
        freely = [[text for text, _ in each] for each in write(edits=False)] if model.writes else []
        job.report(figures(texts, found))
        measured, tokens = judge(settings, tokenizer, train, dev)
        written = [[text for text, _ in each] for each in found]
        asked, known = (
            encoding.encode(model, tokenizer, each, max_length=max_length + 2) for each in (texts, train.texts)
        )
        near = writing.nearest(asked, known, train.texts)
        people = writing.others(dev, range(len(texts)))
        table = writing.compared(
            measured, texts, written, people=people, nearest=near, **({"freely": freely} if freely else {})
        )
        by = "TF-IDF" if settings.teacher is None else settings.teacher
        job.report({"writing": table, "judge": {"tokens": tokens, "order": ORDER, "relevance": by}})
        rows = list(zip(texts, written, people, near, freely or [[] for _ in texts], strict=True))[:EXAMPLES]
        shown = [
            {"input": t, "output": w[:3], "people": p[:1], "nearest": n, "freely": f[:1]} for t, w, p, n, f in rows
        ]
        job.examples({"paraphrases": shown})


if __name__ == "__main__":
    main()
