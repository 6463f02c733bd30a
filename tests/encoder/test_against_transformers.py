"""Same weights, same batch: loss and every gradient equal to transformers' RoFormer and BERT, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import config as configs
from rosphere.encoder import folder, masks
from rosphere.encoder.model import MaskedLanguageModel
from tests import tiny


def theirs(kind: Any, act: str) -> nn.Module:
    shape = {"embedding_size": 16, "max_position_embeddings": 32, "layer_norm_eps": 1e-3, **tiny.NO_DROPOUT}
    return tiny.theirs(tiny.config(60, model_type=kind, hidden_act=act, **shape))


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 60, (3, 17), generator=generator)
    keep = torch.ones(3, 17, dtype=torch.long)
    keep[1, 9:] = 0
    labels = ids.where((torch.rand(3, 17, generator=generator) < 0.3) & (keep > 0), -100)
    return ids, keep, (torch.arange(17) > 6).long().expand(3, -1), labels


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("kind", ["roformer", "bert"])
def test_loss_and_every_gradient(tmp_path: Path, kind: str, act: str) -> None:
    oracle = theirs(kind, act)
    oracle.save_pretrained(tmp_path)
    ours = folder.load(tmp_path).double()
    ids, keep, segments, labels = batch()
    expected = tiny.in_float64(oracle)(ids, attention_mask=keep, token_type_ids=segments, labels=labels).loss
    expected.backward()
    chosen = labels.flatten() != -100
    hidden = ours.encoder(ids, masks.padded(keep), segments).flatten(0, 1)[chosen]
    loss = F.cross_entropy(ours.logits(hidden), labels.flatten()[chosen])
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    found = folder.to_hugging_face({n: p.grad for n, p in ours.named_parameters()}, ours.config)
    wanted = {name: parameter.grad for name, parameter in oracle.named_parameters() if parameter.requires_grad}
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert (found[name] - gradient).norm() <= 1e-10 * max(gradient.norm(), loss.detach() * 1e-3), name


@pytest.mark.parametrize("kind", ["roformer", "bert"])
@pytest.mark.parametrize("shape", ["shards", "torch file", "old names", "decoder bias only"])
def test_reads_what_is_found_in_the_wild(tmp_path: Path, kind: str, shape: str) -> None:
    oracle = theirs(kind, "gelu")
    oracle.save_pretrained(tmp_path, max_shard_size="5KB" if shape == "shards" else "1GB")
    weights = oracle.state_dict()
    if shape == "old names":
        weights = {
            n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): t for n, t in weights.items()
        }
    if shape == "decoder bias only":
        del weights["cls.predictions.bias"]
    if shape != "shards":
        (tmp_path / "model.safetensors").unlink()
        torch.save(weights, tmp_path / "pytorch_model.bin")
    else:
        assert len(list(tmp_path.glob("*.safetensors"))) > 3
    ids, keep, segments, _ = batch()
    with torch.no_grad():
        expected = oracle(ids, attention_mask=keep, token_type_ids=segments).logits
        found = folder.load(tmp_path).eval()(ids, masks.padded(keep), segments)
    assert (found - expected)[keep.bool()].abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("kind", ["roformer", "bert"])
def test_what_we_write_they_read(tmp_path: Path, kind: str) -> None:
    from transformers import AutoModelForMaskedLM

    theirs(kind, "gelu").save_pretrained(tmp_path / "theirs")
    ours = folder.load(tmp_path / "theirs").eval()
    folder.save(ours, tmp_path / "ours", tokenizer=tmp_path)
    again, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    if kind == "roformer":  # the table they would have made, sines first
        made = theirs(kind, "gelu").roformer.encoder.embed_positions.weight
        torch.testing.assert_close(again.roformer.encoder.embed_positions.weight, made, rtol=0, atol=2e-7)
    ids, keep, segments, _ = batch()
    with torch.no_grad():
        gap = again.eval()(ids, attention_mask=keep, token_type_ids=segments).logits - ours(
            ids, masks.padded(keep), segments
        )
    assert gap[keep.bool()].abs().max() <= 1e-5


def test_a_bare_encoder_gets_a_head_only_when_asked(tmp_path: Path) -> None:
    from rosphere.errors import InputError

    oracle = theirs("bert", "gelu")
    oracle.bert.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="tensor cls.predictions.bias is missing"):
        folder.load(tmp_path)
    ours = folder.load(tmp_path, fresh_head=True).eval()
    ids, keep, segments, _ = batch()
    with torch.no_grad():
        expected = oracle.bert(ids, attention_mask=keep, token_type_ids=segments).last_hidden_state
        found = ours.encoder(ids, masks.padded(keep), segments)
    assert (found - expected)[keep.bool()].abs().max() <= 1e-5 * expected.abs().max()
    assert ours.bias is not None and not ours.bias.any()


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    from rosphere.errors import InputError

    theirs("bert", "gelu").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"cls.predictions.bias": pytest.raises}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="pytorch_model.bin: not a torch file of plain tensors .*nothing is unpickled"):
        folder.load(tmp_path)


def test_missing_shards_and_weights_are_named(tmp_path: Path) -> None:
    from rosphere.errors import InputError

    theirs("bert", "gelu").save_pretrained(tmp_path, max_shard_size="5KB")
    first = min(tmp_path.glob("*.safetensors"))
    first.unlink()
    with pytest.raises(InputError, match=f"{first.name}: missing, though the list of shards names it"):
        folder.load(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(InputError, match="expected weights in model.safetensors or pytorch_model.bin"):
        folder.load(tmp_path)


def test_transformers_refuses_a_roformer_v2_rather_than_misread_it(tmp_path: Path) -> None:
    from transformers import AutoConfig

    model = tiny.language(60, model_type="roformer_v2")
    folder.save(model, tmp_path, tokenizer=tmp_path)
    with pytest.raises(ValueError, match="roformer_v2"):
        AutoConfig.from_pretrained(tmp_path)
    again = folder.load(tmp_path)
    assert again.config == model.config
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_roformer_v2_as_its_first_package_wrote_it(tmp_path: Path) -> None:
    """model_type roformer, norm_type rms_norm: against the block's formulas, written out."""
    values = {**tiny.SIZES, "embedding_size": 24, "vocab_size": 60, "layer_norm_eps": 1e-3, **tiny.NO_DROPOUT}
    values |= {"model_type": "roformer", "norm_type": "rms_norm", "use_bias": False}
    config = configs.from_json(values, origin="here")
    assert config.model_type == "roformer_v2"
    torch.manual_seed(2)
    model = MaskedLanguageModel(config).double().eval()
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
    ids = batch()[0]
    state = model.state_dict()
    x = _rms(state["encoder.words.weight"][ids] + state["encoder.segments.weight"][0])
    for layer in range(2):
        w = {n.removeprefix(f"encoder.blocks.{layer}."): t for n, t in state.items()}
        q, k, v = (x @ w["attention.qkv.weight"].mT).unflatten(-1, (3, 3, 8)).permute(2, 0, 3, 1, 4)
        angle = torch.arange(17)[:, None] * 10000.0 ** (-torch.arange(0, 8, 2, dtype=torch.float64) / 8)
        q, k = (_turned(each, angle) for each in (q, k))
        attended = ((q @ k.mT / 8**0.5).softmax(-1) @ v).transpose(1, 2).flatten(-2)
        x = _rms(x + attended @ w["attention.out.weight"].mT)
        x = _rms(x + F.gelu(x @ w["feed_in.weight"].mT) @ w["feed_out.weight"].mT)
    torch.testing.assert_close(model(ids), x @ state["encoder.words.weight"].mT, rtol=1e-10, atol=1e-12)


def _rms(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-3).sqrt()


def _turned(x: Tensor, angle: Tensor) -> Tensor:
    out = x.clone()
    out[..., 0::2] = x[..., 0::2] * angle.cos() - x[..., 1::2] * angle.sin()
    out[..., 1::2] = x[..., 1::2] * angle.cos() + x[..., 0::2] * angle.sin()
    return out
