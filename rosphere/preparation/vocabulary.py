"""The tokenizer of a run: that which settings name, taken whole, or one that is trained on its text."""

from __future__ import annotations

from pathlib import Path

from rosphere import files
from rosphere.errors import InputError
from rosphere.text import published, tokenizer
from rosphere.text.tokenizer import Tokenizer

FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")  # that ``tokenizer.save`` writes


def take(source: Path, folder: Path, *, lowercase: bool) -> Tokenizer:
    """Writes the tokenizer that ``source`` is to ``folder``.

    A folder's is taken with its settings and added tokens, so that transformers and we cut as in the folder. A
    vocab.txt by itself has no settings: it is made a BERT tokenizer's, which folds letters if ``lowercase`` says so.

    Raises:
        InputError: there is no tokenizer, or none that can be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        tokenizer.save(tokenizer.read_vocabulary(source), folder, lowercase=lowercase)
    elif published.made_here(source):
        files.copy_present(source, folder, FILES)
    else:
        _published(source, folder)
    return Tokenizer(folder)


def _published(source: Path, folder: Path) -> None:
    """As transformers saves it, and its entries as vocab.txt too, for whoever looks for that."""
    found = Tokenizer(source)
    published.auto(source).save_pretrained(str(folder))
    entries = found.vocabulary()
    if any("\n" in entry for entry in entries):
        raise InputError(f"{source}: a token of its vocabulary has a line break")
    (folder / published.VOCABULARY).write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
