"""Nucleus sampling inside its nucleus, the cache against full passes, paraphrases of their own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rosphere import generation, similarity
from rosphere.encoder import masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.generation import nucleus, paraphrases, sample
from rosphere.similarity import SimilarityModel
from rosphere.text import tokenizer
from rosphere.text.tokenizer import SPECIALS, UNUSED, Tokenizer

TEXT = "今天天气很好"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(tokenizer.train([TEXT, "明天不错吗"], size=200, minimum=1), folder)
    return Tokenizer(folder)


def model(tokens: Tokenizer, *, ending: float = 0.0) -> SimilarityModel:
    """Random weights; ``ending`` is added to the logit of [SEP]."""
    torch.manual_seed(0)
    found = SimilarityModel(
        MaskedLanguageModel(
            EncoderConfig(
                vocab_size=len(tokens),
                embedding_size=12,
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=3,
                intermediate_size=40,
            )
        )
    )
    for parameter in found.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    found.language.bias.data[tokens.sep] += ending
    return found.eval()


def drawn(logits: Tensor, top_p: float, count: int, seed: int = 0) -> Tensor:
    return nucleus(logits.expand(count, -1), top_p, torch.Generator().manual_seed(seed))


# --- nucleus


@settings(deadline=None)
@given(
    logits=st.lists(st.floats(-8, 8), min_size=1, max_size=12),
    top_p=st.floats(0.01, 1.0),
    seed=st.integers(0, 10**6),
)
def test_nothing_is_drawn_outside_the_smallest_set(logits: list[float], top_p: float, seed: int) -> None:
    probabilities = torch.tensor(logits, dtype=torch.float64).softmax(-1)
    found = drawn(torch.tensor([logits]), top_p, 64, seed).tolist()
    for token in set(found):
        before = float(probabilities[probabilities > probabilities[token] + 1e-6].sum())
        assert before < top_p + 1e-5


def test_the_set_reaches_top_p_and_its_shares_are_kept() -> None:
    """0.5, 0.3, 0.15, 0.05 at 0.6: the first two, as 5 to 3."""
    logits = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log()
    counts = drawn(logits, 0.6, 8000).bincount(minlength=4).tolist()
    assert counts[0] == counts[2] == 0
    assert abs(counts[1] / 8000 - 5 / 8) < 5 * (15 / 64 / 8000) ** 0.5
    assert (drawn(logits, 1.0, 8000).bincount(minlength=4) > 0).all()


@pytest.mark.parametrize("top_p", [0.0, 0.01, 0.5])
def test_a_small_top_p_is_greedy(top_p: float) -> None:
    assert set(drawn(torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log(), top_p, 50).tolist()) == {1}


def test_rows_are_drawn_apart() -> None:
    logits = torch.full((3, 5), -torch.inf)
    logits[0, 4] = logits[1, 0] = logits[2, 2] = 0.0
    assert nucleus(logits, 0.9, torch.Generator().manual_seed(0)).tolist() == [4, 0, 2]


# --- sampling


def test_the_cache_gives_the_logits_of_full_passes(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    language, source, steps = model(tokens, ending=-50.0).language, tokens.ids([TEXT])[0], []

    def watched(logits: Tensor, top_p: float, generator: torch.Generator) -> Tensor:
        token = nucleus(logits, top_p, generator)
        steps.append((logits, token))
        return token

    monkeypatch.setattr(generation, "nucleus", watched)
    sample(language, tokens, source, count=6, longest=9, top_p=0.95, generator=torch.Generator().manual_seed(0))
    assert len(steps) == 9
    banned = [tokens.identity(token) for token in (*SPECIALS, *UNUSED) if token != "[SEP]"]
    prefix = torch.tensor([[tokens.cls, *source, tokens.sep]]).expand(6, -1)
    for logits, token in steps:
        segments = (torch.arange(prefix.shape[1]) >= len(source) + 2).long().expand(6, -1)
        with torch.no_grad():
            whole = language(prefix, masks.seq2seq(segments, torch.ones_like(prefix)), segments)[:, -1]
        assert torch.isneginf(logits[:, banned]).all()
        kept = [number for number in range(len(tokens)) if number not in banned]
        torch.testing.assert_close(logits[:, kept], whole[:, kept], rtol=0, atol=1e-4)
        prefix = torch.cat((prefix, token[:, None]), dim=1)
    assert len({tuple(row) for row in prefix.tolist()}) > 1


def test_continuations_end_at_sep_and_unfinished_ones_are_dropped(
    tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, end = 15, 16, tokens.sep
    script = iter(torch.tensor([[a, end, a], [end, a, b], [b, b, a]]))
    monkeypatch.setattr(generation, "nucleus", lambda *_: next(script))
    found = sample(model(tokens).language, tokens, [a], count=3, longest=3, top_p=0.9, generator=torch.Generator())
    assert found == [[a], []]


def test_sampling_ends_when_all_have_ended(tokens: Tokenizer) -> None:
    found = sample(
        model(tokens, ending=1e4).language,
        tokens,
        [15],
        count=4,
        longest=10**9,
        top_p=0.9,
        generator=torch.Generator(),
    )
    assert found == [[]] * 4


# --- paraphrases


def test_paraphrases_are_distinct_other_sentences_best_first(tokens: Tokenizer) -> None:
    encoder = model(tokens)
    found = paraphrases(encoder, tokens, TEXT, samples=40, keep=12, longest=12, seed=1)
    texts = [text for text, _ in found]
    assert len(set(texts)) == len(texts) == 12
    assert TEXT not in texts and "" not in texts
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    vectors = similarity.encode(encoder, tokens, [TEXT, *texts])
    assert scores == pytest.approx((vectors[1:] @ vectors[0]).tolist(), abs=1e-5)


def test_paraphrases_depend_on_the_seed_alone(tokens: Tokenizer) -> None:
    encoder = model(tokens)
    one = paraphrases(encoder, tokens, TEXT, samples=10, longest=12, seed=1)
    torch.manual_seed(99)
    assert paraphrases(encoder.train(), tokens, TEXT, samples=10, longest=12, seed=1) == one
    assert paraphrases(encoder, tokens, TEXT, samples=10, longest=12, seed=2) != one


def test_the_input_itself_is_never_a_paraphrase(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input in other writing, itself twice, an empty one and one other sentence, which comes twice."""
    other = tokens.ids(["明天不错"])[0]
    rows = [tokens.ids([TEXT])[0], tokens.ids([TEXT])[0], [], other, other]
    monkeypatch.setattr(generation, "sample", lambda *_, **__: rows)
    assert [text for text, _ in paraphrases(model(tokens), tokens, "今天 天气很好 ")] == ["明天不错"]
    monkeypatch.setattr(generation, "sample", lambda *_, **__: rows[:3])
    assert paraphrases(model(tokens), tokens, TEXT) == []
