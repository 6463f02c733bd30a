"""prepare: a source becomes a tokenizer, corpus shards, similar groups and task rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pipeline.run import runner
from pipeline.workspace.declaration import Declaration
from rosphere.clue import fit
from rosphere.clue.declared import Prepared
from rosphere.clue.overrides import Overrides
from rosphere.clue.reading import named
from rosphere.clue.tasks import Task
from rosphere.encoder import hub
from rosphere.errors import InputError
from rosphere.preparation import filtering, graded, held_out, labelled, local, pairing, sample, writing
from rosphere.preparation import hub as datasets
from rosphere.preparation.components import Components
from rosphere.preparation.contamination import HeldOut
from rosphere.preparation.filtering import Filter
from rosphere.preparation.graded import GradedFiles
from rosphere.preparation.labelled import PairFiles
from rosphere.preparation.local import TextFiles
from rosphere.preparation.mining import Mining
from rosphere.preparation.naming import place_of
from rosphere.preparation.own_tasks import joining
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.preparation.pairing import Split
from rosphere.preparation.records import SUFFIXES
from rosphere.preparation.source import Group, Row, Source
from rosphere.similarity import labelled_pairs
from rosphere.text import reading, tokenizer
from rosphere.text.tokenizer import SPECIALS

MUCH_UNKNOWN = 0.05  # a share of [UNK] above which one is warned


@dataclass(frozen=True, kw_only=True)
class Sample:
    faq: str
    sentiment: list[int]  # train and dev rows
    entities: list[int]


@dataclass(frozen=True, kw_only=True)
class Local:
    text: list[str | TextFiles]
    pairs: list[str | PairFiles]
    tasks: str | None
    answers: list[str] = dataclasses.field(default_factory=list)  # for mining
    graded: dict[str, str | GradedFiles] = dataclasses.field(default_factory=dict)  # name -> file or folder
    positive_from: float | None = None  # the grade from which on a graded pair among ``pairs`` is alike


@dataclass(frozen=True, kw_only=True)
class Hub:
    text: str | None
    split: str
    field: str
    limit: int | None
    pairs: str | None
    tasks: dict[str, str]
    graded: dict[str, str] = dataclasses.field(default_factory=dict)  # name -> dataset
    positive_from: float | None = None


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
    tasks: dict[str, OwnTask] = dataclasses.field(default_factory=dict)  # of the user's own, whatever the source

    def own(self, tasks: Sequence[str]) -> dict[str, OwnTask]:
        """Those of the tasks asked for that are declared here."""
        return {name: self.tasks[name] for name in tasks if name in self.tasks}

    def sources(self) -> list[str | None]:
        """What is read that no stage makes."""
        own = self.local
        files = [*map(place_of, [*own.text, *own.pairs, *own.graded.values()]), *own.answers, own.tasks]
        tasks = (task.files for task in self.tasks.values())
        of_tasks = (place for given in tasks for place in ([given] if isinstance(given, str) else given.values()))
        return [self.vocabulary.path, *(files if self.source == "local" else ()), *of_tasks]


DECLARATION = Declaration(title="Data and time", settings=Prepare)


def read_source(settings: Prepare, tasks: list[str], seed: int) -> Source:
    """What the source gives, with the tasks of one's own that are asked for."""
    own = settings.own(tasks)
    source = _of_source(settings, [name for name in tasks if name not in own], seed)
    return joining.joined(source, own, seed=seed)


def _of_source(settings: Prepare, tasks: list[str], seed: int) -> Source:
    if settings.source == "local":
        own = settings.local
        return local.load(
            own.text,
            own.pairs,
            own.tasks,
            tasks,
            answers=own.answers,
            graded=own.graded,
            positive_from=own.positive_from,
        )
    if settings.source == "hub":
        h = settings.hub
        if h.text is None:
            raise InputError("params.yaml: prepare.hub.text: expected the name of a dataset, got null")
        chosen = {name: dataset for name, dataset in h.tasks.items() if name in tasks}
        return datasets.load(
            h.text, h.split, h.field, h.limit, h.pairs, chosen, graded=h.graded, positive_from=h.positive_from
        )
    s = settings.sample
    sizes = {"sentiment": _two(s.sentiment, "sample.sentiment"), "entities": _two(s.entities, "sample.entities")}
    return sample.load(Path(s.faq), seed=seed, held_out=settings.held_out, **sizes)


