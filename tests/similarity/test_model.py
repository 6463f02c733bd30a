"""The sentence encoder: UniLM's mask holds, others read its folders, the order of texts is free."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from rosphere.encoder import folder as folders
from rosphere.encoder import masks
from rosphere.encoder.config import Kind
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.similarity import encoding, whitening
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Batch
from rosphere.text import batching, tokenizer
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

HOUSE = Path(__file__).resolve().parents[2]
TEXTS = [
    "今天天气不错",
    "今天天气很好",
    "我喜欢北京",
    "怎么办理信用卡？",
    "卡",
    "推荐一辆 red 车",
    "电影" * 40,
    "我不喜欢红苹果，你呢",
]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS)


def random_model(tokens: Tokenizer, kind: Kind) -> SimilarityModel:
    return tiny.shaken(SimilarityModel(tiny.language(len(tokens), model_type=kind)))


@pytest.fixture(scope="module", params=["cls", "mean"])
def model(request: pytest.FixtureRequest, tokens: Tokenizer) -> SimilarityModel:
    found = random_model(tokens, "roformer")
    found.pooling = request.param
    return found


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError(f"a connection to {arguments[1:]}")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)


def joint(source: list[int], target: list[int], tokens: Tokenizer, room: int) -> Batch:
    """[CLS] source [SEP] target [SEP], padded to ``room``."""
    sequence = [tokens.cls, *source, tokens.sep, *target, tokens.sep]
    places = torch.arange(room)[None]
    return Batch(
        ids_NL=torch.tensor([sequence + [tokens.pad] * (room - len(sequence))]),
        segments_NL=(places >= len(source) + 2).long(),
        keep_NL=(places < len(sequence)).long(),
        sentence_N=torch.tensor([0]),
        tokens=len(target) + 1,
    )


# --- the model


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_sources_vector_does_not_depend_on_the_target(
    data: st.DataObject, model: SimilarityModel, tokens: Tokenizer
) -> None:
    sentence = st.lists(st.integers(15, len(tokens) - 1), min_size=1, max_size=8)
    source, one, other = data.draw(sentence), data.draw(sentence), data.draw(sentence)
    with torch.no_grad():
        first, second = (model(joint(source, target, tokens, 20))[0] for target in (one, other))
        alone = model.vectors(torch.tensor([[tokens.cls, *source, tokens.sep]]), torch.ones(1, len(source) + 2))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-5)
    torch.testing.assert_close(F.normalize(first, dim=-1), alone, rtol=0, atol=1e-5)


def test_the_vector_does_depend_on_the_source(model: SimilarityModel, tokens: Tokenizer) -> None:
    with torch.no_grad():
        one, other = (model(joint(source, [20, 21], tokens, 12))[0] for source in ([22, 23], [23, 22]))
    assert (one - other).abs().max() > 0.01


def test_the_language_loss_is_teacher_forcing_on_the_target(model: SimilarityModel, tokens: Tokenizer) -> None:
    source, target = [20, 25, 30], [21, 26]
    batch = joint(source, target, tokens, 13)
    with torch.no_grad():
        found = model(batch)[1]()
        nll = 0.0
        for step, token in enumerate([*target, tokens.sep]):  # each token from a pass of its own
            prefix = torch.tensor([[tokens.cls, *source, tokens.sep, *target[:step]]])
            segments = (torch.arange(prefix.shape[1]) >= len(source) + 2).long()[None]
            mask = masks.seq2seq(segments, torch.ones_like(prefix))
            nll -= float(model.language(prefix, mask, segments)[0, -1].log_softmax(-1)[token])
    assert float(found) == pytest.approx(nll / 3, abs=1e-5)


def test_rows_share_the_mean_by_their_tokens(model: SimilarityModel, tokens: Tokenizer) -> None:
    rows = [joint([20], [21, 22, 23], tokens, 9), joint([24, 25], [26], tokens, 9)]
    names = ("ids_NL", "segments_NL", "keep_NL", "sentence_N")
    both = Batch(**{name: torch.cat([getattr(row, name) for row in rows]) for name in names}, tokens=6)
    with torch.no_grad():
        parts = [float(model(dataclasses.replace(row, tokens=6))[1]()) for row in rows]
        assert float(model(both)[1]()) == pytest.approx(sum(parts), abs=1e-5)


def test_the_pooler_starts_as_the_identity() -> None:
    fresh = SimilarityModel(tiny.language(20, hidden_size=8, num_attention_heads=2))
    x = torch.randn(3, 8)
    assert torch.equal(fresh.pooler(x), x)


# --- texts to vectors


def test_the_order_and_the_company_of_texts_do_not_matter(
    model: SimilarityModel, tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoding.encode(model, tokens, TEXTS)
    backward = encoding.encode(model, tokens, TEXTS[::-1])[::-1]
    alone = np.concatenate([encoding.encode(model, tokens, [text]) for text in TEXTS])
    monkeypatch.setattr(batching, "TOKENS_A_BATCH", 3 * 64)
    threes = encoding.encode(model, tokens, TEXTS)
    for other in (backward, alone, threes):
        np.testing.assert_allclose(other, whole, rtol=0, atol=1e-6)
    assert np.abs(whole - whole[::-1]).max() > 0.1


def test_no_texts_give_no_vectors(model: SimilarityModel, tokens: Tokenizer) -> None:
    for found in (encoding.encode(model, tokens, []), encoding.mean_pooled(model.language, tokens, [])):
        assert found.shape == (0, 24) and found.dtype == np.float32


@pytest.mark.parametrize("kind", ["roformer", "roformer_v2", "bert"])
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(0, 20), max_size=12), room=st.sampled_from([1, 40, 4096]))
def test_any_lengths_give_the_vectors_of_one_at_a_time(
    tokens: Tokenizer, kind: Kind, lengths: list[int], room: int
) -> None:
    encoder = random_model(tokens, kind)
    texts = ["".join(TEXTS[0][(number + place) % 6] for place in range(n)) for number, n in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "TOKENS_A_BATCH", room)
        found = encoding.encode(encoder, tokens, texts, max_length=16)
    assert len(found) == len(texts)
    for text, vector in zip(texts, found, strict=True):
        ids = torch.tensor([[tokens.cls, *tokens.ids([text])[0][:14], tokens.sep]])
        with torch.no_grad():
            expected = F.normalize(encoder.pooler(encoder.language.encoder(ids)[:, 0]), dim=-1)[0]
        np.testing.assert_allclose(vector, expected.numpy(), rtol=0, atol=1e-5)


@given(lengths=st.lists(st.integers(1, 30), max_size=40), room=st.integers(1, 100))
def test_batches_hold_every_row_once_and_as_many_as_fit(lengths: list[int], room: int) -> None:
    batches = list(batching.length_buckets(lengths, room))
    assert [lengths[number] for batch in batches for number in batch] == sorted(lengths)
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * lengths[batch[-1]] <= room for batch in batches)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[following[0]] > room


def test_bf16_is_asked_for_is_near_and_comes_as_float32(model: SimilarityModel, tokens: Tokenizer) -> None:
    exact, near = (encoding.encode(model, tokens, TEXTS, precision=each) for each in ("fp32", "bf16"))
    assert near.dtype == np.float32
    assert 1e-5 < np.abs(near - exact).max() < 0.05
    np.testing.assert_allclose(np.linalg.norm(near, axis=1), 1, rtol=0, atol=1e-6)


def test_vectors_are_float32_also_where_bf16_is_around_them_and_fast(
    model: SimilarityModel, tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    ways: list[Callable[[], Any]] = [
        lambda: encoding.encode(model, tokens, TEXTS),
        lambda: encoding.mean_pooled(model.language, tokens, TEXTS),
        lambda: np.stack([*encoding.poolings(model, tokens, TEXTS).values()]),
    ]
    for way in ways:
        expected = way()
        with torch.autocast("cpu", torch.bfloat16):
            np.testing.assert_array_equal(way(), expected)


def test_a_model_can_be_trained_after_it_has_encoded(tokens: Tokenizer) -> None:
    """Nothing that was made in inference mode may stay in it."""
    fresh = random_model(tokens, "roformer")
    encoding.encode(fresh, tokens, TEXTS)
    fresh.train().language(torch.tensor([[tokens.cls, 20, tokens.sep]])).sum().backward()
    assert all(block.attention.qkv.weight.grad.abs().max() > 0 for block in fresh.language.encoder.blocks)


def test_vectors_are_unit_and_cut_at_the_longest(model: SimilarityModel, tokens: Tokenizer) -> None:
    found = encoding.encode(model, tokens, ["电影" * 3, "电影" * 9], max_length=8)
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=0, atol=1e-6)
    assert np.abs(encoding.encode(model, tokens, ["电影" * 9], max_length=20) - found[1]).max() > 1e-3


def test_encoding_is_without_dropout(model: SimilarityModel, tokens: Tokenizer) -> None:
    model.train()
    one = encoding.encode(model, tokens, TEXTS)
    assert np.array_equal(one, encoding.encode(model, tokens, TEXTS))


def test_the_mean_pool_leaves_padding_out(model: SimilarityModel, tokens: Tokenizer) -> None:
    found = encoding.mean_pooled(model.language, tokens, TEXTS)
    for number, text in enumerate(TEXTS[:5]):
        ids = torch.tensor([[tokens.cls, *tokens.ids([text])[0], tokens.sep]])
        with torch.no_grad():
            expected = F.normalize(model.language.encoder(ids).mean(1), dim=-1)[0]
        np.testing.assert_allclose(found[number], expected.numpy(), rtol=0, atol=1e-5)


# --- folders


def test_sentence_transformers_gives_the_same_vectors(
    model: SimilarityModel, tokens: Tokenizer, tmp_path: Path, offline: None
) -> None:
    from sentence_transformers import SentenceTransformer

    similarity.save(model, tmp_path, tokenizer=tokens.folder)
    theirs = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    found = theirs.encode(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(found, encoding.encode(model, tokens, TEXTS), rtol=0, atol=1e-5)
    cosines = theirs.similarity(found[:2], found).numpy()
    np.testing.assert_allclose(cosines, found[:2] @ found.T, rtol=0, atol=1e-5)


# Ours and theirs in a process of its own, for oneDNN reads its variable once. Wide enough for AMX's tiles.
WITHOUT_AMX = """
import sys
from pathlib import Path
import numpy as np
from sentence_transformers import SentenceTransformer
from rosphere.similarity import encoding
from rosphere.similarity.folder import load
from rosphere.text.tokenizer import Tokenizer
folder, texts = Path(sys.argv[1]), sys.argv[2:]
theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(texts, show_progress_bar=False)
ours = encoding.encode(load(folder), Tokenizer(folder), texts)
np.save(folder / "ours.npy", ours)
np.save(folder / "theirs.npy", theirs)
"""


def test_a_processor_without_amx_gives_the_same_vectors_here_and_in_sentence_transformers(
    tokens: Tokenizer, tmp_path: Path, offline: None
) -> None:
    shape = dataclasses.replace(
        random_model(tokens, "roformer").language.config, hidden_size=192, intermediate_size=384
    )
    similarity.save(model := SimilarityModel(MaskedLanguageModel(shape)), tmp_path, tokenizer=tokens.folder)
    expected = encoding.encode(model, tokens, TEXTS)
    command = [sys.executable, "-c", WITHOUT_AMX, str(tmp_path), *TEXTS]
    subprocess.run(command, check=True, env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}, cwd=HOUSE)
    for name in ("ours", "theirs"):
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, rtol=0, atol=1e-5)


def test_transformers_reads_the_language_model(
    model: SimilarityModel, tokens: Tokenizer, tmp_path: Path, offline: None
) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    similarity.save(model, tmp_path, tokenizer=tokens.folder)
    theirs = AutoModelForMaskedLM.from_pretrained(tmp_path, local_files_only=True).eval()
    words = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    given_ = words(TEXTS[0], return_tensors="pt")
    assert given_["input_ids"].tolist() == [[tokens.cls, *tokens.ids(TEXTS[:1])[0], tokens.sep]]
    with torch.no_grad():
        torch.testing.assert_close(
            theirs(**given_).logits, model.eval().language(given_["input_ids"]), rtol=0, atol=1e-4
        )


def test_a_round_trip_changes_no_bit(model: SimilarityModel, tokens: Tokenizer, tmp_path: Path) -> None:
    similarity.save(model, tmp_path, tokenizer=tokens.folder)
    again = similarity.load(tmp_path, dropout=0.3)
    assert again.language.config.hidden_dropout_prob == 0.3 and again.pooling == model.pooling
    expected = model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state_dict().items())


def test_refuses_another_pooling(model: SimilarityModel, tokens: Tokenizer, tmp_path: Path) -> None:
    similarity.save(model, tmp_path, tokenizer=tokens.folder)
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}', encoding="utf-8")
    with pytest.raises(InputError, match="expected the pooling to be .CLS. or the mean of tokens, got .*max_tokens"):
        similarity.load(tmp_path)


def test_refuses_a_folder_without_a_pooler(model: SimilarityModel, tokens: Tokenizer, tmp_path: Path) -> None:
    folders.save(model.language, tmp_path, tokenizer=tokens.folder)
    with pytest.raises(InputError, match="not a sentence encoder, 2_Dense/model.safetensors is missing"):
        similarity.load(tmp_path)


def test_the_four_poolings_are_those_of_the_hidden_states_that_transformers_gives(
    model: SimilarityModel, tokens: Tokenizer, tmp_path: Path
) -> None:
    from transformers import AutoModel

    tokenizer.save(sorted(tokens.backend.get_vocab(), key=tokens.identity), tmp_path / "pieces")
    similarity.save(model, tmp_path / "model", tokenizer=tmp_path / "pieces")
    theirs = AutoModel.from_pretrained(tmp_path / "model").eval()
    found = encoding.poolings(model, tokens, TEXTS)
    assert tuple(found) == encoding.POOLINGS
    for number, text in enumerate(TEXTS):
        ids = torch.tensor([[tokens.cls, *tokens.ids([text])[0][:62], tokens.sep]])
        with torch.no_grad():
            states = theirs(ids, output_hidden_states=True).hidden_states
            first, last = states[1], states[-1]
            means = [state.mean(1)[0] for state in (last, first)]
            pooled = model.pooler(last[0, 0] if model.pooling == "cls" else means[0])
            expected = (last[0, 0], pooled, means[0], means[0] + means[1])
        for (name, vectors), goal in zip(found.items(), expected, strict=True):
            np.testing.assert_allclose(vectors[number], F.normalize(goal, dim=-1), atol=1e-5, err_msg=name)
    assert not model.language.encoder.blocks[0]._forward_hooks


# --- variance evened out


def pooled(model: SimilarityModel, tokens: Tokenizer) -> np.ndarray:
    """The pooler's output before it is brought to unit length, a text at a time."""
    rows = []
    with torch.no_grad():
        for text in TEXTS:
            ids = torch.tensor([[tokens.cls, *tokens.ids([text])[0][:62], tokens.sep]])
            rows.append(model.pooler(model.language.encoder(ids, masks.padded(torch.ones_like(ids)))[0, 0]).numpy())
    return np.stack(rows).astype(np.float64)


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
def test_evening_out_is_a_power_of_the_covariance(tokens: Tokenizer, power: float) -> None:
    from scipy.linalg import fractional_matrix_power

    found = random_model(tokens, "roformer").eval()
    found.pooler.weight.data += 0.3 * torch.randn_like(found.pooler.weight)
    before = pooled(found, tokens)
    whitening.whiten_partially(found, tokens, TEXTS, power)
    after = pooled(found, tokens)

    variances, axes = np.linalg.eigh(np.cov(before.T))  # 8 texts span 7 of 24 dimensions: the others get the floor
    floored = (axes * np.maximum(variances, 1e-6 * variances.max())) @ axes.T
    root = fractional_matrix_power(floored, -power / 2).real
    root *= np.sqrt(variances.sum() / np.trace(root @ np.cov(before.T) @ root))
    mean = before.mean(0)
    expected = (before - mean) @ root + mean @ root * np.linalg.norm(mean) / np.linalg.norm(mean @ root)
    np.testing.assert_allclose(after, expected, atol=1e-3 * np.abs(expected).max())
    assert np.trace(np.cov(after.T)) == pytest.approx(np.trace(np.cov(before.T)), rel=1e-3)
    assert np.linalg.norm(after.mean(0)) == pytest.approx(np.linalg.norm(mean), rel=1e-3)


