"""Many sources at once against one at a time and against full passes; paraphrases."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rosphere.cli import app as command_line
from rosphere.cli import generate
from rosphere.encoder import masks
from rosphere.encoder.config import Kind
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.similarity import encoding, generation, likelihood, rewriting, sampling
from rosphere.similarity import folder as similarity
from rosphere.similarity.association import Table
from rosphere.similarity.edits import Edits
from rosphere.similarity.generation import paraphrases, paraphrases_of_each
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Groups
from rosphere.similarity.sampling import sample
from rosphere.text import ngrams
from rosphere.text.mixture import Mixture
from rosphere.text.nucleus import nucleus
from rosphere.text.tokenizer import SPECIALS, UNUSED, Tokenizer
from tests import tiny

TEXT = "今天天气很好"
TEXTS = [TEXT, "好", "明天不错吗", "今天很好很好很好很好", "明天", "天气不错", "今天好吗"]
KINDS: list[Kind] = ["roformer", "roformer_v2", "bert"]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS)


def model(tokens: Tokenizer, kind: Kind = "roformer", *, ending: float = 0.0, positions: int = 64) -> SimilarityModel:
    """Random weights (of a seed whose greedy sentences have many lengths); ``ending`` is added to [SEP]'s logit."""
    shape = tiny.language(len(tokens), model_type=kind, max_position_embeddings=positions)
    found = SimilarityModel(shape)
    torch.manual_seed(10)
    for parameter in found.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.4)
    if ending:
        assert found.language.bias is not None
        found.language.bias.data[tokens.sep] += ending
    return found.eval()


# --- sampling


def full_pass(language: MaskedLanguageModel, tokens: Tokenizer, source: Sequence[int], target: Sequence[int]) -> Tensor:
    """Logits [V] of the next token, from one pass over everything under UniLM's mask; what is never written is -inf."""
    ids = torch.tensor([[tokens.cls, *source, tokens.sep, *target]])
    segments = (torch.arange(ids.shape[1]) >= len(source) + 2).long()[None]
    with torch.no_grad():
        logits = language(ids, masks.seq2seq(segments, torch.ones_like(ids)), segments)[0, -1]
    logits[[tokens.identity(token) for token in (*SPECIALS, *UNUSED) if token != "[SEP]"]] = -torch.inf
    return logits


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_gives_the_logits_of_full_passes(
    tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """Sources of several lengths in one batch; no row ends."""
    language, sources, steps = model(tokens, kind).language, tokens.ids(TEXTS), []

    def watched(logits: Tensor, top_p: float, uniform: Any) -> Tensor:
        logits[:, tokens.sep] -= 50.0
        token = nucleus(logits, top_p, uniform)
        steps.append((logits, token))
        return token

    monkeypatch.setattr(sampling, "nucleus", watched)
    assert sample(language, tokens, sources, count=2, max_length=7, top_p=0.95, seed=0) == [[]] * len(sources)
    assert len(steps) == 7
    shortest_first = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    for row, number in enumerate(number for number in shortest_first for _ in range(2)):
        written: list[int] = []
        for logits, token in steps:
            expected = full_pass(language, tokens, sources[number], written)
            expected[tokens.sep] -= 50.0
            torch.testing.assert_close(logits[row], expected, rtol=0, atol=1e-4)
            written.append(int(token[row]))
    assert len({tuple(int(token[row]) for _, token in steps) for row in range(len(steps[0][1]))}) > len(sources)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_is_a_loop_of_full_passes(tokens: Tokenizer, kind: Kind) -> None:
    language = model(tokens, kind).language
    generator = np.random.default_rng(0)
    sources = [generator.integers(15, len(tokens), length % 9).tolist() for length in range(60)]
    found = sample(language, tokens, sources, count=1, max_length=12, top_p=0.0, seed=0)
    expected: list[list[list[int]]] = []
    for source in sources:
        written: list[int] = []
        while tokens.sep not in written and len(written) < 12:
            written.append(int(full_pass(language, tokens, source, written).argmax()))
        expected.append([written[:-1]] if tokens.sep in written else [])
    assert found == expected
    assert [] in expected and len({len(rows[0]) for rows in expected if rows}) > 5


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_many_sources_at_once_are_as_one_at_a_time(data: st.DataObject, tokens: Tokenizer, kind: Kind) -> None:
    source = st.lists(st.integers(15, len(tokens) - 1), max_size=12)
    sources = data.draw(st.lists(source, min_size=1, max_size=6))
    room, seed = data.draw(st.sampled_from([1, 60, 150, 8192])), data.draw(st.integers(0, 99))
    draw = partial(sample, model(tokens, kind).language, tokens, max_length=9, top_p=0.9, seed=seed)
    alone = [draw([source], count=4)[0] for source in sources]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "TOKENS_A_BATCH", room)
        assert draw(sources, count=4) == alone
        assert draw(sources[::-1], count=4) == alone[::-1]
    more = draw(sources, count=7)
    assert all(rows == longer[: len(rows)] for rows, longer in zip(alone, more, strict=True))


