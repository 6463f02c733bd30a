"""RoFormer-Sim: one encoder that compares sentences and writes similar ones (Su 2021, kexue.fm/archives/8454).

Under UniLM's mask the source sees itself alone, so that its [CLS] is a sentence vector in the very pass that also
trains the generation of the target. Shapes: N rows, L tokens, H hidden size.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import folder as folders
from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.similarity.pairs import Batch
from rosphere.text import mixture
from rosphere.text.mixture import Mixture

Pooling = Literal["cls", "mean"]
DENSE = "2_Dense"
COUNTS = "ngrams.safetensors"  # in a folder that writes by them too
AS_TRAINED = "pooler_as_trained.safetensors"  # in a folder whose saved pooler was whitened


class SimilarityModel(nn.Module):
    """A language model and a linear pooler without activation on [CLS], or on the mean of the source's states, [CLS]
    and [SEP] included; the pooler starts as the identity.
    """

    def __init__(self, language: MaskedLanguageModel, pooling: Pooling = "cls") -> None:
        super().__init__()
        self.language, self.pooling = language, pooling
        self.pooler = nn.Linear(language.config.hidden_size, language.config.hidden_size)
        nn.init.eye_(self.pooler.weight)
        nn.init.zeros_(self.pooler.bias)
        self.counts: Mixture | None = None  # of text like that it shall write; no weights

    def forward(self, batch: Batch) -> tuple[Tensor, Callable[[], Tensor]]:
        """Sentence vectors [N, H] of the sources, and what works out the rows' share of the batch's mean LM loss.

        Where [CLS] is the vector, the last block computes it and what predicts the targets; the sources' other tokens
        are read, not asked.
        """
        mask = masks.seq2seq(batch.segments_NL, batch.keep_NL)
        first, where = masks.first(batch.ids_NL), F.pad(batch.targets, (0, 1)).flatten().nonzero()[:, 0]
        if self.pooling == "cls":
            hidden = self.language.encoder(batch.ids_NL, mask, batch.segments_NL, at=torch.cat((first, where)))
            sources, predicting = hidden.split((len(first), len(where)))
        else:
            hidden_NLH = self.language.encoder(batch.ids_NL, mask, batch.segments_NL)
            sources = mean(hidden_NLH, batch.keep_NL * (1 - batch.segments_NL))
            predicting = hidden_NLH.flatten(0, 1)[where]

        def lm() -> Tensor:
            logits = self.language.logits(predicting).float()
            wanted = batch.ids_NL[:, 1:][batch.targets]
            return F.cross_entropy(logits, wanted, reduction="sum") / max(1, batch.tokens)

        return self.pooler(sources), lm

    def states(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """What the pooler is given [N, H] of single sentences."""
        mask = masks.padded(keep_NL)
        if self.pooling == "mean":
            return mean(self.language.encoder(ids_NL, mask), keep_NL)
        first: Tensor = self.language.encoder(ids_NL, mask, at=masks.first(ids_NL))
        return first

    def pooled(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """The pooler's output [N, H] for single sentences, float32."""
        vectors: Tensor = self.pooler(self.states(ids_NL, keep_NL))
        return vectors.float()

    def vectors(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """Unit vectors [N, H] of single sentences."""
        return F.normalize(self.pooled(ids_NL, keep_NL), dim=-1)


def mean(hidden_NLH: Tensor, keep_NL: Tensor) -> Tensor:
    """Means [N, H] of the rows' kept states."""
    keep = keep_NL[..., None].to(hidden_NLH.dtype)
    return (hidden_NLH * keep).sum(1) / keep.sum(1)


def save(model: SimilarityModel, folder: Path, *, tokenizer: Path) -> None:
    """A folder of Hugging Face and of sentence-transformers: encoder, [CLS] or mean, dense layer, unit length."""
    folders.save(model.language, folder, tokenizer=tokenizer)
    width = model.language.config.hidden_size
    dense = {
        "in_features": width,
        "out_features": width,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    pooling = {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": model.pooling == "cls",
        "pooling_mode_mean_tokens": model.pooling == "mean",
    }
    modules = [
        ("0", "", "Transformer"),
        ("1", "1_Pooling", "Pooling"),
        ("2", DENSE, "Dense"),
        ("3", "3_Normalize", "Normalize"),
    ]
    for name in ("1_Pooling", DENSE, "3_Normalize"):
        (folder / name).mkdir(exist_ok=True)
    _write(
        folder / "modules.json",
        [
            {"idx": int(n), "name": n, "path": path, "type": f"sentence_transformers.models.{kind}"}
            for n, path, kind in modules
        ],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    _write(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / DENSE / "config.json", dense)
    _write(folder / "3_Normalize" / "config.json", {})
    weights = {f"linear.{name}": tensor.contiguous() for name, tensor in model.pooler.state_dict().items()}
    save_file(weights, folder / DENSE / "model.safetensors", metadata={"format": "pt"})
    if model.counts:
        mixture.save(model.counts, folder / COUNTS)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load(folder: Path, *, dropout: float | None = None) -> SimilarityModel:
    """The model of a folder that ``save`` wrote, under another dropout rate if one is given."""
    weights = folder / DENSE / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"{folder}: not a sentence encoder, {DENSE}/model.safetensors is missing")
    model = SimilarityModel(folders.load(folder, dropout=dropout), pooling_of(folder))
    model.pooler.load_state_dict({n.removeprefix("linear."): t for n, t in load_file(weights).items()})
    if (folder / COUNTS).is_file():
        model.counts = mixture.load(folder / COUNTS)
    return model


def pooling_of(folder: Path) -> Pooling:
    """What the sentence-transformers folder takes for the sentence: one of the two ways that are ours.

    Raises:
        InputError: it is neither.
    """
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "cls"
    found = json.loads(path.read_text(encoding="utf-8"))
    modes = sorted(key for key, value in found.items() if key.startswith("pooling_mode_") and value)
    named = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
    if len(modes) != 1 or modes[0] not in named:
        raise InputError(f"{path}: expected the pooling to be [CLS] or the mean of tokens, got {modes}")
    return named[modes[0]]  # type: ignore[return-value]  # a literal of the two


def save_pooler(model: SimilarityModel, folder: Path) -> None:
    """The pooler as it is now, beside a model that is saved with another."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.pooler.state_dict().items()}
    save_file(state, folder / AS_TRAINED, metadata={"format": "pt"})


def load_as_trained(folder: Path) -> SimilarityModel:
    """The model of a folder under the pooler that ``save_pooler`` kept there."""
    model = load(folder)
    if not (folder / AS_TRAINED).is_file():
        raise InputError(f"{folder}: expected the pooler as it was trained, {AS_TRAINED} is missing")
    model.pooler.load_state_dict(load_file(folder / AS_TRAINED))
    return model
