"""Packed rows against padded ones: the same documents, the same loss and gradients, for every kind of encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining.batch import Batch, prediction_loss
from tests import tiny


def model(kind: Any) -> MaskedLanguageModel:
    return tiny.shaken(tiny.language(40, embedding_size=24, max_position_embeddings=64, model_type=kind))


def packed(documents: list[Tensor], chosen: list[Tensor], length: int) -> Batch:
    """Rows of ``length``: a document goes into the first row that has room for it."""
    rows: list[list[int]] = []
    for number, document in enumerate(documents):
        for row in rows:
            if sum(len(documents[n]) for n in row) + len(document) <= length:
                row.append(number)
                break
        else:
            rows.append([number])
    ids, owners = torch.zeros(len(rows), length, dtype=torch.long), torch.zeros(len(rows), length, dtype=torch.long)
    hidden = torch.zeros(len(rows), length, dtype=torch.bool)
    for where, row in enumerate(rows):
        place = 0
        for order, number in enumerate(row, 1):
            here = slice(place, place + len(documents[number]))
            ids[where, here], owners[where, here], hidden[where, here] = documents[number], order, chosen[number]
            place = here.stop
    positions = hidden.flatten().nonzero().squeeze(1)
    return Batch(
        ids_BL=ids,
        documents_BL=owners,
        positions_M=positions,
        labels_M=ids.flatten()[positions],
        predictions=len(positions),
    )


@settings(max_examples=15)
@given(lengths=st.lists(st.integers(3, 30), min_size=1, max_size=9), seed=st.integers(0, 10**6))
@pytest.mark.parametrize("kind", ["roformer", "roformer_v2", "bert"])
def test_packed_and_padded_training_agree(kind: str, lengths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    documents = [torch.randint(1, 40, (n,), generator=generator) for n in lengths]
    chosen = [torch.rand(n, generator=generator) < 0.4 for n in lengths]
    chosen[0][0] = True
    trained = model(kind)
    loss, _ = prediction_loss(trained, packed(documents, chosen, 32))
    loss.backward()
    found = {name: p.grad.clone() for name, p in trained.named_parameters()}
    trained.zero_grad()
    padded = pad_sequence(documents, batch_first=True)
    keep = pad_sequence([torch.ones_like(d) for d in documents], batch_first=True)
    labels = pad_sequence([d.where(c, -100) for d, c in zip(documents, chosen, strict=True)], True, -100)
    expected = F.cross_entropy(trained(padded, masks.padded(keep)).flatten(0, 1), labels.flatten())
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    for name, parameter in trained.named_parameters():
        assert (found[name] - parameter.grad).norm() <= 1e-4 * parameter.grad.norm() + 1e-6, name


def test_positions_begin_anew_with_each_document() -> None:
    documents = torch.tensor([[1, 1, 1, 2, 2, 0, 0], [1, 2, 3, 3, 3, 3, 3]])
    assert masks.positions(documents).tolist() == [[0, 1, 2, 0, 1, 0, 1], [0, 0, 0, 1, 2, 3, 4]]


@pytest.mark.parametrize("kind", ["roformer", "bert"])
def test_gradient_checkpointing_changes_no_bit(kind: str) -> None:
    trained = model(kind).train()
    ids = torch.randint(1, 40, (2, 20), generator=torch.Generator().manual_seed(3))
    gradients = []
    for recompute in (False, True):
        trained.encoder.recompute = recompute
        trained.zero_grad()
        torch.manual_seed(4)  # dropout is drawn again in the same way when a block is computed again
        trained(ids).square().mean().backward()
        gradients.append([p.grad.clone() for p in trained.parameters() if p.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", ["roformer", "roformer_v2", "bert"])
def test_chosen_tokens_alone(kind: str, recompute: bool) -> None:
    trained = model(kind)
    trained.encoder.recompute = recompute
    ids, keep = torch.randint(1, 40, (2, 9)), torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    whole = trained.encoder(ids, masks.padded(keep))
    for at in (masks.first(ids), torch.tensor([13, 0, 4]), torch.zeros(0, dtype=torch.long)):
        part = trained.encoder(ids, masks.padded(keep), at=at)
        torch.testing.assert_close(part, whole.flatten(0, 1)[at], rtol=1e-5, atol=1e-6)
    assert masks.first(ids).tolist() == [0, 9]


def test_angles_made_in_inference_mode_serve_training() -> None:
    trained = model("roformer")
    with torch.inference_mode():
        trained(torch.ones(1, 5, dtype=torch.long))
    trained(torch.ones(1, 5, dtype=torch.long)).sum().backward()


def test_a_text_longer_than_berts_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="a text of 65 tokens; this model has positions for 64"):
        model("bert")(torch.ones(1, 65, dtype=torch.long))
