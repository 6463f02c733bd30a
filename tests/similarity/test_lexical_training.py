"""The lexical half learnt on groups: its sums, its batches, its loss, what it leaves alone, kill and resumption."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rosphere.errors import InputError, Interrupted
from rosphere.similarity import lexical, lexical_training, losses, meanings
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.lexical_training import LexicalHalf
from rosphere.similarity.pairs import Groups
from rosphere.text import batching, tokenizer
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule

ROWS = [
    ["怎么退货", "如何退货", "怎么把货退了"],
    ["怎么开发票", "如何开发票"],
    ["怎么办卡", "如何办卡"],
    ["怎么注册", "如何注册"],
]
UNSEEN = "天气"
WIDTH = 16


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    texts = [text for row in ROWS for text in row]
    tokenizer.save(tokenizer.train([*texts, UNSEEN], size=200, minimum=1), tmp_path)
    rows = [{"text": first, "synonyms": others} for first, *others in ROWS]
    (tmp_path / "groups.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Groups(tmp_path / "groups.jsonl", Tokenizer(tmp_path), max_length=16)


def sentences(groups: Groups) -> list[NDArray[np.int64]]:
    return [ids.astype(np.int64) for ids, _ in groups.tokens]


@pytest.fixture
def half(groups: Groups) -> Lexical:
    """Some random vectors: nine sentences are too few to whiten by."""
    generator, size = torch.Generator().manual_seed(4), len(groups.tokenizer)
    weight_V = torch.rand(size, generator=generator) + 1
    t = groups.tokenizer
    weight_V[[t.pad, t.cls, t.sep, t.mask, t.unk]] = 0
    return Lexical(0.3 * torch.randn(size, WIDTH, generator=generator), weight_V, 0.5)


def settings(steps: int = 40, **schedule: float) -> LexicalHalf:
    made = Schedule(steps=steps, learning_rate=0.02, warmup=0.0, weight_decay=0.0, log_every=1, **schedule)  # type: ignore[arg-type]
    return LexicalHalf(share=0.5, batch_size=64, temperature=0.1, schedule=made)


def learnt(
    half: Lexical,
    groups: Groups,
    chosen: LexicalHalf,
    *,
    folder: Path | None = None,
    callbacks: Callbacks | None = None,
) -> tuple[Lexical, list[Mapping[str, float]]]:
    found = copy.deepcopy(half)
    history = lexical_training.learn(
        found,
        groups,
        chosen,
        general_share=0.0,
        meaning_N=meanings.of_batches(groups, None),
        seed=4,
        folder=folder,
        callbacks=callbacks,
    )
    return found, [*history]


def rows(half: Lexical, groups: Groups) -> torch.Tensor:
    """By the half itself, from padded sequences."""
    t = groups.tokenizer
    return half(*batching.pad([[t.cls, *ids, t.sep] for ids in sentences(groups)], t.pad))


def batch(groups: Groups, step: int, size: int = 64) -> lexical_training.Bags:
    meaning_N = meanings.of_batches(groups, None)
    return lexical_training.batch(groups, step, batch_size=size, general_share=0.0, seed=4, meaning_N=meaning_N)


def numbers(groups: Groups, bags: lexical_training.Bags) -> list[int]:
    """Which sentences these are, by their tokens."""
    known = {tuple(ids.tolist()): number for number, ids in enumerate(sentences(groups))}
    return [known[tuple(part.tolist())] for part in bags.ids_T.tensor_split(bags.starts_N[1:])]


def test_a_batch_has_two_sentences_of_each_group(groups: Groups) -> None:
    found = numbers(groups, batch(groups, 0))
    group_of = groups.group_of
    assert sorted(group_of[found[0::2]]) == [0, 1, 2, 3]
    assert (group_of[found[0::2]] == group_of[found[1::2]]).all()
    assert all(one != other for one, other in zip(found[0::2], found[1::2], strict=True))
    assert len(numbers(groups, batch(groups, 0, size=2))) == 4


def test_a_batch_is_by_its_step(groups: Groups) -> None:
    found = [numbers(groups, batch(groups, step)) for step in (0, 0, 1, 2, 3)]
    assert found[0] == found[1]
    assert len({tuple(each) for each in found}) == 4


def test_the_first_loss_is_that_of_the_half_as_it_was(groups: Groups, half: Lexical) -> None:
    _, history = learnt(half, groups, settings(steps=1))
    found = numbers(groups, batch(groups, 0))
    meaning_N = torch.from_numpy(meanings.of_batches(groups, None)[found])
    wanted = losses.info_nce(rows(half, groups)[found], temperature=0.1, meaning_N=meaning_N)
    assert history[0]["loss"] == pytest.approx(float(wanted), abs=1e-5)


def test_what_says_the_same_comes_together_and_the_rest_stays(groups: Groups, half: Lexical) -> None:
    after, history = learnt(half, groups, settings())
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    how, why = (half.table_VH.new_tensor(groups.tokenizer.ids([word])[0]).long() for word in ("如何", "怎么"))

    def cosine(table: torch.Tensor) -> float:
        return float(torch.cosine_similarity(table[how].mean(0), table[why].mean(0), dim=0))

    assert cosine(after.table_VH) > cosine(half.table_VH) + 0.2
    unseen = groups.tokenizer.ids([UNSEEN])[0]
    assert torch.equal(after.table_VH[unseen], half.table_VH[unseen])
    assert torch.equal(after.weight_V, half.weight_V)


def test_without_a_schedule_it_stays_random(groups: Groups, half: Lexical) -> None:
    after, history = learnt(half, groups, LexicalHalf(share=0.5, batch_size=64, temperature=0.1, schedule=None))
    assert history == []
    assert torch.equal(after.table_VH, half.table_VH)


def test_a_killed_run_ends_like_one_that_was_not(groups: Groups, half: Lexical, tmp_path: Path) -> None:
    whole, history = learnt(half, groups, settings(steps=12))
    steps = 0

    def stopping() -> bool:
        nonlocal steps
        steps += 1
        return steps == 5

    with pytest.raises(Interrupted):
        learnt(half, groups, settings(steps=12), folder=tmp_path / "state", callbacks=Callbacks(stopping=stopping))
    resumed, again = learnt(half, groups, settings(steps=12), folder=tmp_path / "state")
    assert torch.equal(resumed.table_VH, whole.table_VH)
    assert [row["loss"] for row in again] == [row["loss"] for row in history]


def test_rescaling_gives_a_mean_square_length_of_one(groups: Groups, half: Lexical) -> None:
    after, _ = learnt(half, groups, settings())
    directions = torch.nn.functional.normalize(rows(after, groups), dim=-1)
    lexical.rescale(after, [*sentences(groups), np.array([groups.tokenizer.unk])])
    found = rows(after, groups)
    assert float(found.square().sum(-1).mean()) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(torch.nn.functional.normalize(found, dim=-1), directions)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 1.0}, r"lexical.share: expected a share in \[0, 1\), got 1.0"),
        ({"share": -0.1}, "lexical.share: expected"),
        ({"batch_size": 1}, "lexical.batch_size: expected 2 or more, got 1"),
        ({"temperature": 0.0}, "lexical.temperature: expected a number above 0, got 0.0"),
    ],
)
def test_refuses_settings_that_make_no_half(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LexicalHalf(**{"share": 0.5, "batch_size": 8, "temperature": 0.1, "schedule": None, **values})  # type: ignore[arg-type]