def test_whole_whitening_leaves_no_direction_above_another(tokens: Tokenizer) -> None:
    found = random_model(tokens, "roformer").eval()
    whitening.whiten_partially(found, tokens, TEXTS, 1.0)
    seen = np.sort(np.linalg.eigvalsh(np.cov(pooled(found, tokens).T)))[-(len(TEXTS) - 1) :]
    assert seen.max() / seen.min() < 1.01


@pytest.mark.parametrize("texts", [[], ["怎么退货"], ["怎么退货"] * 3])
def test_evening_out_needs_texts_that_differ(tokens: Tokenizer, texts: list[str]) -> None:
    found = random_model(tokens, "roformer")
    before = found.pooler.weight.clone()
    with pytest.raises(InputError, match=f"partial_whitening: expected vectors that differ, got {len(texts)} "):
        whitening.whiten_partially(found, tokens, texts, 0.5)
    assert torch.equal(found.pooler.weight, before)


def test_power_zero_changes_no_bit_and_others_are_refused(tokens: Tokenizer) -> None:
    found = random_model(tokens, "roformer")
    before = found.pooler.weight.clone()
    whitening.whiten_partially(found, tokens, TEXTS, 0.0)
    assert torch.equal(found.pooler.weight, before)
    with pytest.raises(InputError, match="partial_whitening: expected a power from 0 to 1, got 1.5"):
        whitening.whiten_partially(found, tokens, TEXTS, 1.5)