def _two(values: list[int], key: str) -> tuple[int, int]:
    if len(values) != 2:
        raise InputError(f"params.yaml: prepare.{key}: expected two numbers, got {values}")
    if min(values) < 1:
        raise InputError(f"params.yaml: prepare.{key}: expected numbers of 1 or more, got {values}")
    return values[0], values[1]


def require_bounds(settings: Prepare) -> None:
    """Raises InputError for numbers with which nothing can be prepared."""
    shortest, longest = _two(settings.sentence_characters, "sentence_characters")
    if shortest > longest:
        raise InputError(
            f"params.yaml: prepare.sentence_characters: expected the shorter first, got {settings.sentence_characters}"
        )
    if settings.source == "sample":
        _two(settings.sample.sentiment, "sample.sentiment")
        _two(settings.sample.entities, "sample.entities")
    for key, share in (("held_out", settings.held_out), ("dev_share", settings.dev_share)):
        if not 0 <= share <= 1:
            raise InputError(f"params.yaml: prepare.{key}: expected a share, 0 to 1, got {share}")
    vocabulary = settings.vocabulary
    if vocabulary.path is None and vocabulary.size <= len(SPECIALS):
        least = len(SPECIALS) + 1
        raise InputError(f"params.yaml: prepare.vocabulary.size: expected {least} or more, got {vocabulary.size}")


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


def split_documents(settings: Prepare, documents: list[str]) -> tuple[list[str], list[str]]:
    """Documents for training and for evaluation; each of the keys that can leave none is named."""
    taken = take(documents, settings.maximum_characters)
    if not taken:
        raise InputError(
            f"params.yaml: prepare.maximum_characters: expected as many as the first document has, {len(documents[0])},"
            f" got {settings.maximum_characters}"
        )
    train = [text for text in taken if not writing.is_dev(text, settings.dev_share)]
    dev = [text for text in taken if writing.is_dev(text, settings.dev_share)]
    if not dev:
        raise InputError(f"params.yaml: prepare.dev_share: {settings.dev_share} of {len(taken)} documents is none")
    if not train:
        raise InputError(
            f"params.yaml: prepare.dev_share: {settings.dev_share} of {len(taken)} documents leaves none to train on"
        )
    return train, dev


def hold_out_mined(
    settings: Prepare, mined: list[Group], documents: tuple[list[str], list[str]], seed: int
) -> tuple[Split, tuple[list[str], list[str]], dict[str, Any]]:
    """Where no groups are given: those held out are of the mined ones, and no document has a sentence of theirs; and
    how many had one."""
    train, dev = sample.split_families(mined, share=settings.held_out, seed=seed)
    if not train or len(dev) < 2:
        raise InputError(
            "params.yaml: prepare.mining: expected mined pairs to train on and two or more to hold out, got"
            f" {len(train)} and {len(dev)} (prepare.held_out: {settings.held_out}); or give prepare.local.pairs"
        )
    held = {"dev_groups": [text for group in dev for text in group.texts]}
    kept, _, found = zip(*(filtering.documents(texts, minimum=0, held_out=held) for texts in documents), strict=True)
    if not all(kept):
        raise InputError("params.yaml: prepare.held_out: the mined pairs held out leave no documents to train on")
    read, dropped = (sum(each[key] for each in found) for key in ("read", "dropped"))
    counts = {"read": read, "dropped": dropped, "found": {"dev_groups": {"exact": dropped}} if dropped else {}}
    return Split(train=train, dev=dev), (kept[0], kept[1]), counts


