"""Rows of similar pairs: what is source, what is target, and what the noise may touch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rosphere.errors import InputError
from rosphere.similarity import pairs
from rosphere.similarity.pairs import Batch, Groups
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

SENTENCES = [["怎么退货", "如何退货", "退货流程是什么"], ["开发票", "怎么开发票"], ["北京大学", "北大"]]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), [text for group in SENTENCES for text in group])


def made(path: Path, pieces: Tokenizer, max_length: int = 32) -> Groups:
    rows = [{"text": g[0], "synonyms": g[1:], "family": f"f{n}"} for n, g in enumerate(SENTENCES)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return Groups(path, pieces, max_length=max_length)


@pytest.fixture
def groups(tmp_path: Path, pieces: Tokenizer) -> Groups:
    return made(tmp_path / "groups.jsonl", pieces)


def training(groups: Groups, step: int, *, noise: float = 0.0, seed: int = 1, size: int = 2) -> Batch:
    return pairs.training_batch(groups, step, batch_size=size, noise=noise, rate=0.5, seed=seed)


def assembled(groups: Groups, rows: list[tuple[int, int]], **drawn: Any) -> Batch:
    return pairs.assemble(pairs.written_rows(groups, rows, **drawn), groups.tokenizer)


def test_groups_as_they_stand_in_the_file(groups: Groups, pieces: Tokenizer) -> None:
    assert len(groups) == 3
    assert groups.texts == [text for group in SENTENCES for text in group]
    assert groups.members == [[0, 1, 2], [3, 4], [5, 6]]
    assert groups.families == ["f0", "f1", "f2"]
    assert groups.group_of.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert [ids.tolist() for ids, _ in groups.tokens] == pieces.ids(groups.texts)


def test_long_sentences_are_cut(tmp_path: Path, pieces: Tokenizer) -> None:
    cut = made(tmp_path / "groups.jsonl", pieces, max_length=3)
    assert [ids.tolist() for ids, _ in cut.tokens] == [ids[:3] for ids in pieces.ids(cut.texts)]
    assert max(len(starts) for _, starts in cut.tokens) == 3
    assert cut.cut == sum(len(ids) > 3 for ids in pieces.ids(cut.texts)) > 0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", r"groups\.jsonl: expected groups of similar sentences, the file is empty"),
        ('{"synonyms": ["甲"]}\n', r"groups\.jsonl:1: expected text under 'text', got nothing"),
    ],
)
def test_bad_group_files_are_refused(tmp_path: Path, pieces: Tokenizer, content: str, complaint: str) -> None:
    path = tmp_path / "groups.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        Groups(path, pieces, max_length=8)


def test_assembled_rows_literally(groups: Groups, pieces: Tokenizer) -> None:
    batch = assembled(groups, [(3, 4), (6, 5)], noise=0.0, rate=0.5, generator=np.random.default_rng(0))
    t = {char: pieces.identity(char) for char in "开发票怎么北大京学"}
    c, s, p = pieces.cls, pieces.sep, pieces.pad
    assert batch.ids_NL.tolist() == [
        [c, t["开"], t["发"], t["票"], s, t["怎"], t["么"], t["开"], t["发"], t["票"], s],
        [c, t["北"], t["大"], s, t["北"], t["京"], t["大"], t["学"], s, p, p],
    ]
    assert batch.segments_NL.tolist() == [[0] * 5 + [1] * 6, [0] * 4 + [1] * 7]
    assert batch.keep_NL.tolist() == [[1] * 11, [1] * 9 + [0] * 2]
    assert batch.sentence_N.tolist() == [3, 6]
    # From the [SEP] of the source to the token before the last: every target token and its end is predicted once.
    assert batch.targets.tolist() == [[False] * 4 + [True] * 6, [False] * 3 + [True] * 5 + [False] * 2]


def test_rows_come_in_both_directions(groups: Groups) -> None:
    batch = training(groups, 7, size=3)
    assert len(batch.ids_NL) == 6
    of = groups.group_of[batch.sentence_N]
    assert (of[0::2] == of[1::2]).all(), "rows 2i and 2i + 1 are one pair"
    assert sorted(of[0::2].tolist()) == [0, 1, 2], "different groups"
    assert (batch.sentence_N[0::2] != batch.sentence_N[1::2]).all()
    for one, other, forth, back in zip(
        batch.sentence_N[0::2], batch.sentence_N[1::2], batch.ids_NL[0::2], batch.ids_NL[1::2], strict=True
    ):
        first, second = groups.tokens[int(one)][0].tolist(), groups.tokens[int(other)][0].tolist()
        t = groups.tokenizer
        width = len(first) + len(second) + 3
        assert forth[:width].tolist() == [t.cls, *first, t.sep, *second, t.sep]
        assert back[:width].tolist() == [t.cls, *second, t.sep, *first, t.sep]


def test_a_batch_depends_on_step_and_seed_alone(groups: Groups) -> None:
    one = training(groups, 3, noise=0.5)
    again = training(groups, 3, noise=0.5)
    assert torch.equal(one.ids_NL, again.ids_NL)
    others = [training(groups, step, noise=0.5, seed=seed) for step, seed in ((4, 1), (5, 1), (3, 2), (3, 3))]
    assert any(not torch.equal(one.sentence_N, other.sentence_N) for other in others)


def test_more_pairs_than_groups_gives_all_groups(groups: Groups) -> None:
    assert len(training(groups, 0, size=99).ids_NL) == 6


def test_noise_touches_only_the_source(groups: Groups) -> None:
    rng = np.random.default_rng
    clean = assembled(groups, [(0, 1), (2, 0)], noise=0.0, rate=1.0, generator=rng(0))
    noisy = assembled(groups, [(0, 1), (2, 0)], noise=1.0, rate=1.0, generator=rng(0))
    source = (clean.segments_NL == 0) & (clean.ids_NL != groups.tokenizer.cls) & (clean.ids_NL != groups.tokenizer.sep)
    assert torch.equal(noisy.ids_NL[~source], clean.ids_NL[~source])
    assert (noisy.ids_NL[source] == groups.tokenizer.mask).sum() > 0
    assert torch.equal(noisy.targets, clean.targets)


def test_half_of_the_sources_are_corrupted(groups: Groups) -> None:
    rows = [(0, 1)] * 2000
    batch = assembled(groups, rows, noise=0.5, rate=1.0, generator=np.random.default_rng(0))
    clean = assembled(groups, rows, noise=0.0, rate=1.0, generator=np.random.default_rng(0))
    # Noised at rate 1, four tokens stay as they are with odds of about (0.1)^4.
    touched = (batch.ids_NL != clean.ids_NL).any(1).float().mean().item()
    assert touched == pytest.approx(0.5, abs=0.05)


def test_noise_takes_whole_words_in_barts_proportions(pieces: Tokenizer) -> None:
    words = 30_000
    token = pieces.identity("大")
    ids = np.full(2 * words, token, dtype=np.int64)
    starts = np.tile([True, False], words)
    corrupted = pairs.corrupted(ids, starts, pieces, rate=0.3, generator=np.random.default_rng(5))
    masked = corrupted == pieces.mask
    other = ~masked & (corrupted != token)
    assert masked.mean() == pytest.approx(0.3 * 0.8, abs=0.02)
    assert other.mean() == pytest.approx(0.3 * 0.1, abs=0.01)  # the draw may hit [MASK] or the token itself
    touched = (corrupted != ids).reshape(words, 2)
    # Tokens of one word share their choice: both touched with odds 0.3 * 0.9^2, not (0.3 * 0.9)^2.
    assert touched.all(1).mean() == pytest.approx(0.3 * 0.81, abs=0.02)
    assert set(corrupted[other]) <= set(range(len(pieces)))


@pytest.mark.parametrize(("rate", "share"), [(0.0, 0.0), (1.0, 0.9)])
def test_the_limits_of_the_rate(pieces: Tokenizer, rate: float, share: float) -> None:
    ids = np.full(20_000, pieces.identity("大"), dtype=np.int64)
    corrupted = pairs.corrupted(ids, np.ones(20_000, dtype=bool), pieces, rate=rate, generator=np.random.default_rng(1))
    assert (corrupted != ids).mean() == pytest.approx(share, abs=0.02)


def test_splitting_loses_padding_and_nothing_else(groups: Groups) -> None:
    batch = training(groups, 2, size=3)
    chunks = batch.split(4)
    assert [len(chunk.ids_NL) for chunk in chunks] == [4, 2]
    for chunk in chunks:
        assert torch.equal(chunk.sentence_N, batch.sentence_N), "what compares all vectors needs to know them all"
        assert chunk.tokens == batch.tokens == batch.targets.sum()
    rows = [(chunk, row) for chunk in chunks for row in range(len(chunk.ids_NL))]
    for number, (chunk, row) in enumerate(rows):
        width = chunk.ids_NL.shape[1]
        assert chunk.keep_NL.sum(1).max() == width
        assert torch.equal(chunk.ids_NL[row], batch.ids_NL[number, :width])
        assert torch.equal(chunk.segments_NL[row], batch.segments_NL[number, :width])
        assert not batch.keep_NL[number, width:].any()
    assert sum(chunk.targets.sum() for chunk in chunks) == batch.targets.sum()


@pytest.mark.parametrize(("size", "questions", "others"), [(4, 2, 2), (5, 2, 3), (6, 2, 4), (99, 2, 5)])
def test_questions_and_other_sentences_come_in_equal_numbers(
    tmp_path: Path, pieces: Tokenizer, size: int, questions: int, others: int
) -> None:
    rows = [{"text": f"怎么{n}", "synonyms": [f"如何{n}"], "question": n < 2} for n in range(7)]
    path = tmp_path / "mixed.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    mixed = Groups(path, pieces, max_length=32)
    assert mixed.kinds == [[0, 1], [2, 3, 4, 5, 6]]
    chosen = mixed.group_of[training(mixed, 3, size=size).sentence_N[0::2]].tolist()
    assert len(set(chosen)) == len(chosen)
    assert (sum(group < 2 for group in chosen), sum(group >= 2 for group in chosen)) == (questions, others)


def test_a_small_kind_is_not_drawn_every_time(tmp_path: Path, pieces: Tokenizer) -> None:
    """One group of 40 is of a kind of its own: it comes in 4 x 8 / 40 of the batches, not in all; with a tenth of the
    groups of a kind, 4 x 8 x 4 / 40 of each batch of 8 are of it, 3.2, and with a half 4.
    """
    for alone, share in ((1, 0.8), (4, 3.2), (20, 4.0)):
        rows = [{"text": f"怎么{n}", "synonyms": [f"如何{n}"], "question": n < alone} for n in range(40)]
        path = tmp_path / "mixed.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        mixed = Groups(path, pieces, max_length=8)
        drawn = np.zeros(40)
        for step in range(400):
            of = mixed.group_of[training(mixed, step, size=8).sentence_N[::2].numpy()]
            assert len(set(of)) == 8
            drawn[of] += 1
        assert drawn[:alone].sum() / 400 == pytest.approx(share, abs=0.1)
        assert drawn.sum() == 400 * 8


def test_few_questions_among_many_sentences_are_half_of_every_batch(tmp_path: Path, pieces: Tokenizer) -> None:
    """Drawn without regard to kinds, two of a batch's ten groups would be questions."""
    rows = [{"text": f"怎么{n}", "synonyms": [f"如何{n}"], "question": n % 5 == 0} for n in range(100)]
    path = tmp_path / "mixed.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    mixed = Groups(path, pieces, max_length=32)
    for step in range(20):
        chosen = mixed.group_of[training(mixed, step, size=10).sentence_N[0::2]]
        assert len(set(chosen.tolist())) == 10 and (chosen % 5 == 0).sum() == 5


