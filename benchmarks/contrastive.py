"""Large contrastive batches in the memory of a chunk: our accumulation and its peers, one network, one run.

    python -m benchmarks.contrastive [--batch 256] [--chunk 16] [--length 32] [--rounds 5] [--json FILE]

Time: a step (loss and gradient) as a ratio to the same step in one graph, medians over interleaved rounds. Error:
|gradient - one graph's| / |one graph's|, the one graph under the very dropout masks of the chunks. Memory: what a
process holds at most during a step beyond one that only ever sees one chunk, each in a process of its own (Linux).

Peers: GradCache's scheme (its package on the index does not import; this is its cache_step, Gao et al. 2021),
CachedMultipleNegativesRankingLoss of sentence-transformers around the same network, two passes without replay
(kexue.fm/archives/8471), and naive accumulation. "with LM" adds the generation loss of every row, which no peer can.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.similarity import gradient_cache, losses
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Batch

VOCABULARY, TEMPERATURE = 8000, 0.05


@dataclass(frozen=True, kw_only=True)
class Setting:
    """``batch`` rows, half of them queries; rows 2i and 2i + 1 are partners."""

    batch: int
    chunk: int
    length: int  # tokens of source and target together
    dropout: float

    def network(self) -> SimilarityModel:
        torch.manual_seed(0)
        shape = EncoderConfig(
            vocab_size=VOCABULARY,
            embedding_size=80,
            hidden_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=1024,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
        )
        return SimilarityModel(MaskedLanguageModel(shape)).train()

    def rows(self) -> Batch:
        generator = torch.Generator().manual_seed(1)
        ids = torch.randint(5, VOCABULARY, (self.batch, self.length), generator=generator)
        segments = (torch.arange(self.length) >= self.length // 2).long().expand(self.batch, -1)
        return Batch(
            ids_NL=ids,
            segments_NL=segments,
            keep_NL=torch.ones_like(ids),
            sentence_N=torch.arange(self.batch),
            tokens=self.batch * (self.length - self.length // 2),
        )


class Vectors(nn.Module):
    """The network as a map from rows to vectors, and in the clothes that sentence-transformers expects."""

    def __init__(self, network: SimilarityModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Batch | dict[str, Tensor]) -> Any:
        if isinstance(features, Batch):
            return self.network(features)[0]
        ids, segments, keep = (features[name] for name in ("input_ids", "segments", "attention_mask"))
        batch = Batch(ids_NL=ids, segments_NL=segments, keep_NL=keep, sentence_N=ids, tokens=1)
        return {"sentence_embedding": self.network(batch)[0]}


def ranking(vectors_ND: Tensor) -> Tensor:
    """Queries in the first half, their answers in the second: the loss all peers have."""
    queries, answers = F.normalize(vectors_ND, dim=-1).chunk(2)
    return F.cross_entropy(queries / TEMPERATURE @ answers.T, torch.arange(len(queries)))


def direct(encode: Callable[[Batch], Any], chunks: Sequence[Batch], loss: Callable[[Tensor], Tensor]) -> None:
    encoded = [encode(chunk) for chunk in chunks]
    both = [each if isinstance(each, tuple) else (each, None) for each in encoded]
    total = loss(torch.cat([vectors for vectors, _ in both]))
    for _, own in both:
        total = total + (own() if own else 0.0)
    total.backward()


def cached(encode: nn.Module, chunks: Sequence[Batch], loss: Callable[[Tensor], Tensor], *, replay: bool) -> None:
    """GradCache.cache_step for one encoder."""
    from sentence_transformers.base.losses.gradcache import RandContext

    states, vectors = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(RandContext(chunk.ids_NL))
            vectors.append(encode(chunk))
    whole = torch.cat(vectors).requires_grad_()
    loss(whole).backward()
    assert whole.grad is not None
    gradients = whole.grad.split([len(each) for each in vectors])
    for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
        if replay:
            with state:
                again = encode(chunk)
        else:
            again = encode(chunk)
        torch.dot(again.flatten(), gradient.flatten()).backward()


def naive(encode: nn.Module, chunks: Sequence[Batch], loss: Callable[[Tensor], Tensor]) -> None:
    """Each chunk compares its own rows only."""
    for query, answer in zip(chunks[: len(chunks) // 2], chunks[len(chunks) // 2 :], strict=True):
        (loss(torch.cat((encode(query), encode(answer)))) / (len(chunks) // 2)).backward()


def sentence_transformers(encode: nn.Module, rows: Batch, setting: Setting) -> None:
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    loss = CachedMultipleNegativesRankingLoss(
        nn.Sequential(encode), scale=1 / TEMPERATURE, mini_batch_size=setting.chunk
    )
    half = setting.batch // 2
    parts = (slice(0, half), slice(half, None))
    features = [
        {"input_ids": rows.ids_NL[p], "segments": rows.segments_NL[p], "attention_mask": rows.keep_NL[p]} for p in parts
    ]
    loss(features, None).backward()


def methods(setting: Setting) -> tuple[SimilarityModel, dict[str, Callable[[], object]]]:
    network, rows = setting.network(), setting.rows()
    vectors, chunks, nce = (
        Vectors(network),
        rows.split(setting.chunk),
        partial(losses.info_nce, temperature=TEMPERATURE),
    )
    return network, {
        "one graph": lambda: direct(vectors, [rows], ranking),
        "ours": lambda: gradient_cache.accumulate(vectors, chunks, ranking),
        "GradCache": lambda: cached(vectors, chunks, ranking, replay=True),
        "sentence-transformers": lambda: sentence_transformers(vectors, rows, setting),
        "no replay": lambda: cached(vectors, chunks, ranking, replay=False),
        "naive": lambda: naive(vectors, chunks, ranking),
        "one graph with LM": lambda: direct(network, [rows], nce),
        "ours with LM": lambda: gradient_cache.accumulate(network, chunks, nce),
        "one chunk": lambda: direct(vectors, chunks[:1], ranking),
        "one chunk with LM": lambda: direct(network, chunks[:1], nce),
        "oracle": lambda: direct(vectors, chunks, ranking),
        "oracle with LM": lambda: direct(network, chunks, nce),
    }


COMPARED = ("ours", "GradCache", "sentence-transformers", "no replay", "naive", "ours with LM")


def gradient(network: nn.Module, step: Callable[[], object]) -> Tensor:
    torch.manual_seed(7)
    network.zero_grad()
    step()
    found = [p.grad.flatten() if p.grad is not None else torch.zeros(p.numel()) for p in network.parameters()]
    return torch.cat(found).double()


def errors(setting: Setting) -> dict[str, float]:
    network, steps = methods(setting)
    exact = {suffix: gradient(network, steps[f"oracle{suffix}"]) for suffix in ("", " with LM")}
    found = {}
    for name in COMPARED:
        goal = exact[" with LM" if "LM" in name else ""]
        found[name] = float((gradient(network, steps[name]) - goal).norm() / goal.norm())
    return found


def times(setting: Setting, rounds: int) -> dict[str, float]:
    """Seconds of a step, medians."""
    network, steps = methods(setting)
    names = ("one graph", "one graph with LM", *COMPARED)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            network.zero_grad()
            begin = time.perf_counter()
            steps[name]()
            taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values[1:] or values) for name, values in taken.items()}


def memory(setting: Setting, name: str) -> float:
    """Peak MiB of a process during one such step, beyond what it held before."""
    code = f"from benchmarks import contrastive as c; print(c.peak(c.Setting(**{vars(setting)!r}), {name!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak(setting: Setting, name: str) -> float:
    import sentence_transformers.sentence_transformer.losses  # noqa: F401 - or its imports would count for the peers

    network, steps = methods(setting)
    steps["one chunk"]()  # what is allocated once
    network.zero_grad()
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forgets the highest resident size so far
    before = _resident("VmRSS")
    steps[name]()
    return _resident("VmHWM") - before


def _resident(key: str) -> float:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)]
    return int(line.split()[1]) / 1024


def table(setting: Setting, rounds: int) -> list[dict[str, float | str]]:
    seconds, gaps = times(setting, rounds), errors(setting)
    held = {name: memory(setting, name) for name in (*seconds, "one chunk", "one chunk with LM")}
    found: list[dict[str, float | str]] = []
    for name in ("one graph", *COMPARED[:-1], "one graph with LM", "ours with LM"):
        suffix = " with LM" if "LM" in name else ""
        row: dict[str, float | str] = {"method": name, "dropout": setting.dropout}
        row["time"] = seconds[name] / seconds[f"one graph{suffix}"]
        row["error"] = gaps.get(name, 0.0)
        row["memory_mib"] = held[name] - held[f"one chunk{suffix}"]
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256, help="rows")
    parser.add_argument("--chunk", type=int, default=16)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--dropout", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-only", action="store_true", help="of one graph and ours, as shares of one graph")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, float | str]] = []
    for dropout in options.dropout:
        setting = Setting(batch=options.batch, chunk=options.chunk, length=options.length, dropout=dropout)
        if options.memory_only:
            chunk, ours, whole = (memory(setting, f"{name} with LM") for name in ("one chunk", "ours", "one graph"))
            print(
                f"{options.batch} rows, chunks of {options.chunk}: one chunk {chunk:.0f} MiB, ours {ours:.0f},", end=" "
            )
            print(f"one graph {whole:.0f}; above one chunk {(ours - chunk) / whole:.1%} of one graph")
            continue
        rows += table(setting, options.rounds)
    if not rows:
        return
    print("| method | dropout | time | gradient error | MiB above one chunk |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        numbers = f"{row['time']:.2f} | {row['error']:.1e} | {row['memory_mib']:.0f}"
        print(f"| {row['method']} | {row['dropout']} | {numbers} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