def prepare(
    settings: Prepare,
    tasks: list[str],
    *,
    seed: int,
    data: Path,
    overrides: Mapping[str, Overrides] = MappingProxyType({}),
    supervised: Sequence[str] = (),
) -> dict[str, Any]:
    """Writes data/{tokenizer,corpus,pairs,tasks,labelled,unseen.jsonl,supervised.jsonl}; returns the counts of the
    report, and where bad groups are.

    ``overrides`` are the tasks' own settings, ``supervised`` files of labelled pairs.
    """
    require_bounds(settings)
    shortest, max_length = _two(settings.sentence_characters, "sentence_characters")
    source = read_source(settings, tasks, seed)
    connected = Components(source.groups)
    groups = pairing.split(connected, source.negatives, share=settings.held_out, seed=seed)
    missing = [name for name in tasks if name not in source.tasks]
    if missing:
        raise InputError(f"params.yaml: tasks: the source {settings.source} has no task {missing[0]!r}")
    for name, graded_rows in source.graded.items():
        graded.require_measurable(name, graded_rows)
    chosen = [(named(name, source.known), source.tasks[name]) for name in tasks]
    for task, rows in chosen:
        writing.training_rows(task.name, rows, source.known)
    documents, counts, found = filtering.documents(
        source.documents(),
        minimum=settings.minimum_characters,
        held_out=held_out.sentences(groups.dev, source.graded, source.tasks, groups.dev_negatives, known=source.known),
    )
    if not documents:
        raise InputError(f"the source has no usable text: {counts}")
    train, dev = split_documents(settings, documents)
    passed: dict[str, Any] = {"text": found}
    mined, mined_counts = pairing.mine(settings.mining, train, source, connected, seed=seed)
    if settings.mining.enabled and not connected.groups:
        groups, (train, dev), passed["text_mined"] = hold_out_mined(settings, mined, (train, dev), seed)
        mined = []
    if settings.mining.enabled or settings.source == "hub":  # what the check could not see
        pairing.require_measurable(groups, share=settings.held_out, seed=seed)
    sets = held_out.pairs(groups.dev, source.graded, source.tasks, groups.dev_negatives, seed=seed, known=source.known)
    filter_ = Filter(HeldOut(sets))
    pieces = make_tokenizer(settings.vocabulary, train, data / "tokenizer")
    report: dict[str, Any] = {"source": dict(source.origin), "text": counts, "vocabulary": len(pieces)}
    report["corpus"] = {}
    for split, texts in (("train", train), ("dev", dev)):
        folder = data / "corpus" / split
        report["corpus"][split] = writing.write_corpus(texts, folder, pieces, whole_words=settings.whole_words)
        short = writing.short_sentences(texts, shortest, max_length)
        folder = data / "corpus" / f"sentences-{split}"
        report["corpus"][f"sentences-{split}"] = writing.write_corpus(
            short, folder, pieces, whole_words=False, needed=False
        )
    written = pairing.write(source, groups, filter_, mined, folder=data / "pairs", seed=seed)
    report["pairs"] = {**connected.counts, **mined_counts, **written}
    if connected.places:
        report["places"] = connected.places
    reports = data.parent / "reports"  # DVC expects these, with no task in them too: as an output, and for the report
    for folder in (data / "tasks", reports / "tasks", reports / "predictions"):
        folder.mkdir(parents=True, exist_ok=True)
    report["tasks"] = {}
    for task, rows in chosen:
        name, folder, own = task.name, data / "tasks" / task.name, overrides.get(task.name, Overrides())
        report["tasks"][name] = {
            **writing.write_task(name, rows, folder, filter_, source.known),
            **source.counts.get(name, {}),
        }
        users = settings.source != "sample" or name in source.declared
        Prepared(own=users and not task.clue, declared=source.declared.get(name), settings=own.given()).write(folder)
    report["fit"] = {
        task.name: fits(fit.with_length(task, overrides.get(task.name, Overrides()).max_length), rows, pieces)
        for task, rows in chosen
    }
    write_labelled([task for task, _ in chosen], data / "tasks", data / "labelled")
    reading.write_rows(data / "unseen.jsonl", ({"text": text} for text in source.unseen))
    write_supervised(supervised, filter_, data / "supervised.jsonl")
    report["held_out"] = passed | filter_.report
    report |= {"rows": {name: dict(each) for name, each in source.rows.items()}} if source.rows else {}
    report |= {"not_read": list(source.unread)} if source.unread else {}
    warned = [*warnings(report, settings), *messages(source)]
    return {**report, "warnings": warned} if warned else report


