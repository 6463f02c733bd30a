"""The settings of stage 2; the stage itself runs in the toy pipeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from pipeline.run import settings as config
from rosphere.errors import InputError
from rosphere.similarity.distillation import neighbour_distillation, similarity_distillation, vector_distillation
from rosphere.similarity.losses import info_nce
from stages.roformer_sim import RoformerSim

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


def test_refuses_another_distillation(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("distillation: neighbours", "distillation: all"), "utf-8")
    with pytest.raises(InputError, match="roformer_sim.distillation"):
        config.load(tmp_path / "params.yaml", "roformer_sim", RoformerSim)
