"""What the local page asks of finished models. Each is read when it is first asked for; nothing is written anywhere."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosphere.cli import models
from rosphere.errors import InputError

if TYPE_CHECKING:
    from rosphere.encoder.model import MaskedLanguageModel
    from rosphere.similarity.vectors import Vectors
    from rosphere.text.tokenizer import Tokenizer

INDEXES = 4  # collections of lines whose vectors stay in memory; the one asked least recently goes first
MASK = "[MASK]"
CARD, LONGEST_CARD = "README.md", 100_000  # characters
DEEPEST = 3  # folders below the one that is looked through


@dataclass(frozen=True, kw_only=True)
class Found:
    """Names of the models below a folder, by what can be asked of them."""

    encoders: tuple[str, ...]  # of sentences
    languages: tuple[str, ...]  # masked language models
    vaes: tuple[str, ...]
    tasks: tuple[str, ...]  # fine-tuned on one
    bare: tuple[str, ...] = ()  # encoders of tokens without a vocabulary head
    writers: tuple[str, ...] = ()  # of the encoders those that have learnt to write

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.encoders, *self.languages, *self.vaes, *self.tasks, *self.bare)

    @classmethod
    def below(cls, folder: Path) -> Found:
        """Raises InputError where there is none."""
        models.there(folder)
        named: dict[str, list[str]] = {mark: [] for mark in models.MARKS}
        for place in sorted({path.parent for mark in models.MARKS for path in folder.rglob(mark)}):
            within = place.relative_to(folder)
            whole = any((place / name).is_file() for name in ("tokenizer.json", "vocab.txt"))
            if whole and len(within.parts) <= DEEPEST and any(place.glob("*.safetensors")):
                named[models.mark(place)].append(within.as_posix())
        encoders = (*named["config.json"], *named["modules.json"])
        bare = {each for each in encoders if (folder / each / "config.json").is_file() and _bare(folder / each)}
        found = cls(
            encoders=_first("roformer_sim", named["modules.json"]),
            languages=_first("pretrain_wide", [each for each in named["config.json"] if each not in bare]),
            vaes=_first("vmf_vae/vmf", named["vae.json"]),
            tasks=tuple(named["head.safetensors"]),
            bare=_first("pretrain_wide", [each for each in named["config.json"] if each in bare]),
            writers=tuple(
                each for each in named["modules.json"] if (folder / each / "config.json").is_file() and each not in bare
            ),
        )
        if not found.all:
            raise InputError(f"{folder}: no finished model in it; `make repro` makes some")
        return found


def _bare(folder: Path) -> bool:
    """Whether it has no vocabulary head; of a folder that cannot be read, whoever is asked about it says so."""
    from rosphere.encoder.bare import is_bare

    try:
        return is_bare(folder)
    except InputError:
        return False


def _first(name: str, names: list[str]) -> tuple[str, ...]:
    """The names, this one at the head if it is among them."""
    return tuple(sorted(names, key=lambda each: (each != name, each)))


@dataclass(frozen=True, kw_only=True)
class Index:
    """Lines and their vectors by one encoder."""

    encoder: str
    lines: Sequence[str]
    vectors: Vectors


class Unknown(InputError):
    """An index that is not in memory, or no longer."""


@dataclass(kw_only=True)
class Answers:
    """Everything the page can ask. One question is worked on at a time: models share the machine's cores."""

    folder: Path
    found: Found
    fields: Mapping[str, Sequence[str]]  # of every task's model those of a row
    _loaded: dict[tuple[str, str], Any] = field(default_factory=dict)
    _indexes: OrderedDict[str, Index] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, folder: Path) -> Answers:
        found = Found.below(folder)
        return cls(folder=folder, found=found, fields=_fields(folder, found.tasks))

    def look_again(self) -> None:
        """Models that have come since are found; one that was asked already stays as it was then."""
        with self._lock:
            self.found = Found.below(self.folder)
            self.fields = _fields(self.folder, self.found.tasks)

    def index(self, lines: Sequence[str], encoder: str) -> tuple[str, str | None]:
        """A name under which ``search`` knows these lines, and what to say where not the whole of each is compared."""
        self._require("encoder", encoder, self.found.encoders)
        if not lines:
            raise InputError("lines: expected a line or more, got none")
        name = hashlib.sha256(json.dumps([encoder, *lines]).encode()).hexdigest()[:16]
        with self._lock:
            loaded = self._sentences(encoder)
            if name not in self._indexes:
                vectors = loaded.encode(lines)
                self._indexes[name] = Index(encoder=encoder, lines=lines, vectors=vectors)
                while len(self._indexes) > INDEXES:
                    self._indexes.popitem(last=False)
            self._indexes.move_to_end(name)
            return name, loaded.cut(lines)

    def search(self, name: str, query: str, count: int) -> list[dict[str, Any]]:
        """The nearest lines, best first: number from 1, line, cosine. Raises Unknown."""
        with self._lock:
            if name not in self._indexes:
                raise Unknown("index: these lines are not in memory any more; send them again")
            self._indexes.move_to_end(name)
            index = self._indexes[name]
            scores = index.vectors @ self._sentences(index.encoder).encode([query])[0]
        best = (-scores).argsort(kind="stable")[:count]
        return [{"number": int(n) + 1, "line": index.lines[n], "cosine": round(float(scores[n]), 4)} for n in best]

    def paraphrases(self, text: str, encoder: str, *, count: int, freely: bool, seed: int) -> list[dict[str, Any]]:
        """Best first: text, cosine with the source, and distance from it, 1 - Jaccard of character bigrams."""
        from rosphere.similarity import diversity, generation

        self._require("encoder", encoder, self.found.encoders)
        with self._lock:
            model, tokenizer = self._once("generate", encoder, models.sentence_encoder)
            ranked = generation.paraphrases(model, tokenizer, text, keep=count, seed=seed, edits=not freely)
        return [
            {"text": each, "cosine": round(cosine, 4), "distance": round(1 - diversity.overlap(text, each), 4)}
            for each, cosine in ranked
        ]

    def similarity(self, first: str, second: str) -> list[dict[str, Any]]:
        """The cosine by every sentence encoder, and by means of every language model's last states."""
        found = []
        with self._lock:
            for name in self.found.encoders:
                one, other = self._sentences(name).encode([first, second])
                found.append({"name": name, "kind": "encoder", "cosine": round(float(one @ other), 4)})
            for name in (*self.found.languages, *self.found.bare):
                one, other = self._means(name, [first, second])
                found.append({"name": name, "kind": "means", "cosine": round(float(one @ other), 4)})
        return found

    def path(self, first: str, last: str, vae: str, steps: int) -> list[dict[str, Any]]:
        """Sentences on the way between two, ends included: share of the way, text."""
        from rosphere.vae import decoding

        self._require("vae", vae, self.found.vaes)
        with self._lock:
            model, tokenizer = self._once("vae", vae, models.text_vae)
            way = decoding.interpolate(model, tokenizer, first, last, steps=steps)
        return [{"share": round(share, 4), "text": text} for share, text in way]

    def guesses(self, text: str, language: str, count: int) -> list[list[dict[str, Any]]]:
        """For each [MASK] of the text the likeliest tokens with their probabilities."""
        self._require("language", language, self.found.languages)
        parts = text.split(MASK)
        if len(parts) == 1:
            raise InputError(f"text: expected {MASK} in it, where a token is to be guessed")
        with self._lock:
            model, tokenizer = self._once("language", language, models.language_model)
            return _guesses(model, tokenizer, parts, count)

    def prediction(self, name: str, texts: Sequence[str]) -> dict[str, Any]:
        """What a task's model says to a text, or to two: its answer, and labels by their probability."""
        from rosphere.clue import predicting

        self._require("task", name, self.found.tasks)
        with self._lock:
            model, tokenizer = self._once("task", name, models.task_model)
            row = predicting.row_of(model.task, texts)
            judged = predicting.judge(model, [row], tokenizer)[0]
        ranked = sorted(zip(judged.probabilities, model.task.labels, strict=False), reverse=True)
        return {
            "answer": predicting.value(model.task, row, judged),
            "probabilities": [{"label": label, "probability": round(each, 4)} for each, label in ranked],
        }

    def card(self, name: str) -> str:
        """What the model's folder says of it, in Markdown, without the front matter."""
        self._require("model", name, self.found.all)
        path = self.folder / name / CARD
        if not path.is_file():
            raise InputError(f"{path}: this model has no card; models that a stage makes have one")
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(LONGEST_CARD)
        return text.split("\n---\n", 1)[-1].lstrip() if text.startswith("---\n") else text

    def _sentences(self, name: str) -> models.Sentences:
        found: models.Sentences = self._once("encode", name, models.vectors_of)
        return found

    def _means(self, name: str, texts: Sequence[str]) -> Vectors:
        from rosphere.similarity import encoding

        model, tokenizer = self._once("means", name, models.encoder_of_tokens)
        return encoding.mean_pooled(model, tokenizer, texts)

    def _once(self, use: str, name: str, load: Callable[[Path], Any]) -> Any:
        """The model, loaded now if it was not yet. For whoever has the lock."""
        if (use, name) not in self._loaded:
            self._loaded[use, name] = load(self.folder / name)
        return self._loaded[use, name]

    @staticmethod
    def _require(key: str, name: str, names: Sequence[str]) -> None:
        """A name is one of those that were found: no path of a request's own is ever opened."""
        if name not in names:
            there = f"expected one of {', '.join(names)}" if names else "there is none here"
            raise InputError(f"{key}: {there}, got {name!r}")