@pytest.mark.parametrize(("processes", "sizes"), [(1, [6]), (2, [2, 4]), (3, [2, 2, 2])])
def test_shares_are_whole_pairs(groups: Groups, processes: int, sizes: list[int]) -> None:
    batch = training(groups, 2, size=3)
    shares = [batch.share(rank, processes) for rank in range(processes)]
    assert [len(share.ids_NL) for share in shares] == sizes
    rows = [row[row != groups.tokenizer.pad].tolist() for share in shares for row in share.ids_NL]
    assert rows == [row[row != groups.tokenizer.pad].tolist() for row in batch.ids_NL]
    assert {share.tokens for share in shares} == {batch.tokens}
    with pytest.raises(InputError, match="pairs: expected one or more for each of 4 processes, got 3"):
        batch.share(0, 4)


def test_pairs_come_by_length_so_that_chunks_hold_little_padding(groups: Groups) -> None:
    lengths = training(groups, 2, size=3).keep_NL.sum(1).tolist()
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]


def test_a_batch_moves_whole(groups: Groups) -> None:
    moved = training(groups, 0).to(torch.device("meta"))
    assert {moved.ids_NL.device.type, moved.segments_NL.device.type, moved.keep_NL.device.type} == {"meta"}
    assert moved.sentence_N.device.type == "meta"


