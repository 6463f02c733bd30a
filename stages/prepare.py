"""prepare: a source becomes a tokenizer, corpus shards, similar groups and task rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from pipeline.run import runner
from pipeline.workspace.declaration import Declaration
from rosphere.clue import fit
from rosphere.clue.declared import Prepared
from rosphere.clue.overrides import Overrides
from rosphere.clue.reading import named
from rosphere.clue.tasks import Task
from rosphere.encoder import hub
from rosphere.errors import InputError
from rosphere.preparation import graded, held_out, pairing, splitting, vocabulary, writing
from rosphere.preparation.choosing import read_source
from rosphere.preparation.components import Components
from rosphere.preparation.contamination import HeldOut
from rosphere.preparation.documents import counting, screening, tokenising
from rosphere.preparation.documents.following import SILENT, Following
from rosphere.preparation.documents.parts import Documents
from rosphere.preparation.documents.screening import Screening
from rosphere.preparation.documents.workers import Workers
from rosphere.preparation.filtering import Filter
from rosphere.preparation.reporting import messages, warnings
from rosphere.preparation.settings import Prepare, Vocabulary, require_bounds, two
from rosphere.preparation.source import Row, Source
from rosphere.similarity import labelled_pairs
from rosphere.text import reading, tokenizer

DECLARATION = Declaration(title="Data and time", settings=Prepare)
Rows = Mapping[str, Sequence[Row]]  # by split


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where it is done: what is made lies in ``data``, what a run that was killed finds again in ``work``."""

    data: Path
    work: Path
    workers: Workers
    following: Following


def make_tokenizer(settings: Vocabulary, documents: Documents, place: Place) -> tokenizer.Tokenizer:
    folder = place.data / "tokenizer"
    if settings.path is None:
        entries = counting.vocabulary(
            documents,
            place.work / "vocabulary",
            place.workers,
            size=settings.size,
            minimum=settings.minimum,
            lowercase=settings.lowercase,
        )
        tokenizer.save(entries, folder, lowercase=settings.lowercase)
        return tokenizer.Tokenizer(folder)
    path = Path(settings.path)
    source = path if path.is_file() else hub.located(settings.path)
    return vocabulary.take(source, folder, lowercase=settings.lowercase)


def prepare(
    settings: Prepare,
    tasks: list[str],
    *,
    seed: int,
    data: Path,
    overrides: Mapping[str, Overrides] = MappingProxyType({}),
    supervised: Sequence[str] = (),
    work: Path | None = None,
    following: Following = SILENT,
) -> dict[str, Any]:
    """Writes data/{tokenizer,corpus,pairs,tasks,labelled,unseen.jsonl,supervised.jsonl}; returns the counts of the
    report, and where bad groups are.

    ``overrides`` are the tasks' own settings, ``supervised`` files of labelled pairs. ``work`` is a folder in which a
    run that was killed finds what it had finished; without one nothing is kept.
    """
    require_bounds(settings)
    with ExitStack() as stack:
        folder = work or Path(stack.enter_context(TemporaryDirectory()))
        workers = stack.enter_context(Workers(settings.engine, settings.workers, stopping=following.stopping))
        place = Place(data=data, work=folder.resolve(), workers=workers, following=following)
        return _prepare(settings, tasks, seed, place, overrides, supervised)


def _prepare(
    settings: Prepare,
    tasks: list[str],
    seed: int,
    place: Place,
    overrides: Mapping[str, Overrides],
    supervised: Sequence[str],
) -> dict[str, Any]:
    source, data = read_source(settings, tasks, seed), place.data
    connected = Components(source.groups)
    groups = pairing.split(connected, source.negatives, share=settings.held_out, seed=seed)
    chosen = list(asked_for(source, tasks, settings))
    held = held_out.sentences(groups.dev, source.graded, source.tasks, groups.dev_negatives, known=source.known)
    found = read_documents(settings, source, held, place)
    train, dev = splitting.split_documents(settings, found.documents)
    passed: dict[str, Any] = {"text": found.held_out}
    general, general_counts = pairing.general(source, connected)
    mined, mined_counts = pairing.mine(settings.mining, train, source, connected, seed=seed, general=general)
    if settings.mining.enabled and not connected.groups:
        groups, (train, dev), passed["text_mined"] = splitting.hold_out_mined(
            settings, mined, (train, dev), seed, place.work / "without_mined", place.workers
        )
        mined = []
    if settings.mining.enabled or settings.source == "hub":  # what the check could not see
        pairing.require_measurable(groups, share=settings.held_out, seed=seed)
    sets = held_out.pairs(groups.dev, source.graded, source.tasks, groups.dev_negatives, seed=seed, known=source.known)
    filter_ = Filter(HeldOut(sets))
    pieces = make_tokenizer(settings.vocabulary, train, place)
    report: dict[str, Any] = {"source": dict(source.origin), "text": found.counts, "vocabulary": len(pieces)}
    report["corpus"] = write_corpora({"train": train, "dev": dev}, source, pieces, settings, place)
    if by_text := report["corpus"]["train"].pop("texts", None):
        report["texts"] = by_text
    written = pairing.write(source, groups, filter_, mined, folder=data / "pairs", seed=seed, general=general)
    report["pairs"] = {**connected.counts, **general_counts, **mined_counts, **written}
    if connected.places:
        report["places"] = connected.places
    own = {task.name: overrides.get(task.name, Overrides()) for task, _ in chosen}
    report["tasks"] = write_tasks(chosen, data, filter_, source, own, settings)
    report["fit"] = {
        task.name: fits(fit.with_length(task, own[task.name].max_length), rows, pieces) for task, rows in chosen
    }
    write_labelled([task for task, _ in chosen], data / "tasks", data / "labelled")
    reading.write_rows(data / "unseen.jsonl", ({"text": text} for text in source.unseen))
    write_supervised(supervised, filter_, data / "supervised.jsonl")
    report["held_out"] = passed | filter_.report
    report |= {"rows": {name: dict(each) for name, each in source.rows.items()}} if source.rows else {}
    report |= {"not_read": list(source.unread)} if source.unread else {}
    warned = [*warnings(report, settings), *messages(source)]
    return {**report, "warnings": warned} if warned else report


