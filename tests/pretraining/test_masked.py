"""Masked language modelling: nothing lost in packing, the loss of one text per row, BERT's proportions."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.pretraining import masked
from rosphere.pretraining.batch import Batch, _hits, prediction_loss
from rosphere.pretraining.dev_set import DevSet
from rosphere.pretraining.packing import SHORTEST, PackedRows, pack
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

LENGTHS = (3, 8, 9, 17, 40, 25, 7, 12, 60, 11, 8, 30)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), [tiny.POEM])


@pytest.fixture
def rows(tokens: Tokenizer, tmp_path: Path) -> PackedRows:
    found = tiny.documents(LENGTHS, len(tokens))
    return PackedRows(tiny.shards(found, tmp_path / "corpus", len(tokens)), tokens, length=24, seed=5)


def perturbed(vocabulary: int) -> MaskedLanguageModel:
    return tiny.shaken(tiny.language(vocabulary))


# --- packing


@given(
    lengths=st.lists(st.integers(0, 60), max_size=25),
    length=st.integers(SHORTEST + 2, 40),
    seed=st.integers(0, 10**6),
)
def test_every_token_stands_in_one_row_save_for_short_tails(lengths: list[int], length: int, seed: int) -> None:
    packing = pack(np.array(lengths, dtype=np.int64), length, np.random.default_rng(seed))
    packed = [packing.row(number) for number in range(len(packing.first) - 1)]
    for row in packed:
        assert row
        assert sum(end - begin + 2 for _, begin, end in row) <= length
        assert all(end - begin >= SHORTEST for _, begin, end in row)
    seen = Counter((n, place) for row in packed for n, begin, end in row for place in range(begin, end))
    assert set(seen.values()) <= {1}
    covered = Counter(number for number, _ in seen)
    for number, total in enumerate(lengths):
        assert total - covered[number] < SHORTEST
        assert all((number, place) in seen for place in range(covered[number]))  # only the tail is missing


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(lambda found: max(found) >= SHORTEST),
    length=st.integers(SHORTEST + 2, 32),
    seed=st.integers(0, 10**6),
)
def test_a_row_is_its_documents_one_after_the_other(
    tokens: Tokenizer, lengths: list[int], length: int, seed: int
) -> None:
    found = tiny.documents(tuple(lengths), len(tokens), seed)
    with tempfile.TemporaryDirectory() as folder:
        rows = PackedRows(tiny.shards(found, Path(folder), len(tokens)), tokens, length=length, seed=seed)
        for number in range(len(rows)):
            row = rows.packing.row(number)
            ids, owner, starts = rows.row(number)
            assert len(ids) == len(owner) == len(starts) == length
            for place, (document, begin, end) in enumerate(row, 1):
                text, words = found[document]
                assert ids[owner == place].tolist() == [tokens.cls, *text[begin:end], tokens.sep]
                assert starts[owner == place].tolist() == [True, True, *words[begin + 1 : end], True]
            assert set(ids[owner == 0].tolist()) <= {tokens.pad}
            assert sorted(owner[owner > 0]) == list(owner[owner > 0])
            assert set(owner.tolist()) - {0} == set(range(1, len(row) + 1))


def test_refuses_rows_and_documents_that_are_too_short(tokens: Tokenizer, tmp_path: Path) -> None:
    short = tiny.shards(tiny.documents((7, 3), len(tokens)), tmp_path / "short", len(tokens))
    with pytest.raises(InputError, match="no document of 8 tokens or more"):
        PackedRows(short, tokens, length=24, seed=0)
    with pytest.raises(InputError, match="expected rows of 10 tokens or more, got 9"):
        PackedRows(short, tokens, length=9, seed=0)


# --- the loss


def unpacked(batch: Batch, tokens: Tokenizer) -> Batch:
    """The same documents, one per row and padded, with the same predictions in the same order."""
    length = batch.ids_BL.shape[1]
    row_of, place_of = batch.positions_M // length, batch.positions_M % length
    ids, positions, order = [], [], []
    for row in range(len(batch.ids_BL)):
        for document in range(1, int(batch.documents_BL[row].max()) + 1):
            places = torch.nonzero(batch.documents_BL[row] == document)[:, 0]
            inside = torch.nonzero((row_of == row) & torch.isin(place_of, places))[:, 0]
            positions += (len(ids) * length + place_of[inside] - places[0]).tolist()
            order += inside.tolist()
            ids.append(F.pad(batch.ids_BL[row, places], (0, length - len(places)), value=tokens.pad))
    assert sorted(order) == list(range(len(batch.labels_M)))
    stacked = torch.stack(ids)
    kept = [
        len(torch.nonzero(batch.documents_BL[row] == document))
        for row in range(len(batch.ids_BL))
        for document in range(1, int(batch.documents_BL[row].max()) + 1)
    ]
    return Batch(
        ids_BL=stacked,
        documents_BL=(torch.arange(length) < torch.tensor(kept)[:, None]).long(),
        positions_M=torch.tensor(positions),
        labels_M=batch.labels_M[order],
        predictions=batch.predictions,
    )


@pytest.mark.parametrize("step", [0, 1, 2])
def test_the_packed_loss_is_that_of_one_document_a_row(step: int, rows: PackedRows) -> None:
    model = perturbed(len(rows.tokenizer))
    batch = masked.training_batch(rows, step, size=5, rate=0.3)
    alone = unpacked(batch, rows.tokenizer)
    assert len(alone.ids_BL) > len(batch.ids_BL)
    with torch.no_grad():
        value, hits = prediction_loss(model, batch)
        expected = F.cross_entropy(
            model(alone.ids_BL, masks.padded(alone.documents_BL)).flatten(0, 1)[alone.positions_M],
            alone.labels_M,
        )
        leaking = prediction_loss(model, dataclasses.replace(batch, documents_BL=torch.ones_like(batch.documents_BL)))[
            0
        ]
    assert abs(float(value - expected)) <= 1e-5
    assert abs(float(leaking - expected)) >= 1e-3
    assert float(prediction_loss(model, alone)[1]) == float(hits)


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_shares_add_up_to_the_batch(processes: int, rate: float, rows: PackedRows) -> None:
    model = perturbed(len(rows.tokenizer)).double()
    batch = masked.training_batch(rows, 0, size=5, rate=rate)
    shares = [batch.share(rank, processes) for rank in range(processes)]
    assert sorted(len(share.ids_BL) for share in shares)[0] == 5 // processes
    assert torch.equal(torch.cat([share.ids_BL for share in shares]), batch.ids_BL)
    assert torch.equal(torch.cat([share.labels_M for share in shares]), batch.labels_M)
    mean, accuracy = prediction_loss(model, batch)
    whole = torch.autograd.grad(mean, list(model.parameters()))
    parts = [prediction_loss(model, share) for share in shares]
    torch.testing.assert_close(torch.stack([value for value, _ in parts]).sum(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(torch.stack([hits for _, hits in parts]).sum(), accuracy, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(value, list(model.parameters())) for value, _ in parts]
    for expected, *found in zip(whole, *gradients, strict=True):
        torch.testing.assert_close(torch.stack(found).sum(0), expected, rtol=1e-5, atol=1e-7)


def test_refuses_more_processes_than_rows(rows: PackedRows) -> None:
    with pytest.raises(InputError, match="rows: expected one or more for each of 4 processes, got 3"):
        masked.training_batch(rows, 0, size=3, rate=0.3).share(0, 4)


def test_the_loss_of_a_whole_batch_is_the_mean_to_the_last_bit(
    rows: PackedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = perturbed(len(rows.tokenizer)), []
    head = model.logits
    monkeypatch.setattr(model, "logits", lambda hidden: seen.append(head(hidden)) or seen[-1])
    batch = masked.training_batch(rows, 1, size=5, rate=0.3)
    value, hits = prediction_loss(model, batch)
    expected = F.cross_entropy(seen[0], batch.labels_M)
    assert torch.equal(value, expected)
    assert torch.equal(*(torch.autograd.grad(each, seen[0], retain_graph=True)[0] for each in (value, expected)))
    assert torch.equal(hits, (seen[0].argmax(-1) == batch.labels_M).float().mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_hit_is_the_largest_logit_and_in_bf16_no_equal_of_it(dtype: torch.dtype) -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 1.0, 1.0], [0.0, 1.0, 1.001]]).to(dtype)
    expected = 1 if dtype == torch.bfloat16 else 2  # 1.001 is 1 in bf16: of equals one is the answer, the first
    assert _hits(logits, torch.tensor([1, 2, 2])).item() == expected


def test_the_gradient_reaches_every_parameter_that_a_pass_uses(rows: PackedRows) -> None:
    model = perturbed(len(rows.tokenizer))
    prediction_loss(model, masked.training_batch(rows, 0, size=4, rate=0.3))[0].backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


# --- masking


def masked_batch(
    tokens: Tokenizer, *, count: int = 400, rate: float = 0.15, seed: int = 0
) -> tuple[Batch, NDArray[np.int64], NDArray[np.bool_]]:
    generator = np.random.default_rng(seed)
    ids = generator.integers(tiny.FIRST, len(tokens), (count, 128))
    ids[:, 0], ids[:, 60], ids[:, 61], ids[:, 120] = tokens.cls, tokens.sep, tokens.cls, tokens.sep
    ids[:, 121:] = tokens.pad
    owner = np.repeat([[1] * 61 + [2] * 60 + [0] * 7], count, axis=0)
    starts = generator.random(ids.shape) < 0.6
    starts[:, [0, 1, 60, 61, 62, 120]] = starts[:, 121:] = True
    return masked.mask(ids, owner, starts, tokens, rate=rate, generator=generator), ids, starts


def within(share: float, expected: float, trials: int, spread: float = 1.0) -> bool:
    """Five standard deviations of a share of ``trials``; ``spread`` where trials come in words."""
    return bool(abs(share - expected) <= 5 * spread * np.sqrt(expected * (1 - expected) / trials))


def test_fifteen_per_cent_are_predicted_80_masked_10_random_10_kept(tokens: Tokenizer) -> None:
    batch, ids, _ = masked_batch(tokens)
    count, vocabulary = len(batch.labels_M), len(tokens)
    assert within(count / (400 * 117), 0.15, 400 * 117, spread=1.6)  # words of 1.67 tokens on average
    seen = batch.ids_BL.flatten()[batch.positions_M]
    assert torch.equal(batch.labels_M, torch.from_numpy(ids).flatten()[batch.positions_M])
    assert within(float((seen == tokens.mask).float().mean()), 0.8 + 0.1 / vocabulary, count)
    assert within(float((seen == batch.labels_M).float().mean()), 0.1 + 0.1 / vocabulary, count)
    other = (seen != tokens.mask) & (seen != batch.labels_M)
    assert within(float(other.float().mean()), 0.1 * (1 - 2 / vocabulary), count)
    drawn = np.bincount(seen[other], minlength=vocabulary)
    assert drawn.sum() > 500 and drawn.max() < 6 * drawn.sum() / vocabulary


def test_only_predicted_tokens_change(tokens: Tokenizer) -> None:
    batch, ids, _ = masked_batch(tokens)
    changed = torch.nonzero(batch.ids_BL.flatten() != torch.from_numpy(ids).flatten())[:, 0]
    assert set(changed.tolist()) <= set(batch.positions_M.tolist())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), rate=st.floats(0.0, 1.0))
def test_words_are_chosen_whole_and_specials_never(tokens: Tokenizer, seed: int, rate: float) -> None:
    batch, ids, starts = masked_batch(tokens, count=4, rate=rate, seed=seed)
    chosen = np.zeros(ids.size, dtype=bool)
    chosen[batch.positions_M] = True
    special = np.isin(ids, [tokens.cls, tokens.sep, tokens.pad]).ravel()
    assert not (chosen & special).any()
    assert chosen.any()
    if chosen.sum() > 1:  # at rate 0 one token is taken so that there is a loss
        word = np.cumsum(starts.ravel())
        shares = np.bincount(word, chosen)[1:] / np.bincount(word)[1:]
        assert set(shares.tolist()) <= {0.0, 1.0}


def test_at_rates_0_and_1_one_token_and_all_are_predicted(tokens: Tokenizer) -> None:
    assert len(masked_batch(tokens, count=3, rate=0.0)[0].labels_M) == 1
    assert len(masked_batch(tokens, count=3, rate=1.0)[0].labels_M) == 3 * 117


# --- batches


def same(one: Batch, other: Batch) -> bool:
    names = ("ids_BL", "documents_BL", "positions_M", "labels_M")
    return one.predictions == other.predictions and all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in names
    )


def test_a_batch_depends_on_seed_and_step_alone(rows: PackedRows) -> None:
    again = PackedRows(rows.corpus, rows.tokenizer, length=24, seed=5)
    other = PackedRows(rows.corpus, rows.tokenizer, length=24, seed=6)
    forward = [masked.training_batch(rows, step, size=3, rate=0.15) for step in range(8)]
    np.random.seed(1)
    torch.manual_seed(1)
    backward = [masked.training_batch(again, step, size=3, rate=0.15) for step in reversed(range(8))][::-1]
    assert all(map(same, forward, backward))
    assert not any(same(forward[0], batch) for batch in forward[1:])
    assert not same(forward[0], masked.training_batch(other, 0, size=3, rate=0.15))


@pytest.mark.parametrize("size", [1, 3, 7, 40])
def test_each_epoch_visits_each_row_once_in_another_order(size: int, rows: PackedRows) -> None:
    count = len(rows)
    visited = np.concatenate([rows.numbers(step, size) for step in range(-(-3 * count // size))])
    epochs = [visited[count * epoch : count * (epoch + 1)].tolist() for epoch in range(3)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_the_dev_set_is_the_mean_over_all_predictions_and_stays_the_same(rows: PackedRows) -> None:
    model, dev = perturbed(len(rows.tokenizer)), DevSet(rows, size=3, limit=7, rate=0.3)
    assert sum(len(batch.ids_BL) for batch in dev.masked) == 7
    assert len({len(batch.labels_M) for batch in dev.masked}) > 1  # a mean of means would be another number
    with torch.no_grad():
        found = dev(model)
        logits = torch.cat(
            [
                model(batch.ids_BL, masks.packed(batch.documents_BL)).flatten(0, 1)[batch.positions_M]
                for batch in dev.masked
            ]
        )
        labels = torch.cat([batch.labels_M for batch in dev.masked])
        assert found["dev_loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), abs=1e-5)
        assert found["dev_accuracy"] == pytest.approx(float((logits.argmax(-1) == labels).float().mean()), abs=1e-6)
        assert DevSet(rows, size=3, limit=7, rate=0.3)(model) == found
