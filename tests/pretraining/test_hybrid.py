"""Causal steps on packed rows: transformers' causal language models as the oracle, the share of steps, the FLOPs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rosphere.encoder import folder, masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.pretraining import causal, hybrid, masked
from rosphere.pretraining.batch import Batch, prediction_loss
from rosphere.pretraining.dev_set import DevSet
from rosphere.pretraining.packing import PackedRows
from rosphere.pretraining.recipe import Recipe
from rosphere.text import corpus, tokenizer
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import SPECIALS, UNUSED, Tokenizer
from rosphere.training.schedule import Schedule

FIRST = len(SPECIALS) + len(UNUSED)  # the first token of text
PARTS: dict[str, Any] = {
    "vocab_size": 60,
    "embedding_size": 16,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
RECIPE: dict[str, Any] = {
    "sequence": 24,
    "batch_size": 3,
    "mask_rate": 0.3,
    "causal_share": 0.25,
    "causal_rate": 0.5,
    "dev_rows": 4,
    "dropout": 0.0,
    "gradient_checkpointing": False,
    "compile": False,
    "schedule": Schedule(steps=8, learning_rate=1e-3),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> PackedRows:
    place = tmp_path_factory.mktemp("rows")
    tokenizer.save(tokenizer.train(["春眠不觉晓处处闻啼鸟夜来风雨声花落知多少床前明月光"], size=99, minimum=1), place)
    tokens, generator = Tokenizer(place), np.random.default_rng(0)
    lengths = (8, 9, 17, 40, 25, 12, 60, 11, 8, 30)
    found = [(generator.integers(FIRST, len(tokens), n), generator.random(n) < 0.5) for n in lengths]
    corpus.write(found, place / "corpus", vocab_size=len(tokens), shard_tokens=50)
    return PackedRows(Corpus(place / "corpus"), tokens, length=24, seed=5)


def perturbed(**changes: Any) -> MaskedLanguageModel:
    torch.manual_seed(0)
    model = MaskedLanguageModel(EncoderConfig(**{**PARTS, **changes}))
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()


@pytest.mark.parametrize("kind", ["roformer", "bert"])
def test_the_folder_is_a_causal_model_of_transformers(kind: str, tmp_path: Path, rows: PackedRows) -> None:
    """Each document of packed rows alone under RoFormerForCausalLM or BertLMHeadModel: the same logits."""
    from transformers import BertLMHeadModel, RoFormerForCausalLM

    size = {"embedding_size": 24} if kind == "bert" else {}
    model = perturbed(model_type=kind, vocab_size=len(rows.tokenizer), **size)
    folder.save(model, tmp_path, tokenizer=tmp_path)
    oracle: Any = BertLMHeadModel if kind == "bert" else RoFormerForCausalLM
    theirs = oracle.from_pretrained(tmp_path, is_decoder=True).eval()
    batch = causal.batch(rows, np.arange(4), rate=1.0, generator=np.random.default_rng(0))
    places = masks.positions(batch.documents_BL) if kind == "bert" else None
    with torch.no_grad():
        ours = model.logits(model.encoder(batch.ids_BL, masks.causal(batch.documents_BL), positions_BL=places))
        compared = 0
        for ids, documents, logits in zip(batch.ids_BL, batch.documents_BL, ours, strict=True):
            for number in range(1, int(documents.max()) + 1):
                own = documents == number
                expected = theirs(ids[own][None]).logits[0]
                assert (logits[own] - expected).abs().max() <= 1e-5 * expected.abs().max()
                compared += int(own.sum())
    assert compared == int((batch.documents_BL > 0).sum()) > 60


def test_the_loss_is_transformers_own_over_all_positions(tmp_path: Path, rows: PackedRows) -> None:
    from transformers import RoFormerForCausalLM

    model = perturbed(vocab_size=len(rows.tokenizer))
    folder.save(model, tmp_path, tokenizer=tmp_path)
    theirs = RoFormerForCausalLM.from_pretrained(tmp_path, is_decoder=True).eval()
    batch = causal.batch(rows, np.arange(4), rate=1.0, generator=np.random.default_rng(0))
    total = count = 0.0
    with torch.no_grad():
        for ids, documents in zip(batch.ids_BL, batch.documents_BL, strict=True):
            for number in range(1, int(documents.max()) + 1):
                own = ids[documents == number][None]
                total += float(theirs(own, labels=own).loss) * (own.shape[1] - 1)
                count += own.shape[1] - 1
        value, _ = prediction_loss(model, batch)
    assert batch.predictions == count
    assert float(value) == pytest.approx(total / count, rel=1e-5)


def test_nothing_is_seen_of_what_is_to_be_predicted(rows: PackedRows) -> None:
    """Another token behind a position changes no logit at it or before it."""
    model, batch = (
        perturbed(vocab_size=len(rows.tokenizer)),
        causal.batch(rows, np.arange(3), rate=1.0, generator=np.random.default_rng(0)),
    )
    mask, changed = masks.causal(batch.documents_BL), batch.ids_BL.clone()
    changed[:, 12] = FIRST + (changed[:, 12] + 1 - FIRST) % 20
    with torch.no_grad():
        one, other = (model.logits(model.encoder(ids, mask)) for ids in (batch.ids_BL, changed))
    assert torch.equal(one[:, :12], other[:, :12])
    assert not torch.equal(one[:, 12:], other[:, 12:])


def test_literal_positions_and_labels() -> None:
    ids = np.array([[2, 11, 12, 3, 2, 13, 3, 0]])
    documents = np.array([[1, 1, 1, 1, 2, 2, 2, 0]])
    batch = causal.next_tokens(ids, documents, rate=1.0, generator=np.random.default_rng(0))
    assert batch.positions_M.tolist() == [0, 1, 2, 4, 5]  # no [SEP], no padding: nothing of their own comes next
    assert batch.labels_M.tolist() == [11, 12, 3, 13, 3]
    assert batch.causal and torch.equal(batch.ids_BL, torch.from_numpy(ids))


@given(seed=st.integers(0, 10**6), rate=st.floats(0.01, 1.0))
def test_some_of_the_positions_are_chosen_and_always_one(seed: int, rate: float) -> None:
    documents = np.repeat([[1] * 9 + [2] * 5 + [0] * 2], 3, axis=0)
    ids = np.random.default_rng(seed).integers(5, 60, documents.shape)
    batch = causal.next_tokens(ids, documents, rate=rate, generator=np.random.default_rng(seed))
    assert 1 <= batch.predictions == len(batch.positions_M) == len(batch.labels_M) <= 3 * (8 + 4)
    follow = batch.positions_M + 1
    assert torch.equal(batch.labels_M, batch.ids_BL.flatten()[follow])
    assert torch.equal(batch.documents_BL.flatten()[follow], batch.documents_BL.flatten()[batch.positions_M])


@given(share=st.floats(0, 0.99), steps=st.integers(1, 400))
def test_of_the_first_n_steps_n_times_the_share_are_causal(share: float, steps: int) -> None:
    causal_steps = [step for step in range(steps) if hybrid.is_causal(step, share)]
    assert len(causal_steps) == int(steps * share)


def test_a_quarter_is_every_fourth_step(rows: PackedRows) -> None:
    batches = [hybrid.training_batch(rows, step, Recipe(**RECIPE)) for step in range(8)]
    assert [batch.causal for batch in batches] == [False, False, False, True] * 2


def test_without_causal_steps_it_is_masked_training_to_the_byte(rows: PackedRows) -> None:
    recipe = Recipe(**{**RECIPE, "causal_share": 0.0})
    for step in range(6):
        one, other = hybrid.training_batch(rows, step, recipe), masked.training_batch(rows, step, size=3, rate=0.3)
        assert same(one, other)


def same(one: Batch, other: Batch) -> bool:
    names = ("ids_BL", "documents_BL", "positions_M", "labels_M")
    return one.causal == other.causal and all(torch.equal(getattr(one, n), getattr(other, n)) for n in names)


def test_a_causal_batch_depends_on_seed_and_step_alone_and_shares_add_up(rows: PackedRows) -> None:
    recipe, model = Recipe(**RECIPE), perturbed(vocab_size=len(rows.tokenizer)).double()
    batch = hybrid.training_batch(rows, 3, recipe)
    assert same(batch, hybrid.training_batch(rows, 3, recipe))
    assert not torch.equal(batch.positions_M, hybrid.training_batch(rows, 7, recipe).positions_M)
    parts = [prediction_loss(model, batch.share(rank, 2))[0] for rank in range(2)]
    torch.testing.assert_close(sum(parts), prediction_loss(model, batch)[0], rtol=1e-6, atol=0)


def test_the_dev_set_measures_both(rows: PackedRows) -> None:
    model = perturbed(vocab_size=len(rows.tokenizer))
    both, one = (DevSet(rows, size=3, limit=7, rate=0.3, causal=causal_too) for causal_too in (True, False))
    with torch.no_grad():
        found, alone = both(model), one(model)
        whole = causal.batch(rows, np.arange(7), rate=1.0, generator=np.random.default_rng(0))
        expected = prediction_loss(model, whole)
    assert alone.keys() == {"dev_loss", "dev_accuracy"} and alone.items() <= found.items()
    assert found["dev_causal_loss"] == pytest.approx(float(expected[0]), rel=1e-5)
    assert found["dev_causal_accuracy"] == pytest.approx(float(expected[1]), abs=1e-6)


@pytest.mark.parametrize("kind", ["roformer", "bert", "roformer_v2"])
@pytest.mark.parametrize("causal_step", [False, True])
def test_flops_of_a_step_are_those_that_torch_counts(kind: str, causal_step: bool, rows: PackedRows) -> None:
    size = {"embedding_size": 24} if kind == "bert" else {}
    model = perturbed(model_type=kind, vocab_size=len(rows.tokenizer), **size)
    make = causal.batch if causal_step else masked.batch
    batch = make(rows, np.arange(4), rate=0.4, generator=np.random.default_rng(0))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        prediction_loss(model, batch)[0].backward()
    tokens = batch.ids_BL.numel()
    predicted = batch.predictions / tokens
    assert counter.get_total_flops() == pytest.approx(tokens * model.config.flops_per_token(24, predicted=predicted))


def test_a_runs_flops_are_the_mean_of_its_steps() -> None:
    config, recipe = EncoderConfig(**PARTS), Recipe(**RECIPE)
    masked_step, causal_step = (config.flops_per_token(24, predicted=rate) * 72 for rate in (0.3, 0.5))
    assert recipe.total_flops(config) == pytest.approx(6 * masked_step + 2 * causal_step)


def test_a_run_goes_on_in_the_rows_where_another_ended() -> None:
    narrow = Recipe(**RECIPE)
    assert Recipe(**{**RECIPE, "batch_size": 4}).after(narrow) == 6  # 8 batches of 3 rows
    assert Recipe(**{**RECIPE, "batch_size": 5}).after(narrow) == 5  # 24 rows do not fill the fifth, which is had too


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"causal_share": 1.0}, "causal_share: expected a share in .0, 1., got 1.0"),
        ({"causal_rate": 0.0}, "causal_rate: expected a share above 0 and at most 1, got 0.0"),
        ({"mask_rate": 1.5}, "mask_rate: expected a share above 0 and at most 1, got 1.5"),
    ],
)
def test_refuses(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**{**RECIPE, **changes})
