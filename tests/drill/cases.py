"""One case: a target by its number, its own random source, and how it ended."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.workspace import yaml_file
from rosphere.cli import texts
from rosphere.clue import archive
from rosphere.clue.tasks import TASKS
from rosphere.errors import UNUSABLE, InputError, message
from rosphere.preparation.records import SUFFIXES
from rosphere.similarity import labelled_pairs
from rosphere.text import tokenizer
from rosphere.text.tokenizer import Tokenizer
from tests.clue import mutations
from tests.clue.test_drill import drilled
from tests.drill import damage, workspace
from tests.preparation.test_drill import drill

TARGETS = (*("file",) * 18, "task", *("file",) * 18, "task", "file", "workspace")  # of forty cases each
READERS: tuple[Callable[[Path], object], ...] = (
    labelled_pairs.read, tokenizer.read_vocabulary, lambda path: texts.given([], path)
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where cases are run: the working directory, emptied for each."""

    home: Path
    pieces: Tokenizer


@contextmanager
def prepared() -> Iterator[Place]:
    """A folder for the cases, and as the working directory; test sets may have any size."""
    folder, before, sizes = Path(tempfile.mkdtemp()), Path.cwd(), archive.SIZES
    archive.SIZES = {}  # type: ignore[misc]
    tokenizer.save(tokenizer.train([*mutations.WORDS, "甲乙丙丁，。"], size=200, minimum=1), folder / "tokenizer")
    try:
        yield Place(home=folder / "home", pieces=Tokenizer(folder / "tokenizer"))
    finally:
        os.chdir(before)
        archive.SIZES = sizes  # type: ignore[misc]
        shutil.rmtree(folder)


def run(place: Place, seed: int, number: int) -> tuple[str, str]:
    """(target, how it ended); "finding: ..." for what should not be."""
    source, target = random.Random(f"{seed} {number}"), TARGETS[number % len(TARGETS)]
    shutil.rmtree(place.home, ignore_errors=True)
    place.home.mkdir()
    os.chdir(place.home)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return target, _run(target, place, source)
    except InputError as error:
        fits = 0 < len(message(error)) < 2000
        return target, "refused" if fits else f"finding: a message of {len(str(error))} characters"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return target, f"finding: {type(error).__name__}: {str(error)[:200]} ({last.filename}:{last.lineno})"


def _run(target: str, place: Place, source: random.Random) -> str:
    if target == "task":
        return drilled(TASKS[source.choice(sorted(TASKS))], place.pieces, source, place.home)
    if target == "workspace":
        return workspace.drilled(place.home, source)
    raw = source.choice(sorted(workspace.good().values())).encode()
    for _ in range(source.randrange(1, 4)):
        raw = damage.file(raw, source)
    drill(place.home, raw, source.choice(SUFFIXES), source.choice((None, 0.5, 4.0)))
    path = place.home / f"any{source.choice(SUFFIXES)}"
    path.write_bytes(raw)
    for read in (*READERS, *((yaml_file.read,) if source.random() < 0.1 else ())):  # slow
        with contextlib.suppress(InputError, *UNUSABLE):
            read(path)
    return "through"
