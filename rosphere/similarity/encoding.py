"""Texts to sentence vectors, by the pooler or by means. Shapes: N texts, L tokens, H hidden size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.encoder.precision import Precision, autocast
from rosphere.similarity.model import SimilarityModel
from rosphere.text import batching
from rosphere.text.tokenizer import Tokenizer


def in_batches(
    compute: Callable[[Tensor, Tensor], Tensor],
    language: MaskedLanguageModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    max_length: int,
    precision: Precision = "fp32",
    kinds: int = 1,
) -> NDArray[np.float32]:
    """compute(ids_NL, keep_NL) -> [N, kinds x H] over all texts, in their order.

    Batches are made of texts of like length.
    """
    weight = language.encoder.words.weight
    sequences = [[tokenizer.cls, *ids[: max_length - 2], tokenizer.sep] for ids in tokenizer.ids(texts)]
    found = np.empty((len(texts), kinds * language.config.hidden_size), np.float32)
    with torch.inference_mode(), autocast(precision, weight.device):
        budget = batching.token_budget(batching.TOKENS_A_BATCH, weight.device)
        for chosen in batching.length_buckets([len(each) for each in sequences], budget):
            ids, keep = batching.pad([sequences[number] for number in chosen], tokenizer.pad)
            found[chosen] = compute(ids.to(weight.device), keep.to(weight.device)).cpu().numpy()
    return found


def encode(
    model: SimilarityModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    max_length: int = 64,
    precision: Precision = "fp32",
) -> NDArray[np.float32]:
    """Unit vectors [len(texts), H] in the texts' order, [len(texts), 2 H] with a lexical half.

    In float32 a text's vector is the same alone and among others, on every machine and in sentence-transformers, to
    1e-5. bf16 is off by up to about 1e-2, and faster where ``encoder.precision.bf16_unit`` names something.
    """
    model.eval()
    kinds = model.halves
    return in_batches(
        model.vectors, model.language, tokenizer, texts, max_length=max_length, precision=precision, kinds=kinds
    )


def mean_pooled(
    model: MaskedLanguageModel, tokenizer: Tokenizer, texts: Sequence[str], *, max_length: int = 64
) -> NDArray[np.float32]:
    """Mean of the last hidden states: the usual sentence vector of an encoder never trained for similarity."""
    model.eval()

    def compute(ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        hidden = model.encoder(ids_NL, masks.padded(keep_NL)).float() * keep_NL[..., None]
        return F.normalize(hidden.sum(1), dim=-1)

    return in_batches(compute, model, tokenizer, texts, max_length=max_length)


POOLINGS = ("[CLS]", "pooler", "mean of the last layer", "mean of the first and last layers")


def poolings(
    model: SimilarityModel, tokenizer: Tokenizer, texts: Sequence[str], *, max_length: int = 64
) -> dict[str, NDArray[np.float32]]:
    """Unit vectors [len(texts), H] by each of POOLINGS, all from one pass.

    They are P1 to P4 of Su 2021 (kexue.fm/archives/8321): the last state of [CLS]; the same through the linear pooler,
    or the mean through it where the model pools so, which is what ``encode`` gives; the mean of the last states, [CLS]
    and [SEP] included; the mean of the first and the last block's.
    """
    model.eval()
    first: list[Tensor] = []
    hook = model.language.encoder.blocks[0].register_forward_hook(lambda _, __, output: first.append(output[0]))

    def compute(ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        last = model.language.encoder(ids_NL, masks.padded(keep_NL)).float()
        share = (keep_NL / keep_NL.sum(1, keepdim=True))[..., None]
        mean, mean_of_first = ((hidden.float() * share).sum(1) for hidden in (last, first.pop()))
        pooled = last[:, 0] if model.pooling == "cls" else mean
        found = (last[:, 0], model.pooler(pooled).float(), mean, (mean_of_first + mean) / 2)
        return torch.cat([F.normalize(each, dim=-1) for each in found], dim=-1)

    try:
        whole = in_batches(compute, model.language, tokenizer, texts, max_length=max_length, kinds=len(POOLINGS))
    finally:
        hook.remove()
    return dict(zip(POOLINGS, np.split(whole, len(POOLINGS), axis=1), strict=True))
