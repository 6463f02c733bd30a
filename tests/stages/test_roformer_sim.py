"""The settings of stage 2; the stage itself runs in the toy pipeline."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.run import settings as config
from rosphere.errors import InputError
from rosphere.similarity import pairs
from rosphere.similarity.distillation import neighbour_distillation, similarity_distillation, vector_distillation
from rosphere.similarity.hard_negatives import HardNegatives
from rosphere.similarity.losses import info_nce
from rosphere.similarity.pairs import Groups
from rosphere.similarity.teacher_vectors import StoredVectors, in_memory
from stages.roformer_sim import RoformerSim, Training
from tests import tiny

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize(
    ("chosen", "distillation"),
    [
        ("cosines", partial(similarity_distillation, weight=100.0)),
        ("neighbours", partial(neighbour_distillation, weight=100.0, temperature=0.2)),
        ("vectors", partial(vector_distillation, weight=100.0)),
    ],
)
def test_the_chosen_distillation_and_a_share_of_the_contrastive_loss(
    chosen: Literal["neighbours", "cosines", "vectors"], distillation: Callable[[Tensor, Tensor], Tensor], weight: float
) -> None:
    default = config.load(ROOT / "params.yaml", "roformer_sim", RoformerSim)
    settings = dataclasses.replace(default, distillation=chosen, weight=100.0, temperature=0.2, contrastive=weight)
    student, teacher = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    found = settings.losses(student, teacher)
    assert found.keys() == ({"distillation", "contrastive"} if weight else {"distillation"})
    torch.testing.assert_close(found["distillation"], distillation(student, teacher))
    if weight:
        torch.testing.assert_close(found["contrastive"], weight * info_nce(student, temperature=0.2))


def test_hard_negatives_are_of_the_contrastive_loss_alone() -> None:
    settings = config.load(ROOT / "params.yaml", "roformer_sim", RoformerSim)
    student, teacher = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    anchors = torch.tensor([0, 3])
    found, without = settings.losses(student, teacher[:4], anchors), settings.losses(student[:4], teacher[:4])
    assert torch.equal(found["distillation"], without["distillation"])
    assert float(found["contrastive"]) == float(settings.contrast(student, anchors)) > float(without["contrastive"])


def test_rows_that_say_the_same_are_no_wrong_answers() -> None:
    settings = config.load(ROOT / "params.yaml", "roformer_sim", RoformerSim)
    student, teacher = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    meaning = torch.tensor([1, 1, 2, 2, 1, 1])
    found, without = settings.losses(student, teacher, meaning_N=meaning), settings.losses(student, teacher)
    assert torch.equal(found["distillation"], without["distillation"])
    masked = info_nce(student, temperature=settings.temperature, meaning_N=meaning)
    assert float(found["contrastive"]) == pytest.approx(float(masked)) and masked < without["contrastive"]


def training(tmp_path: Path, groups: int, corpus: int, **changes: Any) -> Training:
    """Of so many groups of two sentences each; ``changes``: of the settings."""
    pieces = tiny.of_characters(tmp_path / "pieces", 40)
    rows = [{"text": f"一丁{n}", "synonyms": [f"丁一{n}"]} for n in range(groups)]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    found = object.__new__(Training)
    default = config.load(ROOT / "params.yaml", "roformer_sim", RoformerSim)
    schedule = dataclasses.replace(default.schedule, steps=2)
    found.settings = dataclasses.replace(default, batch_size=3, schedule=schedule, **changes)
    found.seed, found.train = 5, Groups(path, pieces, max_length=8)
    found.texts = [*found.train.texts, *(f"七{n}" for n in range(corpus))]
    return found


def test_a_teacher_reads_what_will_be_shown_where_that_is_far_less(tmp_path: Path) -> None:
    few = training(tmp_path, 40, 5)
    drawn = {n for n in few.shown.tolist() if n < 80}
    assert set(few.shown.tolist()) - drawn == set(range(80, 85)), "the corpus's sentences, all of them"
    assert 0 < len(drawn) <= 12
    read: list[list[str]] = []

    def encode(texts: list[str]) -> StoredVectors:
        read.append(texts)
        return in_memory(np.array([[float(len(text)), few.texts.index(text)] for text in texts], np.float32))

    goal = few.goal(encode)
    assert read == [[few.texts[n] for n in few.shown]]
    assert goal[few.shown][:, 1].tolist() == few.shown.tolist()
    for step in range(2):
        batch = pairs.training_batch(few.train, step, batch_size=3, noise=0.5, rate=0.15, seed=5)
        assert set(batch.sentence_N.tolist()) <= drawn


@pytest.mark.parametrize(
    ("groups", "changes"),
    [(6, {}), (40, {"hard_negatives": HardNegatives(teacher="models/simbert", per_sentence=1, nearest=2, below=0.9)})],
)
def test_where_that_saves_little_or_others_ask_too_all_is_read(
    tmp_path: Path, groups: int, changes: dict[str, Any]
) -> None:
    found = training(tmp_path, groups, 3, **changes)
    assert found.shown.tolist() == list(range(2 * groups + 3))


def test_what_is_learnt_of_labelled_pairs_needs_steps_to_be_distilled_back() -> None:
    default = config.load(ROOT / "params.yaml", "roformer_sim", RoformerSim)
    labelled = dataclasses.replace(default.supervised, files=["a.jsonl"])
    none = dataclasses.replace(default.schedule, steps=0)
    with pytest.raises(InputError, match=r"supervised.files: .* distilled back in schedule.steps; got 0 steps"):
        dataclasses.replace(default, supervised=labelled, schedule=none)
    assert dataclasses.replace(default, schedule=none).schedule.steps == 0


def test_axes_and_pooler_are_worked_out_on_more_than_a_few_sentences(tmp_path: Path) -> None:
    few = training(tmp_path, 40, 5, distillation="vectors")
    assert few.shown.tolist() == list(range(85))


def test_refuses_another_distillation(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("distillation: neighbours", "distillation: all"), "utf-8")
    with pytest.raises(InputError, match="roformer_sim.distillation"):
        config.load(tmp_path / "params.yaml", "roformer_sim", RoformerSim)
