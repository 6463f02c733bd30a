"""From a source's documents to those that are trained on or measured: screened by parts, of equal ones the first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rosphere import files
from rosphere.preparation.documents import distinct, parts
from rosphere.preparation.documents.finished import Job, Outcome, results
from rosphere.preparation.documents.parts import NAME_BYTES, Documents, Part
from rosphere.preparation.documents.workers import Workers
from rosphere.text.cleaning import lot
from rosphere.text.screening import HeldOutTexts, Screen

NAME = np.dtype(f"V{NAME_BYTES}")
Reached = Callable[[int], None]  # is told how many parts are done


@dataclass(frozen=True, kw_only=True)
class Screening:
    """What is asked of a document: ``minimum`` characters, and no text of ``held_out``, by set (text/screening.py)."""

    minimum: int
    held_out: Mapping[str, Iterable[str]]
    least: int = 0  # letters of a held-out text that is cut out of documents


@dataclass(frozen=True, kw_only=True)
class Found:
    """``counts`` by reason; ``held_out`` as in ``filtering.Filter.report``, with the documents that were "cut"."""

    documents: Documents
    counts: dict[str, int]
    held_out: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Given:
    texts: list[str]
    minimum: int
    least: int
    held_out: Path  # JSON: set -> texts
    held_out_hash: str


def screened(
    texts: Sequence[Iterable[str]],
    asked: Screening,
    folder: Path,
    workers: Workers,
    *,
    reached: Reached = lambda done: None,
) -> Found:
    """Documents of all texts clean, long enough, without held-out sentences and each once, in ``folder``.

    Memory: of a part a worker, and of all documents some 10 bytes each; 20 bytes each on disk beside their text.
    """
    sets = {name: list(each) for name, each in asked.held_out.items()}
    path = folder / "held_out.json"
    files.write_json(path, sets)
    known = files.file_hash(path)
    base = f"{asked.minimum} {asked.least} {known}"
    of_texts: list[int] = []
    keys: list[str] = []

    def jobs() -> Iterator[Job[Given]]:
        for text, documents in enumerate(texts):
            for part in parts.cut(documents):
                stem = folder / f"{len(of_texts):06d}"
                of_texts.append(text)
                keys.append(f"{parts.digest(part)} {base}")
                given = Given(texts=part, minimum=asked.minimum, least=asked.least, held_out=path, held_out_hash=known)
                yield Job(stem=stem, key=keys[-1], given=given)

    made: list[Part] = []
    counts: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for number, outcome in enumerate(results(screen_part, jobs(), workers)):
        found = Path(outcome["file"])
        made.append(Part(path=found, documents=outcome["documents"], text=of_texts[number], key=keys[number]))
        counts.update(outcome["counts"])
        held.update(outcome["held_out"])
        reached(number + 1)
    return _first_ones(made, counts, held, folder)


def _first_ones(made: list[Part], counts: Counter[str], held: Counter[str], folder: Path) -> Found:
    every = Documents(parts=made, kept=np.ones(sum(part.documents for part in made), dtype=bool))
    names = (part.column("name") for part in made)
    new = distinct.first(names, len(every), folder / "names")  # type: ignore[arg-type]
    documents = every.only(new)
    counts["kept"] = len(documents)
    counts["changed"] = sum(int(each[new[place]].sum()) for place, each in every.column("changed"))
    cut = [each[new[place]] for place, each in every.column("cut")]
    said = {
        "dropped_duplicate": len(every) - len(documents),
        "cut_held_out": sum(int(np.count_nonzero(each)) for each in cut),
        "cut_sentences": sum(int(each.sum()) for each in cut),
    }
    counts.update({name: count for name, count in said.items() if count})
    seen = {"read": counts["read"], "dropped": counts["dropped_held_out"], "cut": said["cut_held_out"]}
    found = {name: {"exact": count} for name, count in sorted(held.items())}
    return Found(documents=documents, counts=dict(counts), held_out={**seen, "found": found})


def screen_part(stem: Path, given: Given) -> Outcome:
    """Writes what is left of a part's texts, with their names, lots and characters."""
    screen = Screen(_held_out(given.held_out, given.held_out_hash, given.least), minimum=given.minimum)
    left = [each for each in map(screen, given.texts) if each is not None]
    lots = (int.from_bytes(lot(each.text)[:4], "big") for each in left)
    path = stem.with_name(f"{stem.name}.npz")
    parts.write(
        path,
        [each.text for each in left],
        name=np.frombuffer(b"".join(each.name for each in left), dtype=NAME),
        lot=np.fromiter(lots, dtype=np.uint32, count=len(left)),
        characters=np.array([len(each.text) for each in left], dtype=np.uint32),
        changed=np.array([each.changed for each in left], dtype=bool),
        cut=np.array([each.cut for each in left], dtype=np.uint32),
    )
    counts = {"counts": dict(screen.counts), "held_out": dict(screen.found)}
    return {"file": str(path), "documents": len(left), **counts}


@lru_cache(maxsize=1)
def _held_out(path: Path, known: str, least: int) -> HeldOutTexts:
    """``known`` tells one content of the file from another: a worker may outlive a run."""
    return HeldOutTexts(json.loads(path.read_text(encoding="utf-8")), least=least)