def _fields(folder: Path, tasks: Sequence[str]) -> dict[str, list[str]]:
    if not tasks:
        return {}
    from rosphere.clue import folder as folders

    return {name: list(folders.task_of(folder / name).fields) for name in tasks}


def _guesses(
    model: MaskedLanguageModel, tokenizer: Tokenizer, parts: Sequence[str], count: int
) -> list[list[dict[str, Any]]]:
    import torch

    ids, places = [tokenizer.cls], []
    for number, part in enumerate(tokenizer.ids(parts)):
        if number:
            places.append(len(ids))
            ids.append(tokenizer.mask)
        ids += part
    row = torch.tensor([[*ids, tokenizer.sep]], device=model.encoder.words.weight.device)
    most = model.config.max_position_embeddings
    if row.shape[1] > most:
        raise InputError(f"text: expected at most {most - 2} tokens, got {row.shape[1] - 2}")
    with torch.inference_mode():
        best = model(row)[0, places, : len(tokenizer)].float().softmax(-1).topk(min(count, len(tokenizer)))
    return [
        [
            {"token": tokenizer.backend.id_to_token(int(token)) or "", "probability": round(float(chance), 4)}
            for chance, token in zip(*each, strict=True)
        ]
        for each in zip(best.values, best.indices, strict=True)
    ]
