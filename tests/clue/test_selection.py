"""The best epoch: kept on disk, found again, and patience that ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rosphere.clue.selection import Selection, reached_by
from rosphere.training import checkpoint


def weighing(value: float) -> nn.Module:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, value)
    return model


def seen(folder: Path, scores: list[float], *, patience: int = 0) -> Selection:
    selection = Selection(folder, patience=patience)
    for step, score in enumerate(scores, 1):
        selection.see(step, score, weighing(step))
    return selection


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=6), st.integers(0, 3))
def test_the_earliest_of_the_best_is_kept(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float], patience: int
) -> None:
    selection = seen(tmp_path_factory.mktemp("run"), scores, patience=patience)
    best = scores.index(max(scores)) + 1
    restored = weighing(0)
    selection.restore(restored)
    assert (selection.best, restored.weight.item()) == (best, best)
    assert selection.exhausted is (patience > 0 and len(scores) - best >= patience)


def saved_at(folder: Path, step: int) -> None:
    model = weighing(0)
    optimizer = torch.optim.AdamW(model.parameters())
    checkpoint.save(folder, model, optimizer, checkpoint.Progress(step=step, history=[{"step": 1.0}], window=[]))


def test_weights_seen_after_the_last_state_are_forgotten_with_their_score(tmp_path: Path) -> None:
    seen(tmp_path, [0.5])
    saved_at(tmp_path, 1)
    Selection(tmp_path, patience=0).see(2, 0.6, weighing(2))  # and killed before another state was saved
    resumed = Selection(tmp_path, patience=0)
    resumed.see(2, 0.4, weighing(2))  # a GPU does not always add up in the same order
    restored = weighing(0)
    resumed.restore(restored)
    assert (resumed.best, restored.weight.item()) == (1, 1)


def test_weights_that_nobody_can_ask_for_are_removed(tmp_path: Path) -> None:
    seen(tmp_path, [0.1, 0.2, 0.3])
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["best-3.safetensors"]
    saved_at(tmp_path, 3)
    resumed = Selection(tmp_path, patience=0)
    for step in (4, 5):
        resumed.see(step, step / 10, weighing(step))
    assert {path.name for path in tmp_path.glob("best-*")} == {"best-3.safetensors", "best-5.safetensors"}


def test_a_resumed_run_knows_the_scores_up_to_its_step(tmp_path: Path) -> None:
    seen(tmp_path, [0.2, 0.9, 0.1], patience=1)
    assert Selection(tmp_path, patience=1).scores == {}, "no training state: the run begins anew"
    saved_at(tmp_path, 1)
    assert Selection(tmp_path, patience=1).scores == {1: 0.2}
    saved_at(tmp_path, 3)
    resumed = Selection(tmp_path, patience=1)
    assert (resumed.scores, resumed.best, resumed.exhausted) == ({1: 0.2, 2: 0.9, 3: 0.1}, 2, True)
    restored = weighing(0)
    resumed.restore(restored)
    assert restored.weight.item() == 2
    assert reached_by(tmp_path) == (3, [{"step": 1.0}])


def test_nothing_seen_yet(tmp_path: Path) -> None:
    selection = Selection(tmp_path / "new", patience=1)
    assert not selection.exhausted
    assert reached_by(tmp_path) == (0, [])
