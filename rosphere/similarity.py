"""RoFormer-Sim: one encoder that compares sentences and writes similar ones (Su 2021, kexue.fm/archives/8454).

Under UniLM's mask the source sees itself alone, so that its [CLS] is a sentence vector in the very pass that also
trains the generation of the target. Shapes: N rows, L tokens, H hidden size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import folder as folders
from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.encoder.precision import Precision, autocast
from rosphere.errors import InputError
from rosphere.pairs import Batch
from rosphere.text.tokenizer import Tokenizer

DENSE = "2_Dense"
TOKENS_A_BATCH, GPU_TIMES = 2048, 16


class SimilarityModel(nn.Module):
    """A language model and a linear pooler without activation on [CLS]; the pooler starts as the identity."""

    def __init__(self, language: MaskedLanguageModel) -> None:
        super().__init__()
        self.language = language
        self.pooler = nn.Linear(language.config.hidden_size, language.config.hidden_size)
        nn.init.eye_(self.pooler.weight)
        nn.init.zeros_(self.pooler.bias)

    def forward(self, batch: Batch) -> tuple[Tensor, Callable[[], Tensor]]:
        """Sentence vectors [N, H] of the sources, and what works out the rows' share of the batch's mean LM loss.

        The last block computes [CLS] and what predicts the targets; the sources' other tokens are read, not asked.
        """
        mask = masks.seq2seq(batch.segments_NL, batch.keep_NL)
        first, where = masks.first(batch.ids_NL), F.pad(batch.targets, (0, 1)).flatten().nonzero()[:, 0]
        hidden = self.language.encoder(batch.ids_NL, mask, batch.segments_NL, at=torch.cat((first, where)))

        def lm() -> Tensor:
            logits = self.language.logits(hidden[len(first) :]).float()
            return F.cross_entropy(logits, batch.ids_NL[:, 1:][batch.targets], reduction="sum") / batch.tokens

        return self.pooler(hidden[: len(first)]), lm

    def pooled(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """The pooler's output [N, H] for single sentences, float32."""
        hidden = self.language.encoder(ids_NL, masks.padded(keep_NL), at=masks.first(ids_NL))
        vectors: Tensor = self.pooler(hidden)
        return vectors.float()

    def vectors(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        """Unit vectors [N, H] of single sentences."""
        return F.normalize(self.pooled(ids_NL, keep_NL), dim=-1)


def padded(sequences: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """(ids, keep), both [N, L]."""
    longest = max(map(len, sequences))
    ids = torch.tensor([[*sequence, *[pad] * (longest - len(sequence))] for sequence in sequences])
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return ids, (torch.arange(longest) < lengths[:, None]).long()


def like_lengths(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Numbers of rows, shortest first, in batches of at most ``tokens`` tokens when padded to the batch's longest row.

    A row that alone is longer is a batch of its own.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def room(tokens: int, device: torch.device) -> int:
    """Tokens of a batch: as many as a CPU's caches hold, and what keeps a GPU busy."""
    return tokens if device.type == "cpu" else GPU_TIMES * tokens


def in_batches(
    compute: Callable[[Tensor, Tensor], Tensor],
    language: MaskedLanguageModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    longest: int,
    precision: Precision = "fp32",
    kinds: int = 1,
) -> NDArray[np.float32]:
    """compute(ids_NL, keep_NL) -> [N, kinds x H] over all texts, in their order.

    Batches are made of texts of like length.
    """
    weight = language.encoder.words.weight
    sequences = [[tokenizer.cls, *ids[: longest - 2], tokenizer.sep] for ids in tokenizer.ids(texts)]
    found = np.empty((len(texts), kinds * language.config.hidden_size), np.float32)
    with torch.inference_mode(), autocast(precision, weight.device):
        for chosen in like_lengths([len(each) for each in sequences], room(TOKENS_A_BATCH, weight.device)):
            ids, keep = padded([sequences[number] for number in chosen], tokenizer.pad)
            found[chosen] = compute(ids.to(weight.device), keep.to(weight.device)).cpu().numpy()
    return found


def encode(
    model: SimilarityModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    longest: int = 64,
    precision: Precision = "fp32",
) -> NDArray[np.float32]:
    """Unit vectors [len(texts), H] in the texts' order.

    In float32 a text's vector is the same alone and among others, on every machine and in sentence-transformers, to
    1e-5. bf16 is off by up to about 1e-2, and faster where ``encoder.precision.bf16_unit`` names something.
    """
    model.eval()
    return in_batches(model.vectors, model.language, tokenizer, texts, longest=longest, precision=precision)


def even_out(
    model: SimilarityModel, tokenizer: Tokenizer, texts: Sequence[str], power: float, *, longest: int = 64
) -> None:
    """Evens out, in place, how much the vectors of ``texts`` vary in different directions: half-whitening at power 0.5.

    With m and C = U diag(s) U^T the mean and covariance of the pooler's output p over ``texts``, p becomes
    M p - (1 - |m| / |M m|) M m, M = c C^(-power/2), c such that the total variance stays. So does the length of the
    mean, and with both the spread of cosines. Power 0 changes nothing. Whitening (Su et al. 2021, arXiv 2103.15316) has
    power 1 and no mean left. Directions of less than 1e-6 of the largest variance, where nothing was seen, are treated
    as if they had so much.

    Raises:
        InputError: a power outside [0, 1], texts that all have the same vector.
    """
    if not 0 <= power <= 1:
        raise InputError(f"even_out: expected a power from 0 to 1, got {power}")
    if not power:
        return
    model.eval()
    found = in_batches(model.pooled, model.language, tokenizer, texts, longest=longest)
    if len(found) < 2 or not np.ptp(found, axis=0).any():
        raise InputError(f"even_out: expected texts whose vectors differ, got {len(found)} with one vector at most")
    mean = found.mean(0, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.cov(found.T.astype(np.float64)))
    scales = np.maximum(variances, 1e-6 * variances.max()) ** (-power / 2)
    scales *= np.sqrt(variances.sum() / (variances * scales**2).sum())
    matrix = (axes * scales) @ axes.T
    moved = matrix @ mean
    shift = (1 - np.linalg.norm(mean) / np.linalg.norm(moved)) * moved
    with torch.no_grad():
        weight, bias = model.pooler.weight, model.pooler.bias
        change = torch.from_numpy(matrix).to(weight.device)
        weight.copy_(change @ weight.double())
        bias.copy_(change @ bias.double() - torch.from_numpy(shift).to(bias.device))


def mean_pooled(
    model: MaskedLanguageModel, tokenizer: Tokenizer, texts: Sequence[str], *, longest: int = 64
) -> NDArray[np.float32]:
    """Mean of the last hidden states: the usual sentence vector of an encoder never trained for similarity."""
    model.eval()

    def compute(ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        hidden = model.encoder(ids_NL, masks.padded(keep_NL)).float() * keep_NL[..., None]
        return F.normalize(hidden.sum(1), dim=-1)

    return in_batches(compute, model, tokenizer, texts, longest=longest)


POOLINGS = ("[CLS]", "pooler", "mean of the last layer", "mean of the first and last layers")


def poolings(
    model: SimilarityModel, tokenizer: Tokenizer, texts: Sequence[str], *, longest: int = 64
) -> dict[str, NDArray[np.float32]]:
    """Unit vectors [len(texts), H] by each of POOLINGS, all from one pass.

    They are P1 to P4 of Su 2021 (kexue.fm/archives/8321): the last state of [CLS]; the same through the linear pooler,
    which is what ``encode`` gives; the mean of the last states, [CLS] and [SEP] included; the mean of the first and
    the last block's.
    """
    model.eval()
    first: list[Tensor] = []
    hook = model.language.encoder.blocks[0].register_forward_hook(lambda _, __, output: first.append(output[0]))

    def compute(ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        last = model.language.encoder(ids_NL, masks.padded(keep_NL)).float()
        share = (keep_NL / keep_NL.sum(1, keepdim=True))[..., None]
        mean, mean_of_first = ((hidden.float() * share).sum(1) for hidden in (last, first.pop()))
        found = (last[:, 0], model.pooler(last[:, 0]).float(), mean, (mean_of_first + mean) / 2)
        return torch.cat([F.normalize(each, dim=-1) for each in found], dim=-1)

    try:
        whole = in_batches(compute, model.language, tokenizer, texts, longest=longest, kinds=len(POOLINGS))
    finally:
        hook.remove()
    return dict(zip(POOLINGS, np.split(whole, len(POOLINGS), axis=1), strict=True))


def save(model: SimilarityModel, folder: Path, *, tokenizer: Path) -> None:
    """A Hugging Face folder that is a sentence-transformers folder too: encoder, [CLS], dense layer, unit length."""
    folders.save(model.language, folder, tokenizer=tokenizer)
    width = model.language.config.hidden_size
    dense = {
        "in_features": width,
        "out_features": width,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    pooling = {"word_embedding_dimension": width, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
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


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load(folder: Path, *, dropout: float | None = None) -> SimilarityModel:
    """The model of a folder that ``save`` wrote, under another dropout rate if one is given."""
    weights = folder / DENSE / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"{folder}: not a sentence encoder, {DENSE}/model.safetensors is missing")
    model = SimilarityModel(folders.load(folder, dropout=dropout))
    model.pooler.load_state_dict({n.removeprefix("linear."): t for n, t in load_file(weights).items()})
    return model
