"""Spoilt model folders by the thousand, in one process: python -m tests.drill.models [--cases N] [--seed N] [--first N]

Bytes cut and changed, tensors renamed and misshapen, settings of other types, files gone; through load, similar, widen
and check. A case is known by seed and number. Anything but our own error in one line is printed and counted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.run import model_check
from rosphere.cli import models, widen
from rosphere.encoder import folder
from rosphere.errors import UNUSABLE, InputError, message
from rosphere.pretraining.recipe import Narrow
from rosphere.similarity import edits
from rosphere.similarity import folder as similarity
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.model import SimilarityModel
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.schedule import Schedule
from rosphere.vae import folder as vaes
from rosphere.vae.model import SentenceVAE, Shape
from tests import tiny
from tests.drill import damage

TEXTS = ("一丁丂七", "丄丅丆")
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 10**12, 1.5, float("nan"), "", "x", "32", [], [1], {}, {"a": 1}, "../..", "bert"
)  # fmt: skip


def own(place: Path) -> None:
    """A sentence encoder of ours with all that may lie in its folder."""
    pieces = tiny.of_characters(place / "pieces", 20)
    model = tiny.shaken(SimilarityModel(tiny.language(len(pieces), seed=0), "mean"))
    model.lexical = Lexical(torch.randn(len(pieces), 24), torch.rand(len(pieces)), 0.5)
    (place / "edits.json").write_text('{"phrases": [], "frames": [], "known": [[], []], "stops": []}')
    model.edits = edits.load(place / "edits.json")
    similarity.save(model, place / "own", tokenizer=place / "pieces")


def published(place: Path) -> None:
    """A BERT of transformers with added tokens, in safetensors and as a torch file."""
    tiny.of_characters(place / "bert", 20)
    shape = tiny.config(35, model_type="bert", embedding_size=24, max_position_embeddings=40)
    tiny.theirs(shape, "ForPreTraining").save_pretrained(place / "bert")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (place / "bert" / "tokenizer_config.json").write_text(json.dumps(settings))
    shutil.copytree(place / "bert", place / "bin")
    torch.save(load_file(place / "bin" / "model.safetensors"), place / "bin" / "pytorch_model.bin")
    for name in ("model.safetensors", "tokenizer.json"):
        (place / "bin" / name).unlink()


def sentences(place: Path) -> None:
    """A folder of sentence-transformers."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    transformer = modules.Transformer(str(place / "bert"), max_seq_length=20)
    dense = modules.Dense(24, 10, activation_function=torch.nn.Tanh())
    rows = [transformer, modules.Pooling(24, pooling_mode="mean"), dense, modules.Normalize()]
    SentenceTransformer(modules=rows).save(str(place / "st"))
    shutil.rmtree(place / "st" / "bert", ignore_errors=True)


def latent(place: Path) -> None:
    shape = Shape(kind="vmf", latent=4, kappa=8.0, word_dropout=0.1)
    model = SentenceVAE(tiny.language(35, seed=0), shape, mask_token=4)
    vaes.save(model, place / "vae", tokenizer=place / "pieces")


def spoilt(place: Path, source: random.Random) -> None:
    """One thing done to one file of the folder."""
    path = source.choice(sorted(each for each in place.rglob("*") if each.is_file()))
    way = source.random()
    with contextlib.suppress(Exception):  # a file that is spoilt already cannot be opened: its bytes are, below
        if _inside(path, way, source):
            return
    if way < 0.05:
        path.unlink()
    else:
        path.write_bytes(damage.file(path.read_bytes(), source))


def _inside(path: Path, way: float, source: random.Random) -> bool:
    """A file that can be opened still, with other content; whether one was written."""
    if way < 0.05:
        return False
    if path.suffix == ".json" and way < 0.6:
        path.write_text(json.dumps(_changed(json.loads(path.read_text()), source)))
    elif path.suffix == ".safetensors" and way < 0.6:
        save_file(_tensors(load_file(path), source), path)
    elif path.suffix == ".bin" and way < 0.4:
        torch.save(_tensors(torch.load(path, weights_only=True), source), path)
    else:
        return False
    return True


def _changed(value: Any, source: random.Random) -> Any:
    """A field somewhere in it is of another type, has another name, or is gone."""
    inside = value
    while True:
        if not inside or not isinstance(inside, dict | list):
            return source.choice(ODD)
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = source.choice(keys)
        if not (isinstance(inside[key], dict | list) and inside[key] and source.random() < 0.8):
            break
        inside = inside[key]
    way = source.random()
    if way < 0.2:
        del inside[key]
    elif way < 0.35 and isinstance(inside, dict):
        inside[f"{key}x"] = inside.pop(key)
    else:
        inside[key] = source.choice(ODD)
    return value