def asked_for(source: Source, tasks: Sequence[str], settings: Prepare) -> Iterator[tuple[Task, Rows]]:
    """The tasks with their rows. Raises InputError where one is missing or cannot be trained, or a graded set cannot
    be measured.
    """
    for name, graded_rows in source.graded.items():
        graded.require_measurable(name, graded_rows)
    for name in tasks:
        if name not in source.tasks:
            raise InputError(f"params.yaml: tasks: the source {settings.source} has no task {name!r}")
        writing.training_rows(name, source.tasks[name], source.known)
        yield named(name, source.known), source.tasks[name]


def read_documents(
    settings: Prepare, source: Source, held: Mapping[str, Iterable[str]], place: Place
) -> screening.Found:
    """All that is usable. Raises InputError where nothing is."""
    found = screening.screened(
        [text.documents() for text in source.by_text()],
        Screening(minimum=settings.minimum_characters, held_out=held, least=settings.held_out_letters),
        place.work / "documents",
        place.workers,
        reached=lambda parts: place.following.read(source.progress.done, source.progress.size),
    )
    if not len(found.documents):
        raise InputError(f"the source has no usable text: {found.counts}")
    return found


def write_corpora(
    splits: Mapping[str, Documents], source: Source, pieces: tokenizer.Tokenizer, settings: Prepare, place: Place
) -> dict[str, Any]:
    """<split> with whole documents and sentences-<split> with their short sentences; the counts of each."""
    found: dict[str, Any] = {}
    total, begin = sum(len(documents.chosen) for documents in splits.values()), 0

    def reached(done: int) -> None:
        place.following.tokenised(begin + done, total, source.progress.size)

    for split, documents in splits.items():
        found |= tokenising.write(
            documents,
            place.data / "corpus",
            pieces,
            place.work / f"tokens-{split}",
            place.workers,
            whole_words=settings.whole_words,
            sentence_characters=two(settings.sentence_characters, "sentence_characters"),
            split=split,
            texts=source.by_text() if split == "train" else (),
            reached=reached,
        )
        begin += len(documents.chosen)
    return found


def write_tasks(
    chosen: Sequence[tuple[Task, Rows]],
    data: Path,
    filter_: Filter,
    source: Source,
    own: Mapping[str, Overrides],
    settings: Prepare,
) -> dict[str, Any]:
    """tasks/<name> with the rows of each, and how it is to be evaluated; the counts of each."""
    reports = data.parent / "reports"  # DVC expects these, with no task in them too: as an output, and for the report
    for folder in (data / "tasks", reports / "tasks", reports / "predictions"):
        folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for task, rows in chosen:
        name, folder = task.name, data / "tasks" / task.name
        counts = writing.write_task(name, rows, folder, filter_, source.known)
        found[name] = {**counts, **source.counts.get(name, {})}
        users = (settings.source != "sample" or name in source.declared) and not task.clue
        Prepared(own=users, declared=source.declared.get(name), settings=own[name].given()).write(folder)
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


def fits(task: Task, rows: Rows, pieces: tokenizer.Tokenizer) -> dict[str, Any]:
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
            work=job.checkpoint,
            following=Following(
                progress=lambda done, total: job.progress(done, total, {}, unit="MB"), stopping=job.stopping
            ),
        )
        for line in report.get("warnings", ()):
            print(f"prepare: {line}", flush=True)
        job.report(report)


if __name__ == "__main__":
    main()
