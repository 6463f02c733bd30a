"""prepare: a source becomes a tokenizer, corpus shards, similar groups and task rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.run import runner
from rosphere.clue.reading import named
from rosphere.encoder import hub
from rosphere.errors import InputError
from rosphere.preparation import hub as datasets
from rosphere.preparation import local, pairing, sample, writing
from rosphere.preparation.deduplication import Deduplicator
from rosphere.preparation.mining import Mining
from rosphere.preparation.source import Source
from rosphere.text import tokenizer


@dataclass(frozen=True, kw_only=True)
class Sample:
    faq: str
    sentiment: list[int]  # train and dev rows
    entities: list[int]


@dataclass(frozen=True, kw_only=True)
class Local:
    text: list[str]
    pairs: list[str]
    tasks: str | None
    answers: list[str] = dataclasses.field(default_factory=list)  # for mining
    graded: dict[str, str] = dataclasses.field(default_factory=dict)  # name -> file or folder


@dataclass(frozen=True, kw_only=True)
class Hub:
    text: str | None
    split: str
    field: str
    limit: int | None
    pairs: str | None
    tasks: dict[str, str]
    graded: dict[str, str] = dataclasses.field(default_factory=dict)  # name -> dataset


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    path: str | None  # a vocab.txt, or a model's folder or hub name; null trains one on the corpus
    size: int
    minimum: int  # occurrences below which an entry is left out
    lowercase: bool


@dataclass(frozen=True, kw_only=True)
class Prepare:
    source: Literal["sample", "local", "hub"]
    sample: Sample
    local: Local
    hub: Hub
    vocabulary: Vocabulary
    whole_words: bool
    minimum_characters: int
    maximum_characters: int | None  # of the whole corpus; null takes all
    dev_share: float
    held_out: float  # share of the similar groups kept for evaluation
    sentence_characters: list[int]  # shortest and longest sentence for vmf_vae
    mining: Mining = dataclasses.field(default_factory=Mining)


def read_source(settings: Prepare, tasks: list[str], seed: int) -> Source:
    if settings.source == "local":
        own = settings.local
        return local.load(own.text, own.pairs, own.tasks, tasks, answers=own.answers, graded=own.graded)
    if settings.source == "hub":
        h = settings.hub
        if h.text is None:
            raise InputError("params.yaml: prepare.hub.text: expected the name of a dataset, got null")
        chosen = {name: dataset for name, dataset in h.tasks.items() if name in tasks}
        return datasets.load(h.text, h.split, h.field, h.limit, h.pairs, chosen, graded=h.graded)
    s = settings.sample
    sizes = {"sentiment": _two(s.sentiment, "sample.sentiment"), "entities": _two(s.entities, "sample.entities")}
    return sample.load(Path(s.faq), seed=seed, held_out=settings.held_out, **sizes)


def _two(values: list[int], key: str) -> tuple[int, int]:
    if len(values) != 2:
        raise InputError(f"params.yaml: prepare.{key}: expected two numbers, got {values}")
    return values[0], values[1]


def make_tokenizer(settings: Vocabulary, documents: list[str], folder: Path) -> tokenizer.Tokenizer:
    if settings.path is None:
        vocabulary = tokenizer.train(
            documents, size=settings.size, minimum=settings.minimum, lowercase=settings.lowercase
        )
    else:
        path = Path(settings.path)
        vocabulary = tokenizer.read_vocabulary(path if path.is_file() else hub.located(settings.path) / "vocab.txt")
    tokenizer.save(vocabulary, folder, lowercase=settings.lowercase)
    return tokenizer.Tokenizer(folder)


def take(documents: list[str], characters: int | None) -> list[str]:
    """The first documents that together have at most so many characters."""
    if characters is None:
        return documents
    taken: list[str] = []
    for document in documents:
        characters -= len(document)
        if characters < 0:
            break
        taken.append(document)
    return taken


def prepare(settings: Prepare, tasks: list[str], *, seed: int, data: Path) -> dict[str, Any]:
    """Writes data/{tokenizer,corpus,pairs,tasks}; returns the counts of the report, and where bad groups are."""
    source = read_source(settings, tasks, seed)
    deduplicate = Deduplicator()
    train_groups, dev_groups = sample.split_families(
        list(deduplicate(source.groups)), share=settings.held_out, seed=seed
    )
    missing = [name for name in tasks if name not in source.tasks]
    if missing:
        raise InputError(f"params.yaml: tasks: the source {settings.source} has no task {missing[0]!r}")
    chosen = {named(name).name: source.tasks[name] for name in tasks}
    documents, counts = writing.clean_documents(
        source.documents(),
        minimum=settings.minimum_characters,
        held_out=pairing.held_out_texts(source, dev_groups, chosen),
    )
    documents = take(documents, settings.maximum_characters)
    dev = [text for text in documents if writing.is_dev(text, settings.dev_share)]
    train = [text for text in documents if not writing.is_dev(text, settings.dev_share)]
    if not dev:
        raise InputError(f"params.yaml: prepare.dev_share: {settings.dev_share} of {len(documents)} documents is none")
    pieces = make_tokenizer(settings.vocabulary, train, data / "tokenizer")
    shortest, max_length = _two(settings.sentence_characters, "sentence_characters")
    report: dict[str, Any] = {"source": dict(source.origin), "text": counts, "vocabulary": len(pieces)}
    report["corpus"] = {}
    for split, texts in (("train", train), ("dev", dev)):
        folder = data / "corpus" / split
        report["corpus"][split] = writing.write_corpus(texts, folder, pieces, whole_words=settings.whole_words)
        short = writing.short_sentences(texts, shortest, max_length)
        folder = data / "corpus" / f"sentences-{split}"
        report["corpus"][f"sentences-{split}"] = writing.write_corpus(short, folder, pieces, whole_words=False)
    report["pairs"] = pairing.write(
        source,
        (train_groups, dev_groups),
        chosen,
        train,
        deduplicate=deduplicate,
        settings=settings.mining,
        folder=data / "pairs",
        seed=seed,
    )
    if deduplicate.places:
        report["places"] = deduplicate.places
    reports = data.parent / "reports"  # DVC expects these, with no task in them too: as an output, and for the report
    for folder in (data / "tasks", reports / "tasks", reports / "predictions"):
        folder.mkdir(parents=True, exist_ok=True)
    report["tasks"] = {
        n: {**writing.write_task(n, rows, data / "tasks" / n), **source.counts.get(n, {})} for n, rows in chosen.items()
    }
    return report


def main() -> None:
    with runner.stage("prepare") as job:
        settings = job.section(Prepare)
        tasks = job.scalar("tasks", list[str])
        job.report(prepare(settings, tasks, seed=job.scalar("seed", int), data=Path("data")))


if __name__ == "__main__":
    main()
