"""A vocabulary's counts over documents on disk, in bounded memory."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rosphere import files
from rosphere.preparation.documents.finished import Job, Outcome, results
from rosphere.preparation.documents.parts import Chosen, Documents
from rosphere.preparation.documents.workers import Workers
from rosphere.text import tokenizer

MOST = 1 << 20  # words counted in memory: some 100 MB; what is above goes to disk, sorted

Given = tuple[Chosen, bool]


class Tally:
    """Counts of words, exact however many there are: above ``most`` of them they are written out, sorted, and begun
    anew."""

    def __init__(self, folder: Path, *, most: int = MOST) -> None:
        self.folder, self.most = folder, most
        self.words: Counter[str] = Counter()
        self.runs: list[Path] = []

    def add(self, words: dict[str, int]) -> None:
        self.words.update(words)
        if len(self.words) > self.most:
            path = self.folder / f"run-{len(self.runs):04d}.jsonl"
            with files.replacing(path) as new, new.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in sorted(self.words.items()))
            self.runs.append(path)
            self.words.clear()

    def often(self, minimum: int) -> dict[str, int]:
        """The words that were met so often or more, with their counts."""
        merged = heapq.merge(*map(_rows, self.runs), sorted(self.words.items()))
        counted = ((word, sum(n for _, n in rows)) for word, rows in itertools.groupby(merged, key=lambda row: row[0]))
        return {word: count for word, count in counted if count >= minimum}


def _rows(path: Path) -> Iterator[tuple[str, int]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            word, count = json.loads(line)
            yield word, count


def vocabulary(
    documents: Documents, folder: Path, workers: Workers, *, size: int, minimum: int, lowercase: bool
) -> list[str]:
    """As ``tokenizer.train`` makes it of the same texts."""
    folder.mkdir(parents=True, exist_ok=True)
    characters: Counter[str] = Counter()
    words = Tally(folder)
    jobs = (
        Job(
            stem=folder / chosen.part.path.stem,
            key=f"{chosen.key} {lowercase}",
            given=(chosen, lowercase),
        )
        for chosen in documents.chosen
    )
    for outcome in results(count_part, jobs, workers):
        counted = json.loads(Path(outcome["file"]).read_text(encoding="utf-8"))
        characters.update(counted["characters"])
        words.add(counted["words"])
    return tokenizer.vocabulary(characters, words.often(minimum), size=size, minimum=minimum)


def count_part(stem: Path, given: Given) -> Outcome:
    chosen, lowercase = given
    characters, words = tokenizer.count(chosen.texts(), lowercase=lowercase)
    path = stem.with_name(f"{stem.name}.counts.json")
    files.write_json(path, {"characters": characters, "words": words})
    return {"file": str(path)}
