"""Finished models in their folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rosphere.errors import InputError

if TYPE_CHECKING:  # torch is not needed for --help
    from rosphere.clue.model import TaskModel
    from rosphere.encoder.model import MaskedLanguageModel
    from rosphere.encoder.precision import Precision
    from rosphere.similarity.model import SimilarityModel
    from rosphere.similarity.vectors import Vectors
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.vae.model import SentenceVAE

SENTENCES = Path("models/roformer_sim")
LATENTS = Path("models/vmf_vae/vmf")
# By which file a folder is known: of a sentence encoder, a text VAE, a task's model, a language model, in this order.
MARKS = ("modules.json", "vae.json", "head.safetensors", "config.json")


def there(folder: Path) -> Path:
    """A model's folder, known to exist."""
    if not folder.is_dir():
        beside = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/tokenizer.json")))
        raise InputError(f"{folder}: no such folder; models there: {beside or 'none yet, the pipeline makes them'}")
    return folder


def mark(folder: Path) -> str:
    """The first of MARKS that a folder has. Raises InputError where it has none."""
    found = next((mark for mark in MARKS if (folder / mark).is_file()), None)
    if found is None:
        raise InputError(f"{folder}: expected one of {', '.join(MARKS)}, found none: not a model of ours")
    return found


def sentence_encoder(folder: Path) -> tuple[SimilarityModel, Tokenizer]:
    """A sentence encoder, on the GPU if there is one, and its tokenizer."""
    from rosphere.similarity import folder as similarity
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes

    model, tokenizer = similarity.load(there(folder)), Tokenizer(folder)
    tokenizer.require(model.language.config.vocab_size, model=folder)
    if model.lexical:
        similarity.require_tokens(model.lexical, tokenizer)
    return model.to(processes.device()), tokenizer


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """What makes vectors of texts: ``encode``, to so many dimensions, of the first ``most`` tokens (0: of all)."""

    encode: Callable[[Sequence[str]], Vectors]
    tokens: Callable[[Sequence[str]], list[int]]  # how many each text has, special ones included
    width: int
    most: int

    def cut(self, texts: Sequence[str]) -> str | None:
        """What to say where not the whole of each text is compared."""
        count = sum(length > self.most for length in self.tokens(texts)) if self.most else 0
        return f"note: of {count} of {len(texts)} texts the first {self.most} tokens are compared" if count else None


def vectors_of(folder: Path, precision: Precision = "fp32") -> Sentences:
    """Any sentence encoder: ours, or by sentence-transformers what we cannot load faster."""
    from rosphere.similarity import teachers
    from rosphere.static import folder as static

    if static.there(there(folder)):
        return _of_table(folder, precision)
    theirs = folder / "modules.json"
    if theirs.is_file() and not teachers.like_ours(folder):
        _require_fp32(folder, precision)
        return _of_others(folder)
    return _of_ours(folder, precision)


def _require_fp32(folder: Path, precision: Precision) -> None:
    if precision != "fp32":
        raise InputError(f"{folder}: --precision {precision} is for our own encoders; this one is computed in fp32")


def _of_table(folder: Path, precision: Precision) -> Sentences:
    from rosphere.static import folder as static
    from rosphere.static import pieces

    _require_fp32(folder, precision)
    model = static.load(folder)
    return Sentences(
        encode=model.encode,
        tokens=lambda texts: [len(each) for each in pieces.numbers(model.backend, texts)],
        width=model.table_PD.shape[1],
        most=0,
    )


def _of_ours(folder: Path, precision: Precision) -> Sentences:
    from rosphere.similarity import encoding
    from rosphere.similarity import folder as similarity

    model, tokenizer = sentence_encoder(folder)
    config = model.language.config
    most = similarity.max_length(folder, config)
    return Sentences(
        encode=partial(encoding.encode, model, tokenizer, precision=precision, max_length=most),
        tokens=lambda texts: [len(ids) + 2 for ids in tokenizer.ids(texts)],
        width=model.halves * config.hidden_size,
        most=most,
    )


def _of_others(folder: Path) -> Sentences:
    from rosphere.similarity import foreign

    model = foreign.load(folder)
    return Sentences(
        encode=partial(foreign.encode, model),
        tokens=partial(foreign.lengths, model),
        width=foreign.encode(model, ["一"]).shape[1],
        most=foreign.most(model),
    )


def text_vae(folder: Path) -> tuple[SentenceVAE, Tokenizer]:
    """A text VAE, on the GPU if there is one, and its tokenizer."""
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes
    from rosphere.vae import folder as folders

    model, tokenizer = folders.load(there(folder)), Tokenizer(folder)
    tokenizer.require(model.encoder.config.vocab_size, model=folder)
    return model.to(processes.device()), tokenizer


def encoder_of_tokens(folder: Path) -> tuple[MaskedLanguageModel, Tokenizer]:
    """A model whose states are asked for, with a vocabulary head or without one."""
    return language_model(folder, fresh_head=True)


def language_model(folder: Path, *, fresh_head: bool = False) -> tuple[MaskedLanguageModel, Tokenizer]:
    """A masked language model, on the GPU if there is one, and its tokenizer."""
    from rosphere.encoder import folder as folders
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes

    model, tokenizer = folders.load(there(folder), fresh_head=fresh_head), Tokenizer(folder)
    tokenizer.require(model.config.vocab_size, model=folder)
    return model.to(processes.device()).eval(), tokenizer


def task_model(folder: Path) -> tuple[TaskModel, Tokenizer]:
    """A model fine-tuned on a task, on the GPU if there is one, and its tokenizer."""
    from rosphere.clue import folder as folders
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes

    model, tokenizer = folders.load(there(folder)), Tokenizer(folder)
    tokenizer.require(model.encoder.config.vocab_size, model=folder)
    return model.to(processes.device()), tokenizer
