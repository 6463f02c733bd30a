"""Sentences encoded and paraphrases written per second: ours against transformers and sentence-transformers.

    python -m benchmarks.inference [encode] [write] [--sizes tiny small base] [--device cuda] [--json FILE]

`encode`: one saved folder, the same sentences of natural lengths (log-normal, median 20 characters, at most 62), to
unit vectors. transformers pads and runs them in the order given, 32 or 256 at a time; SentenceTransformer.encode as it
comes. `write`: requests for paraphrases, all at once against one after another, both ours. Interleaved rounds, the
first of which warms up; medians. The weights are random, with a [SEP] that comes after 15 tokens on average.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.encoder.data import SIZES, VOCAB, config
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.similarity import encoding, generation
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from rosphere.text import tokenizer
from rosphere.text.tokenizer import Tokenizer

LONGEST, WRITTEN = 64, 15
CHARACTERS = [token for token in VOCAB if tokenizer.is_ideograph(token[0])]
Row = dict[str, Any]


def sentences(count: int) -> list[str]:
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(3.0, 0.7, count), 4, LONGEST - 2).astype(int)
    return ["".join(generator.choice(CHARACTERS, length)) for length in lengths]


def saved(size: str, folder: Path) -> tuple[SimilarityModel, Tokenizer]:
    """A random model that writes about WRITTEN tokens, saved as the folder that all parties read."""
    tokenizer.save(VOCAB, folder / "tokenizer")
    torch.manual_seed(0)
    model = SimilarityModel(MaskedLanguageModel(config(size, 512)))
    assert model.language.bias is not None
    model.language.bias.data[VOCAB.index("[SEP]")] = math.log(len(VOCAB) / WRITTEN)
    similarity.save(model, folder, tokenizer=folder / "tokenizer")
    return model, Tokenizer(folder / "tokenizer")


class Transformers:
    """The usual loop: AutoTokenizer and AutoModel, batches in the order given; [CLS], dense layer, unit length."""

    def __init__(self, folder: Path, model: SimilarityModel, size: int, device: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model = AutoModel.from_pretrained(folder, local_files_only=True).to(device).eval()
        self.dense, self.size, self.device = model.pooler, size, device

    def tokens(self, texts: list[str]) -> list[Any]:
        return [
            self.tokenizer(
                texts[start : start + self.size],
                padding=True,
                truncation=True,
                max_length=LONGEST,
                return_tensors="pt",
            )
            for start in range(0, len(texts), self.size)
        ]

    @torch.no_grad()
    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        hidden = [self.model(**batch.to(self.device)).last_hidden_state[:, 0] for batch in self.tokens(texts)]
        return np.asarray(F.normalize(self.dense(torch.cat(hidden)), dim=-1).cpu())


def medians(tasks: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Seconds of each task."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def of_encoding(size: str, options: argparse.Namespace, folder: Path) -> Row:
    from sentence_transformers import SentenceTransformer

    model, words = saved(size, folder)
    model.to(options.device)
    texts = sentences(options.texts)
    by_32, by_256 = (Transformers(folder, model, rows, options.device) for rows in (32, 256))
    library = SentenceTransformer(str(folder), device=options.device, local_files_only=True)
    parties: dict[str, Callable[[], NDArray[np.float32]]] = {
        "rosphere": lambda: encoding.encode(model, words, texts),
        "transformers 32": lambda: by_32.encode(texts),
        "transformers 256": lambda: by_256.encode(texts),
        "sentence-transformers": lambda: library.encode(texts, show_progress_bar=False),
    }
    tokenising = {"rosphere": lambda: words.ids(texts), "transformers 32": lambda: by_32.tokens(texts)}
    tokenising |= {"transformers 256": lambda: by_256.tokens(texts)}
    seconds = medians({**parties, **{f"{name} tokens": task for name, task in tokenising.items()}}, options.rounds)
    vectors = [encode() for encode in parties.values()]
    row: Row = {"size": size, "sentences": len(texts)}
    row |= {f"{name} sentences/s": round(len(texts) / seconds[name]) for name in parties}
    row |= {f"times {name}": seconds[name] / seconds["rosphere"] for name in parties if name != "rosphere"}
    bare = {name: seconds[name] - seconds[f"{name} tokens"] for name in tokenising}
    row |= {f"without tokenising, times {name}": bare[name] / bare["rosphere"] for name in bare if name != "rosphere"}
    return row | {"largest difference of the vectors": max(float(np.abs(v - vectors[0]).max()) for v in vectors)}


def writing(size: str, options: argparse.Namespace, folder: Path) -> Row:
    model, words = saved(size, folder)
    model.to(options.device)
    texts = sentences(options.requests)
    found: dict[str, list[Any]] = {}

    def at_once() -> None:
        found["at once"] = generation.paraphrases_of_each(model, words, texts, samples=options.samples)

    def one_by_one() -> None:
        found["one by one"] = [generation.paraphrases(model, words, text, samples=options.samples) for text in texts]

    seconds = medians({"at once": at_once, "one by one": one_by_one}, options.rounds)
    plain = [[[text for text, _ in ranked] for ranked in each] for each in found.values()]
    return {
        "size": size,
        "requests": len(texts),
        "samples": options.samples,
        **{f"{name} requests/s": len(texts) / each for name, each in seconds.items()},
        "times one by one": seconds["one by one"] / seconds["at once"],
        "requests answered alike": sum(one == other for one, other in zip(*plain, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="encode, write (default: both)")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["tiny", "small"])
    parser.add_argument("--texts", type=int, default=1000, help="sentences to encode")
    parser.add_argument("--requests", type=int, default=200, help="texts to paraphrase")
    parser.add_argument("--samples", type=int, default=50, help="drawn per request")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts = {"encode": of_encoding, "write": writing}
    if unknown := set(options.parts) - set(parts):
        parser.error(f"parts: expected any of {', '.join(parts)}, got {', '.join(sorted(unknown))}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no CUDA device")
    tables: dict[str, list[Row]] = {}
    for name in options.parts or parts:
        with tempfile.TemporaryDirectory() as folder:
            tables[name] = [parts[name](size, options, Path(folder) / size) for size in options.sizes]
        for row in tables[name]:
            shown = (
                f"{key}: {value:.3g}" if isinstance(value, float) else f"{key}: {value}" for key, value in row.items()
            )
            print(name, *shown, sep="  ", flush=True)
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