def test_leaving_ended_rows_out_changes_no_other(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    language, sources, rows = model(tokens, ending=2.0).language, tokens.ids(TEXTS), []

    def watched(logits: Tensor, top_p: float, uniform: Any) -> Tensor:
        rows.append(len(logits))
        return nucleus(logits, top_p, uniform)

    monkeypatch.setattr(sampling, "nucleus", watched)
    draw = partial(sample, language, tokens, sources, count=6, max_length=12, top_p=0.95, seed=0)
    usual, usual_rows = draw(), list(rows)
    for share, expected in ((2.0, {42}), (0.0, None)):
        rows.clear()
        monkeypatch.setattr(sampling, "ENDED_ROWS", share)
        assert draw() == usual
        assert expected is None or set(rows) == expected
    assert all(kept <= carried for kept, carried in zip(rows, usual_rows, strict=False))
    assert len(set(usual_rows)) > 2 and len({len(ids) for found in usual for ids in found}) > 2


@pytest.mark.parametrize("room", [30, 100, 1000])
def test_a_batch_stays_within_its_tokens(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """One source's samples are shared out over batches if there are too many."""
    language, most = model(tokens).language, []
    forward = language.encoder.forward

    def watched(ids: Tensor, mask: Any, segments: Any, cache: Any, positions: Any) -> Tensor:
        hidden: Tensor = forward(ids, mask, segments, cache, positions)
        most.append(cache[0][0].shape[0] * cache[0][0].shape[2])
        return hidden

    monkeypatch.setattr(language.encoder, "forward", watched)
    monkeypatch.setattr(sampling, "TOKENS_A_BATCH", room)
    sample(language, tokens, tokens.ids(TEXTS), count=9, max_length=8, top_p=0.9, seed=0)
    assert room / 4 < max(most) <= room


def test_continuations_end_at_sep_and_unfinished_ones_are_dropped(
    tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, end = 15, 16, tokens.sep
    script = iter([torch.tensor([a, end, a]), torch.tensor([end, b]), torch.tensor([b])])
    monkeypatch.setattr(sampling, "nucleus", lambda *_: next(script))
    assert sample(model(tokens).language, tokens, [[a]], count=3, max_length=3, top_p=0.9, seed=0) == [[[a], []]]


def test_sampling_ends_when_all_have_ended(tokens: Tokenizer) -> None:
    language = model(tokens, ending=1e4).language
    assert sample(language, tokens, [[15], []], count=4, max_length=400, top_p=0.9, seed=0) == [[[]] * 4] * 2


def test_no_sources_no_samples(tokens: Tokenizer) -> None:
    assert sample(model(tokens).language, tokens, [], count=4, max_length=8, top_p=0.9, seed=0) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_can_be_trained_after_it_has_written(tokens: Tokenizer, kind: Kind) -> None:
    """Nothing that was made in inference mode may stay in it."""
    encoder = model(tokens, kind)
    paraphrases(encoder, tokens, TEXT, samples=3, max_length=8)
    encoding.encode(encoder, tokens, TEXTS)
    encoder.train().language(torch.tensor([tokens.ids([TEXT])[0]])).sum().backward()
    assert all(block.attention.qkv.weight.grad.abs().max() > 0 for block in encoder.language.encoder.blocks)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"top_p": 1.5}, "top_p: expected a probability, 0 to 1, got 1.5"),
        ({"top_p": float("nan")}, "top_p: expected a probability, 0 to 1, got nan"),
        ({"max_length": 0}, "max_length: expected 1 token or more, got 0"),
        ({"count": 0}, "samples: expected 1 or more, got 0"),
        ({"max_length": 59}, "max_length 59: text and paraphrase need 65 positions; this model has 64"),
    ],
)
def test_refuses_what_cannot_be_sampled(tokens: Tokenizer, settings_: dict[str, Any], message: str) -> None:
    wanted = {"count": 1, "max_length": 8, "top_p": 0.9, "seed": 0} | settings_
    with pytest.raises(InputError, match=message):
        sample(model(tokens, "bert").language, tokens, [[15] * 5, [15]], **wanted)


