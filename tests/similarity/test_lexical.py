"""The lexical half: a loop, what it is fitted to, and sentence-transformers reading it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rosphere.cli import models, widen
from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity import encoding, lexical
from rosphere.similarity import folder as similarity
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.model import SimilarityModel
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

TEXTS = ["今天天气不错", "今天天气很好", "我喜欢北京", "怎么办理信用卡？", "卡", "推荐一辆 red 车", "电影" * 40, "𠀀𠀁"]
WIDTH, SHARE = 24, 0.4


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS[:-1])


@pytest.fixture(scope="module")
def sentences(tokens: Tokenizer) -> list[np.ndarray]:
    return [np.array(ids, np.int64) for ids in tokens.ids(TEXTS)]


def fitted(tokens: Tokenizer, sentences: list[np.ndarray], seed: int = 3) -> Lexical:
    specials = (tokens.pad, tokens.cls, tokens.sep, tokens.mask, tokens.unk)
    return lexical.fitted(sentences, vocabulary=len(tokens), width=WIDTH, share=SHARE, specials=specials, seed=seed)


def in_a_loop(half: Lexical, ids: np.ndarray) -> np.ndarray:
    weight = half.weight_V.double().numpy()
    found = sum((weight[t] * half.table_VH[t].double().numpy() for t in ids), np.zeros(half.table_VH.shape[1]))
    whole = sum(weight[t] for t in ids)
    return found / np.sqrt(whole) if whole else found


def test_it_is_the_weighted_sum_by_the_root_of_weights(tokens: Tokenizer, sentences: list[np.ndarray]) -> None:
    half = fitted(tokens, sentences)
    for ids in sentences:
        row = torch.tensor([[tokens.cls, *ids, tokens.sep, tokens.pad]])
        keep = torch.tensor([[1.0] * (len(ids) + 2) + [0.0]])
        np.testing.assert_allclose(half(row, keep)[0].numpy(), in_a_loop(half, ids), atol=1e-5)


def test_weights_are_rarity_and_special_tokens_weigh_nothing(tokens: Tokenizer, sentences: list[np.ndarray]) -> None:
    half = fitted(tokens, sentences)
    n = len(TEXTS)
    for character, count in (("天", 2), ("卡", 2), ("车", 1), ("影", 1)):
        wanted = np.log((n + 1) / (count + 1)) + 1
        assert float(half.weight_V[tokens.identity(character)]) == pytest.approx(wanted)
    assert not half.weight_V[[tokens.pad, tokens.cls, tokens.sep, tokens.mask, tokens.unk]].any()


def test_sentences_have_no_mean_and_a_mean_square_length_of_one(tokens: Tokenizer) -> None:
    generator = np.random.default_rng(0)
    sentences = [generator.integers(tiny.FIRST, len(tokens), generator.integers(3, 9)) for _ in range(400)]
    half = fitted(tokens, sentences)
    weight = half.weight_V.double().numpy()
    rows = np.stack([in_a_loop(half, ids) for ids in sentences])
    sums = np.array([weight[ids].sum() for ids in sentences])
    np.testing.assert_allclose(np.sqrt(sums) @ rows / sums.sum(), 0, atol=1e-6)
    assert np.square(rows).sum(1).mean() == pytest.approx(1, abs=1e-5)


def test_half_whitening_leaves_the_roots_of_variances(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    sentences = [generator.integers(tiny.FIRST, len(tokens), 6) for _ in range(400)]

    def variances(power: float) -> np.ndarray:
        monkeypatch.setattr(lexical, "POWER", power)
        half = fitted(tokens, sentences)
        found = np.linalg.eigvalsh(np.cov(np.stack([in_a_loop(half, ids) for ids in sentences]).T))
        kept: np.ndarray = found[found > 1e-6 * found.max()]
        return kept

    plain, half = variances(0.0), variances(0.5)
    np.testing.assert_allclose(half / half.sum(), np.sqrt(plain) / np.sqrt(plain).sum(), rtol=1e-3)


def test_vectors_are_by_the_seed(tokens: Tokenizer, sentences: list[np.ndarray]) -> None:
    one, same, other = (fitted(tokens, sentences, seed).table_VH for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_refuses_a_share_that_leaves_one_half_out(share: float) -> None:
    with pytest.raises(InputError, match="lexical: expected a share between 0 and 1"):
        Lexical(torch.zeros(3, 2), torch.zeros(3), share)


def test_refuses_sentences_that_say_nothing(tokens: Tokenizer) -> None:
    unknown = [np.array([tokens.unk])] * 3
    with pytest.raises(InputError, match="got 0 of 3"):
        fitted(tokens, unknown)


def test_random_means_are_those_of_a_loop() -> None:
    rows = [[1, 2, 2], [0], []]
    found = lexical.random_means(rows, vocabulary=3, width=5, seed=1)
    again = lexical.random_means([[0], [1], [2]], vocabulary=3, width=5, seed=1)
    table = stream(1, Stream.LEXICAL).standard_normal((3, 5)).astype(np.float32)
    np.testing.assert_allclose(again, table / np.linalg.norm(table, axis=1, keepdims=True), rtol=1e-5)
    mean = table[[1, 2, 2]].mean(0)
    np.testing.assert_allclose(found[0], mean / np.linalg.norm(mean), rtol=1e-5)
    assert not found[2].any()


# --- beside an encoder


@pytest.fixture(scope="module")
def model(tokens: Tokenizer, sentences: list[np.ndarray]) -> SimilarityModel:
    found = tiny.shaken(SimilarityModel(tiny.language(len(tokens)), "mean"))
    found.lexical = fitted(tokens, sentences)
    return found


def test_cosines_are_the_weighted_means_of_both(model: SimilarityModel, tokens: Tokenizer) -> None:
    whole = encoding.encode(model, tokens, TEXTS[:2])
    assert model.lexical is not None
    rows = [in_a_loop(model.lexical, np.array(ids)) for ids in tokens.ids(TEXTS[:2])]
    half, model.lexical = model.lexical, None
    semantic = encoding.encode(model, tokens, TEXTS[:2])
    model.lexical = half
    lengths = [np.sqrt(1 - SHARE + SHARE * (row**2).sum()) for row in rows]
    wanted = ((1 - SHARE) * semantic[0] @ semantic[1] + SHARE * rows[0] @ rows[1]) / np.prod(lengths)
    assert whole.shape == (2, 2 * WIDTH)
    assert whole[0] @ whole[1] == pytest.approx(wanted, abs=1e-5)


@pytest.fixture(scope="module")
def folder(model: SimilarityModel, tokens: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("folder")
    similarity.save(model, found, tokenizer=tokens.folder)
    return found


def test_a_folder_comes_back_whole(model: SimilarityModel, folder: Path, tokens: Tokenizer) -> None:
    again = similarity.load(folder).eval()
    assert again.lexical is not None
    assert again.lexical.share == pytest.approx(SHARE, abs=1e-6)
    found = encoding.encode(again, Tokenizer(folder), TEXTS)
    np.testing.assert_allclose(found, encoding.encode(model, tokens, TEXTS), atol=1e-6)


def test_sentence_transformers_gives_the_same_vectors(
    model: SimilarityModel, folder: Path, tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    theirs = sentence_transformers.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    found = theirs.encode(TEXTS, batch_size=3)
    np.testing.assert_allclose(found, encoding.encode(model, tokens, TEXTS), atol=1e-5)


def test_all_modules_are_named_and_there(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    assert [each["idx"] for each in modules] == list(range(9))
    assert all((folder / each["path"]).is_dir() for each in modules)


def test_a_tokenizer_with_other_tokens_than_the_lexical_half_is_refused(
    tokens: Tokenizer, sentences: list[np.ndarray], tmp_path: Path
) -> None:
    """Also where the encoder has rows enough for them."""
    model = SimilarityModel(tiny.language(len(tokens) + 1, hidden_size=WIDTH, num_attention_heads=2), "mean")
    model.lexical = fitted(tokens, sentences)
    similarity.save(model, tmp_path / "model", tokenizer=tokens.folder)
    settings = tmp_path / "model" / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "pad_token": "32"}))
    message = f"{len(tokens)} token vectors for {len(tokens) + 1} tokens"
    with pytest.raises(InputError, match=message):
        models.sentence_encoder(tmp_path / "model")
    with pytest.raises(InputError, match=message):
        widen.widen(tmp_path / "model", tmp_path / "wide", width=48)
