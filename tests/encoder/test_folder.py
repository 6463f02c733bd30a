"""Our encoder against transformers' RoFormer: same folder, same logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rosphere.encoder import folder, masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from tests import tiny


def perturbed(seed: int = 0, **changes: int) -> MaskedLanguageModel:
    return tiny.shaken(tiny.language(50, seed=seed, **changes), 0.3)


@pytest.mark.parametrize("embedding_size", [12, 24])
def test_transformers_reads_our_folder_with_the_same_logits(tmp_path: Path, embedding_size: int) -> None:
    from transformers import RoFormerForMaskedLM

    model = perturbed(embedding_size=embedding_size)
    folder.save(model, tmp_path, tokenizer=tmp_path)
    theirs = RoFormerForMaskedLM.from_pretrained(tmp_path).eval()
    ids = torch.randint(1, 50, (3, 17))
    keep = torch.ones(3, 17, dtype=torch.long)
    keep[1, 9:] = 0
    segments = (torch.arange(17) > 6).long().expand(3, -1)
    with torch.no_grad():
        ours = model(ids, masks.padded(keep), segments)
        oracle = theirs(ids, attention_mask=keep, token_type_ids=segments).logits
    gap = (ours - oracle)[keep.bool()].abs().max().item()
    assert gap <= 1e-5
    assert oracle.std() > 0.1


def test_a_round_trip_changes_no_bit(tmp_path: Path) -> None:
    model = perturbed()
    folder.save(model, tmp_path, tokenizer=tmp_path)
    again = folder.load(tmp_path).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


def test_the_cache_gives_the_logits_of_one_pass() -> None:
    model = perturbed()
    ids = torch.randint(1, 50, (2, 11))
    segments = (torch.arange(11) >= 5).long().expand(2, -1)
    whole = model(ids, masks.seq2seq(segments, torch.ones_like(ids)), segments)
    cache: list[tuple[torch.Tensor, torch.Tensor]] = []
    pieces = [model.encoder(ids[:, :5], None, segments[:, :5], cache)]
    pieces += [model.encoder(ids[:, i : i + 1], None, segments[:, i : i + 1], cache) for i in range(5, 11)]
    torch.testing.assert_close(model.logits(torch.cat(pieces, dim=1)), whole, rtol=1e-4, atol=1e-5)


def test_packed_documents_do_not_see_each_other() -> None:
    model = perturbed()
    ids = torch.randint(1, 50, (1, 12))
    documents = torch.tensor([[1] * 5 + [2] * 7])
    together = model(ids, masks.packed(documents))
    # Rotary attention depends on distances only, so the second document alone gives its part of the row.
    alone = model(ids[:, 5:], None)
    torch.testing.assert_close(together[:, 5:], alone, rtol=1e-4, atol=1e-5)


def test_a_missing_or_misshapen_tensor_is_named(tmp_path: Path) -> None:
    folder.save(perturbed(), tmp_path, tokenizer=tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    shrunk = {**weights, "cls.predictions.bias": torch.zeros(49)}
    save_file(shrunk, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"cls.predictions.bias has shape \(49,\), expected \(50,\)"):
        folder.load(tmp_path)
    del weights["roformer.encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="layer.1.output.dense.weight is missing"):
        folder.load(tmp_path)


def test_refuses_a_width_that_the_heads_do_not_divide() -> None:
    with pytest.raises(InputError, match="25 is not a multiple of num_attention_heads 3"):
        tiny.config(50, hidden_size=25)