def _tensors(named: Mapping[str, Tensor], source: random.Random) -> dict[str, Tensor]:
    found = {name: tensor.clone() for name, tensor in named.items()}
    name = source.choice(sorted(found))
    way = source.randrange(7)
    if way == 0:
        del found[name]
    elif way == 1:
        found[f"{name}.x"] = found.pop(name)
    elif way == 2:
        found = {f"{source.choice(('module.', 'model.', 'bert.'))}{key}": each for key, each in found.items()}
    elif way == 3:
        found[name] = found[name].flatten()[: source.randrange(1, 30)].clone()
    elif way == 4:
        found[name] = found[name][None].clone()
    elif way == 5:
        found[name] = torch.full_like(found[name], source.choice((float("nan"), float("inf"), 0.0)))
    else:
        found[name] = found[name].to(source.choice((torch.float16, torch.bfloat16, torch.int64, torch.bool)))
    return found


def load(place: Path, home: Path) -> None:
    folder.load(place, fresh_head=True)
    folder.not_taken(place)
    Tokenizer(place).ids(TEXTS)


def load_vae(place: Path, home: Path) -> None:
    vaes.load(place)
    Tokenizer(place).ids(TEXTS)


def similar(place: Path, home: Path) -> None:
    encoder = models.vectors_of(place)
    encoder.cut(TEXTS)
    encoder.encode(TEXTS)


def widened(place: Path, home: Path) -> None:
    widen.widen(place, home / "wide", width=48)


def checked(place: Path, home: Path) -> None:
    model_check.require_teacher("roformer_sim.teacher", str(place))
    if (place / similarity.WORDS).is_dir():
        model_check.require_encoder("roformer_sim.init", str(place))
    narrow = Narrow(
        size="tiny", init=str(place), sequence=32, batch_size=1, mask_rate=0.3, causal_share=0, causal_rate=0.5,
        dev_rows=1, dropout=0.0, gradient_checkpointing=False, compile=False,
        schedule=Schedule(steps=1, learning_rate=1e-3, log_every=1),
    )  # fmt: skip
    model_check.require_initial(narrow, str(place), lowercase=True)


RUNS: dict[str, Callable[[Path, Path], None]] = {
    "load": load, "similar": similar, "check": checked, "widen": widened, "vae": load_vae
}  # fmt: skip
TARGETS = tuple(
    [("load", kind) for kind in ("own", "bert", "bin", "st")] * 3
    + [("similar", "own"), ("similar", "st")] * 2
    + [("check", kind) for kind in ("own", "bert", "bin", "st")]
    + [("widen", kind) for kind in ("own", "bert", "st")]
    + [("vae", "vae")] * 2
)


@dataclass(frozen=True, kw_only=True)
class Place:
    good: Path
    home: Path


@contextmanager
def prepared() -> Iterator[Place]:
    """Whole folders of every kind, made once."""
    place = Path(tempfile.mkdtemp())
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            for make in (own, published, sentences, latent):
                make(place)
        yield Place(good=place, home=place / "home")
    finally:
        shutil.rmtree(place)


def run(place: Place, seed: int, number: int) -> tuple[str, str]:
    """(target, how it ended); "finding: ..." for what should not be."""
    source, (target, kind) = random.Random(f"{seed} {number}"), TARGETS[number % len(TARGETS)]
    shutil.rmtree(place.home, ignore_errors=True)
    shutil.copytree(place.good / kind, place.home / "model")
    for _ in range(source.choice((1, 1, 2))):
        spoilt(place.home / "model", source)
    name = f"{target} {kind}"
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            RUNS[target](place.home / "model", place.home)
    except InputError as error:
        fits = 0 < len(message(error)) < 2000
        return name, "refused" if fits else f"finding: a message of {len(str(error))} characters"
    except UNUSABLE:
        return name, "refused"
    except Exception as error:
        last = [each for each in traceback.extract_tb(error.__traceback__) if "/rosphere/" in each.filename][-1]
        return name, f"finding: {type(error).__name__}: {str(error)[:200]!r} ({last.filename}:{last.lineno})"
    return name, "through"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    ends: Counter[str] = Counter()
    with prepared() as place:
        for number in range(given.first, given.first + given.cases):
            name, end = run(place, given.seed, number)
            ends[f"{name}: {end.partition(':')[0]}"] += 1
            if end.startswith("finding"):
                print(number, name, end, flush=True)
            if number % 500 == 499:
                print(number + 1, dict(sorted(ends.items())), flush=True)
    print(json.dumps(dict(sorted(ends.items())), indent=1))


if __name__ == "__main__":
    main()