def warnings(report: Mapping[str, Any], settings: Prepare) -> list[str]:
    """What a person should know who has no reason to look into the report."""
    found = [
        f"data/corpus/{name}: {each['unknown_share']:.1%} of the tokens are [UNK]: params.yaml: prepare.vocabulary"
        for name, each in report["corpus"].items()
        if each["unknown_share"] > MUCH_UNKNOWN
    ]
    found += [
        f"data/corpus/{name}: no sentence has {settings.sentence_characters} characters: vmf_vae has nothing to learn "
        "from: params.yaml: prepare.sentence_characters"
        for name, each in report["corpus"].items()
        if not each["tokens"]
    ]
    return found


def messages(source: Source) -> list[str]:
    """What was found and is not read, and what was read and is not used."""
    found = [f"{path}: not read, it ends in none of {', '.join(SUFFIXES)}" for path in source.unread]
    for name, counts in source.rows.items():
        found += [f"{name}: {reason} of {counts['read']} rows" for reason in labelled.reasons(counts)]
    return found


def write_labelled(tasks: Sequence[Task], written: Path, folder: Path) -> None:
    """Sentences with a class, of the first task that has such: what the sphere of a text VAE is shown by.

    A copy, so that the VAE is not measured again when a task is added. Empty where no task has such.
    """
    suited = [task for task in tasks if task.kind == "classification" and not task.pair][:1]
    for split in ("train", "dev"):
        values = (
            {"sentence": task.texts(row)[0], "label": str(row[task.gold])}
            for task in suited
            for _, row in reading.rows(written / task.name / f"{split}.jsonl")
        )
        reading.write_rows(folder / f"{split}.jsonl", values)


def write_supervised(names: Sequence[str], filter_: Filter, path: Path) -> None:
    """The labelled pairs of these files that are not held out, nor nearly: what roformer_sim learns them from.

    A copy, so that the model is not trained again when a task is added.
    """
    rows = [row for name in names for row in labelled_pairs.read(Path(name))]
    usable = list(filter_.rows("labelled_pairs", (((row.one, row.two), row) for row in rows))) if rows else []
    if rows and not usable:
        why = filter_.reasons("labelled_pairs")
        raise InputError(f"params.yaml: roformer_sim.supervised.files: all {len(rows)} pairs are held out ({why})")
    labelled_pairs.write(usable, path)


def fits(task: Task, rows: Mapping[str, Sequence[Row]], pieces: tokenizer.Tokenizer) -> dict[str, Any]:
    """split -> how its rows fit the task's length and the vocabulary; too much that does not is said at once."""
    found = {split: fit.measured(task, rows[split], pieces) for split in rows}
    for split, report in found.items():
        for line in fit.warnings(task, split, report):
            print(f"prepare: {line}", flush=True)
    return found


def main() -> None:
    with runner.stage("prepare") as job:
        settings = job.section(Prepare)
        tasks = job.scalar("tasks", list[str])
        report = prepare(
            settings,
            tasks,
            seed=job.scalar("seed", int),
            data=Path("data"),
            overrides=job.scalar("evaluate.tasks", dict[str, Overrides]),
            supervised=job.scalar("roformer_sim.supervised.files", list[str]),
        )
        for line in report.get("warnings", ()):
            print(f"prepare: {line}", flush=True)
        job.report(report)


if __name__ == "__main__":
    main()