def test_bert_writes_up_to_its_last_position(tokens: Tokenizer) -> None:
    language = model(tokens, "bert", ending=-50.0).language
    assert sample(language, tokens, [[15] * 5], count=2, max_length=58, top_p=0.9, seed=0) == [[]]


# --- paraphrases


def test_paraphrases_are_distinct_other_sentences_best_first(tokens: Tokenizer) -> None:
    encoder = model(tokens)
    found = paraphrases(encoder, tokens, TEXT, samples=40, keep=12, max_length=12, seed=1)
    texts = [text for text, _ in found]
    assert len(set(texts)) == len(texts) == 12
    assert TEXT not in texts and "" not in texts
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    vectors = encoding.encode(encoder, tokens, [TEXT, *texts])
    assert scores == pytest.approx((vectors[1:] @ vectors[0]).tolist(), abs=1e-5)


def test_paraphrases_depend_on_the_seed_alone(tokens: Tokenizer) -> None:
    encoder = model(tokens)
    one = paraphrases(encoder, tokens, TEXT, samples=10, max_length=12, seed=1)
    torch.manual_seed(99)
    assert paraphrases(encoder.train(), tokens, TEXT, samples=10, max_length=12, seed=1) == one
    assert paraphrases(encoder, tokens, TEXT, samples=10, max_length=12, seed=2) != one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [12, 8192])
def test_texts_get_the_same_paraphrases_together_and_alone(
    tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch, kind: Kind, room: int
) -> None:
    encoder, seen = model(tokens, kind), []
    write = {"samples": 12, "keep": 4, "max_length": 12, "seed": 5}
    alone = [paraphrases(encoder, tokens, text, **write) for text in TEXTS]
    monkeypatch.setattr(generation, "SENTENCES_A_RANKING", room)
    for texts, expected in ((TEXTS, alone), (TEXTS[::-1], alone[::-1])):
        found = paraphrases_of_each(encoder, tokens, texts, **write, progress=lambda *done: seen.append(done))
        assert [[text for text, _ in ranked] for ranked in found] == [[text for text, _ in own] for own in expected]
        for ranked, own in zip(found, expected, strict=True):
            assert [score for _, score in ranked] == pytest.approx([score for _, score in own], abs=1e-5)
    assert seen[-1] == (len(TEXTS), len(TEXTS)) and len(seen) == (14 if room == 12 else 2)
    assert len({text for ranked in alone for text, _ in ranked}) > len(TEXTS)


def test_no_texts_no_paraphrases(tokens: Tokenizer) -> None:
    assert paraphrases_of_each(model(tokens), tokens, []) == []


