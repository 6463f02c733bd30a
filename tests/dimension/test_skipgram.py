"""Skip-gram with the full softmax: pairs at the right distance, a loss known beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rosphere.dimension import skipgram
from rosphere.dimension.skipgram import SkipGram
from rosphere.errors import Interrupted
from rosphere.text import corpus
from rosphere.text.corpus import Corpus
from rosphere.training.schedule import Schedule

RING = 10  # tokens 0, 1, ..., 9, 0, 1, ...: a centre has two neighbours, each half of the time
PACE = Schedule(steps=120, learning_rate=0.1, warmup=0.1, log_every=40)


def ring(length: int = 500) -> np.ndarray:
    return np.arange(length, dtype=np.int64) % RING


def curve(dimensions: list[int], *, stop: bool = False) -> tuple[list[dict[str, float]], list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    rows = skipgram.curve(
        ring(),
        ring(),
        vocabulary=RING,
        dimensions=dimensions,
        schedule=PACE,
        batch=128,
        window=1,
        seed=0,
        progress=lambda done, total, metrics: told.append((done, total)),
        stopping=lambda: stop,
    )
    return rows, told


def test_the_loss_literal() -> None:
    """u = 0 leaves the biases: log(e + 2) - 1 for the context of bias 1, log(e + 2) for another."""
    model = SkipGram(3, 4)
    with torch.no_grad():
        model.u.weight.zero_()
        model.v.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    found = model.loss(torch.tensor([[0, 1], [2, 0]]))
    assert float(found.detach()) == pytest.approx(math.log(math.e + 2) - 0.5, rel=1e-6)


def test_the_loss_is_the_softmax_of_inner_products() -> None:
    torch.manual_seed(0)
    model = SkipGram(6, 3).double()
    u, v, bias = model.u.weight.tolist(), model.v.weight.tolist(), model.v.bias.tolist()
    pairs = [(0, 5), (2, 2), (4, 1)]
    total = 0.0
    for centre, context in pairs:
        scores = [
            math.fsum(a * b for a, b in zip(u[centre], row, strict=True)) + c for row, c in zip(v, bias, strict=True)
        ]
        total += math.log(math.fsum(map(math.exp, scores))) - scores[context]
    assert float(model.loss(torch.tensor(pairs)).detach()) == pytest.approx(total / 3, rel=1e-12)


@settings(deadline=None)
@given(window=st.integers(1, 6), length=st.integers(14, 60), step=st.integers(0, 1000), seed=st.integers(0, 1000))
def test_contexts_are_near_and_never_the_place_itself(window: int, length: int, step: int, seed: int) -> None:
    found = skipgram.pairs(np.arange(length), step, size=50, window=window, seed=seed)
    distance = (found[:, 0] - found[:, 1]).abs()
    assert found.shape == (50, 2)
    assert 1 <= int(distance.min()) and int(distance.max()) <= window
    assert 0 <= int(found.min()) and int(found.max()) < length


def test_all_distances_on_both_sides_are_equally_frequent() -> None:
    found = skipgram.pairs(np.arange(1000), 0, size=60_000, window=3, seed=0)
    counts = np.unique((found[:, 1] - found[:, 0]).numpy(), return_counts=True)
    assert counts[0].tolist() == [-3, -2, -1, 1, 2, 3]
    assert np.abs(counts[1] / 60_000 - 1 / 6).max() < 5 * math.sqrt(5 / 36 / 60_000)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    def batch(step: int, seed: int) -> list[list[int]]:
        return skipgram.pairs(np.arange(100), step, size=20, window=2, seed=seed).tolist()

    one = batch(4, 0)
    np.random.seed(0)
    assert batch(4, 0) == one
    assert batch(5, 0) != one != batch(4, 1)


def test_tokens_are_the_first_of_the_documents_in_order(tmp_path: Path) -> None:
    documents = [(np.arange(10 * n, 10 * n + n), np.ones(n, dtype=bool)) for n in (3, 5, 4)]
    corpus.write(documents, tmp_path, vocab_size=100, shard_tokens=6)
    whole = [*range(30, 33), *range(50, 55), *range(40, 44)]
    for limit in (1, 3, 4, 12, 99):
        assert skipgram.tokens(Corpus(tmp_path), limit).tolist() == whole[:limit]


def test_the_curve_falls_to_the_entropy_where_dimensions_suffice() -> None:
    """Two equally likely contexts: no model is below log 2; one dimension cannot tell ten places apart."""
    rows, told = curve([1, 8])
    assert [row["dimension"] for row in rows] == [1.0, 8.0]
    assert told == [(1, 2), (2, 2)]
    narrow, wide = (row["dev_loss"] for row in rows)
    assert math.log(2) - 0.01 < wide < math.log(2) + 0.1
    assert wide + 0.3 < narrow < math.log(RING)
    assert rows[1]["train_loss"] < narrow


def test_the_curve_is_the_same_again() -> None:
    assert curve([2])[0] == curve([2])[0]


def test_the_curve_can_be_stopped() -> None:
    with pytest.raises(Interrupted, match="stopped after step 1 of 120"):
        curve([2], stop=True)


def test_the_most_frequent_tokens_by_rank() -> None:
    train, dev = np.array([7, 3, 3, 9, 7, 3, 2]), np.array([9, 3, 8, 7])
    kept = skipgram.most_frequent(train, 2, dev)
    assert [stream.tolist() for stream in kept] == [[1, 0, 0, 1, 0], [0, 1]]
    assert [len(stream) for stream in skipgram.most_frequent(train, 9, dev)] == [7, 3]  # 8 is no token of the first


def test_the_knee_is_where_nine_tenths_of_the_gain_are() -> None:
    losses = {4: 6.0, 8: 5.3, 16: 5.1, 32: 5.0, 64: 5.2}
    rows = [{"dimension": float(n), "dev_loss": loss} for n, loss in losses.items()]
    assert skipgram.knee(rows) == 16
    assert skipgram.knee(rows, share=1.0) == 32
    assert skipgram.knee(rows[:1]) == 4


def test_what_noise_explains_is_added_back_in_the_full_softmax() -> None:
    """A model without knowledge, u = 0 and biases 0, then gives each context the share that the noise has of it."""
    noise = torch.tensor([0.5, 0.25, 0.125, 0.125])
    model = SkipGram(4, 3, noise)
    torch.nn.init.zeros_(model.u.weight)
    torch.nn.init.zeros_(model.v.bias)
    for context, share in enumerate(noise.tolist()):
        assert float(model.loss(torch.tensor([[0, context]])).detach()) == pytest.approx(-math.log(share), rel=1e-6)


def test_the_sampled_loss_literal() -> None:
    """u = 0 and biases 0 leave log(1 + K) for the true context and K log(1 + 1/K) for the noise."""
    model = SkipGram(4, 3, torch.full((4,), 0.25))
    with torch.no_grad():
        model.u.weight.zero_()
        model.v.bias.zero_()
    found = float(model.sampled_loss(torch.tensor([[0, 1]]), torch.tensor([2, 2, 3])).detach())
    assert found == pytest.approx(math.log(4) + 3 * math.log(4 / 3), rel=1e-6)


def test_negative_sampling_reaches_the_law_of_the_full_softmax() -> None:
    rows = skipgram.curve(
        ring(),
        ring(),
        vocabulary=RING,
        dimensions=[8],
        schedule=Schedule(steps=300, learning_rate=0.1, warmup=0.1, log_every=100),
        batch=128,
        window=1,
        seed=0,
        progress=lambda done, total, metrics: None,
        stopping=lambda: False,
        negatives=50,
    )
    assert math.log(2) - 0.01 < rows[0]["dev_loss"] < math.log(2) + 0.15