def with_general(path: Path, pieces: Tokenizer, own: int, general: int) -> Groups:
    rows = [{"text": f"怎么{n}", "synonyms": [f"如何{n}"], "origin": "group"} for n in range(own)]
    rows += [{"text": f"北京{n}", "synonyms": [f"北大{n}"], "origin": "general"} for n in range(general)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return Groups(path, pieces, max_length=32)


def drawn(groups: Groups, step: int, share: float, size: int = 10) -> list[int]:
    batch = pairs.training_batch(groups, step, batch_size=size, noise=0.0, rate=0.5, seed=1, general_share=share)
    return sorted({int(groups.group_of[number]) for number in batch.sentence_N})


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_so_many_of_a_batch_are_general_and_all_of_it_is_full(
    tmp_path: Path, pieces: Tokenizer, share: float, expected: int
) -> None:
    groups = with_general(tmp_path / "groups.jsonl", pieces, 30, 20)
    for step in range(5):
        chosen = drawn(groups, step, share)
        assert len(chosen) == 10 and sum(group >= 30 for group in chosen) == expected


def test_a_share_that_is_no_whole_number_holds_in_the_mean(tmp_path: Path, pieces: Tokenizer) -> None:
    groups = with_general(tmp_path / "groups.jsonl", pieces, 30, 20)
    counts = [sum(group >= 30 for group in drawn(groups, step, 0.25)) for step in range(200)]
    assert set(counts) == {2, 3} and abs(np.mean(counts) - 2.5) < 0.15


def test_without_general_groups_a_share_of_them_changes_nothing(groups: Groups) -> None:
    one, two = (
        pairs.training_batch(groups, 3, batch_size=2, noise=0.5, rate=0.5, seed=1, general_share=share)
        for share in (0.0, 0.5)
    )
    assert torch.equal(one.ids_NL, two.ids_NL) and torch.equal(one.sentence_N, two.sentence_N)


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_sentences_of_a_run_are_those_of_its_batches(groups: Groups, steps: int) -> None:
    asked = {"batch_size": 2, "general_share": 0.0, "seed": 1}
    found = pairs.sentences(groups, steps, most=9, **asked)  # type: ignore[arg-type]  # a mixed dictionary
    assert found is not None
    batches = [training(groups, step, noise=0.5) for step in range(steps)]
    assert found.tolist() == sorted({int(number) for batch in batches for number in batch.sentence_N})
    if steps:
        assert pairs.sentences(groups, steps, most=len(found) - 1, **asked) is None  # type: ignore[arg-type]