def test_the_input_itself_is_never_a_paraphrase(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input in other writing, itself twice, an empty one and one other sentence, which comes twice."""
    other = tokens.ids(["明天不错"])[0]
    rows = [tokens.ids([TEXT])[0], tokens.ids([TEXT])[0], [], other, other]
    monkeypatch.setattr(generation, "sample", lambda *_, **__: [rows])
    assert [text for text, _ in paraphrases(model(tokens), tokens, "今天 天气很好 ")] == ["明天不错"]
    monkeypatch.setattr(generation, "sample", lambda *_, **__: [rows[:3]])
    assert paraphrases(model(tokens), tokens, TEXT) == []


def test_masked_places_are_hidden_from_the_writer_not_from_the_ranking(
    tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, sources = tokens.ids([TEXT])[0], []

    def watched(*arguments: Any, **_: Any) -> list[list[list[int]]]:
        sources.append(arguments[2])
        return [[source, tokens.ids(["明天"])[0]]]

    monkeypatch.setattr(generation, "sample", watched)
    found = paraphrases(model(tokens), tokens, TEXT, mask=[0, 5])
    assert sources == [[[tokens.mask, *source[1:5], tokens.mask]]]
    vectors = encoding.encode(model(tokens), tokens, [TEXT, "明天"])
    assert found == [("明天", pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5))]
    with pytest.raises(InputError, match="mask: expected places below 6, the tokens of the text, got 6"):
        paraphrases(model(tokens), tokens, TEXT, mask=[6])


# --- edits


def editing(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> SimilarityModel:
    """今天 may be put for 明天; everything is as likely as the source, and what is written freely is 不错."""
    found = model(tokens)
    one, other = (tuple(tokens.ids([text])[0]) for text in ("明天", "今天"))
    table = Table(alternatives={one: [(other, 9.0)]})
    found.edits = Edits(
        phrases=table, frames=Table(alternatives={}), known=(frozenset(), frozenset()), stops=frozenset()
    )
    text = [np.array(ids, np.int64) for ids in tokens.ids(TEXTS)]
    counts = ngrams.fit(text, order=2, vocabulary=len(tokens), begin=tokens.cls, end=tokens.sep)
    found.counts = Mixture(parts=[counts], shares=[1.0])
    monkeypatch.setattr(rewriting, "log_likelihoods", lambda *arguments: np.zeros(len(arguments[3])))
    free = tokens.ids(["不错"])[0]
    monkeypatch.setattr(generation, "sample", lambda *arguments, **_: [[free] for _ in arguments[2]])
    return found


def test_what_an_edit_fits_is_edited_and_the_rest_gets_nothing(
    tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = editing(tokens, monkeypatch)
    texts = ["明天 RED 吗", "天气好"]
    seen: list[tuple[int, int]] = []
    found = paraphrases_of_each(encoder, tokens, texts, progress=lambda *done: seen.append(done))
    assert [[text for text, _ in ranked] for ranked in found] == [["今天 RED 吗"], []]
    assert seen == [(1, 2), (2, 2)]
    vectors = encoding.encode(encoder, tokens, ["明天 RED 吗", "今天 RED 吗"])
    assert found[0][0][1] == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
    freely = paraphrases_of_each(encoder, tokens, texts, edits=False)
    assert [[text for text, _ in ranked] for ranked in freely] == [["不错"], ["不错"]]
    assert [text for text, _ in paraphrases(encoder, tokens, texts[0], mask=[0])] == ["不错"]


def test_an_edit_that_makes_a_sentence_much_less_likely_is_none(
    tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = editing(tokens, monkeypatch)
    monkeypatch.setattr(rewriting, "log_likelihoods", lambda *arguments: np.array([0.0, -40.0]))
    assert paraphrases(encoder, tokens, "明天好") == []


def test_edits_are_learnt_of_groups_and_a_corpus(tokens: Tokenizer, tmp_path: Path) -> None:
    """天气 stands for 今天 in eight groups, in like places."""
    rows = [
        {"text": f"{a}今天{b}", "synonyms": [f"{a}天气{b}"]}
        for a, b in zip("不错明好很吗天气", "很好吗不错天明不", strict=True)
    ]
    rows += [{"text": "好", "synonyms": ["吗"]}] * 8
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "train.jsonl").write_text(lines, encoding="utf-8")
    groups = Groups(tmp_path / "train.jsonl", tokens, max_length=9)
    corpus = tiny.shards(tiny.documents((6,), len(tokens)), tmp_path / "corpus", len(tokens))
    found = rewriting.learnt(groups, corpus, tokens).phrases.alternatives
    one, other = (tuple(tokens.ids([text])[0]) for text in ("今天", "天气"))
    assert other in [ids for ids, _ in found[one]]


def test_likelihoods_are_those_of_single_passes(tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, source = model(tokens), tokens.ids([TEXT])[0]
    targets = [*tokens.ids(["明天", "好", "今天不错吗"]), []]
    monkeypatch.setattr(likelihood, "ROWS_AT_ONCE", 2)
    found = likelihood.log_likelihoods(encoder, tokens, source, targets[:3])
    for target, value in zip(targets, found, strict=False):
        wanted = 0.0
        for place, token in enumerate([*target, tokens.sep]):
            ids = torch.tensor([[tokens.cls, *source, tokens.sep, *target[:place]]])
            segments = (torch.arange(ids.shape[1]) >= len(source) + 2).long()[None]
            with torch.no_grad():
                logits = encoder.language(ids, masks.seq2seq(segments, torch.ones_like(ids)), segments)[0, -1]
            wanted += float(logits.log_softmax(-1)[token])
        assert value == pytest.approx(wanted, abs=1e-4)
    assert likelihood.log_likelihoods(encoder, tokens, source, []).shape == (0,)


# --- command line


@pytest.fixture(scope="module")
def folder(tokens: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("model")
    similarity.save(model(tokens), found, tokenizer=tokens.folder)
    return found


def generated(folder: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    small = ("--samples", "8", "--count", "2", "--max-length", "12")
    command_line.main(["generate", *arguments, "--model", str(folder), *small])
    return capsys.readouterr().out


def test_the_command_line_writes_lines_or_json(
    folder: Path,
    tokens: Tokenizer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = similarity.load(folder)
    expected = {text: paraphrases(encoder, tokens, text, samples=8, keep=2, max_length=12) for text in TEXTS}
    plain = {text: "".join(f"{score:.4f}\t{found}\n" for found, score in ranked) for text, ranked in expected.items()}
    assert generated(folder, TEXT, capsys=capsys) == plain[TEXT] != ""
    (tmp_path / "texts").write_text("\ufeff" + "\r\n \r\n".join(TEXTS[1:]) + "\n\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "texts").read_bytes())))
    for file in (str(tmp_path / "texts"), "-"):
        found = generated(folder, TEXT, "--file", file, capsys=capsys)
        assert found == "".join(f"{text}\n{plain[text]}\n" for text in TEXTS)
    monkeypatch.setattr(generate, "TEXTS_AT_ONCE", 3)
    rows = [json.loads(line) for line in generated(folder, "--json", *TEXTS, capsys=capsys).splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["synonyms"] for row in rows] == [[text for text, _ in expected[text]] for text in TEXTS]
    assert rows[0]["cosines"] == pytest.approx([score for _, score in expected[TEXT]], abs=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a text a line, got none"),
        (b"\n \r\n\n", "expected a text a line, got none"),
        (b"a\n\xff\n", r":2: not UTF-8 \(byte 0 of the line\)"),
    ],
)
def test_refuses_a_bad_line_by_file_and_number(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for file in (str(path), "-"):
        with pytest.raises(SystemExit, match=f"^error: {file}.*{message}"):
            command_line.main(["generate", "--file", file, "--model", str(folder)])


def test_a_model_that_is_not_there_is_told_with_those_that_are(folder: Path, tmp_path: Path) -> None:
    missing = folder.with_name("no_model")
    with pytest.raises(SystemExit, match=f"^error: {missing}: no such folder; models there: .*{folder.name}"):
        command_line.main(["generate", TEXT, "--model", str(missing)])
    with pytest.raises(SystemExit, match="models there: none yet, the pipeline makes them"):
        command_line.main(["similar", TEXT, TEXT, "--model", str(tmp_path / "models" / "roformer_sim")])


def test_refuses_to_generate_from_nothing(folder: Path) -> None:
    with pytest.raises(SystemExit, match="generate: expected texts, as arguments or by --file"):
        command_line.main(["generate", "--model", str(folder)])
