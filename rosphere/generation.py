"""Similar sentences by nucleus sampling, ranked by the model's own similarity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rosphere import similarity
from rosphere.encoder.model import Cache, MaskedLanguageModel
from rosphere.similarity import SimilarityModel
from rosphere.text.tokenizer import SPECIALS, UNUSED, Tokenizer


def nucleus(logits_NV: Tensor, top_p: float, generator: torch.Generator) -> Tensor:
    """One token per row from the smallest set of tokens whose probabilities reach ``top_p``.

    Holtzman et al. 2020, arXiv 1904.09751.
    """
    probabilities, order = logits_NV.float().softmax(-1).sort(dim=-1, descending=True)
    outside = probabilities.cumsum(-1) - probabilities >= top_p
    outside[:, 0] = False  # top_p = 0 is greedy
    drawn = torch.multinomial(probabilities.masked_fill(outside, 0.0), 1, generator=generator)
    return order.gather(1, drawn).squeeze(1)


@torch.no_grad()
def sample(
    model: MaskedLanguageModel,
    tokenizer: Tokenizer,
    source: Sequence[int],
    *,
    count: int,
    longest: int,
    top_p: float,
    generator: torch.Generator,
) -> list[list[int]]:
    """``count`` continuations of [CLS] source [SEP]; those that do not end within ``longest`` tokens are dropped."""
    device = next(model.parameters()).device
    cache: Cache = []
    prefix = torch.tensor([[tokenizer.cls, *source, tokenizer.sep]], device=device)
    hidden = model.encoder(prefix, None, None, cache)[:, -1].expand(count, -1)
    cache[:] = [(k.expand(count, -1, -1, -1), v.expand(count, -1, -1, -1)) for k, v in cache]
    known = map(tokenizer.backend.token_to_id, (*SPECIALS, *UNUSED))
    banned = torch.tensor([n for n in known if n is not None and n != tokenizer.sep], device=device)
    drawn: list[Tensor] = []
    for _ in range(longest):
        logits = model.logits(hidden).index_fill(-1, banned, -torch.inf)
        drawn.append(nucleus(logits.cpu(), top_p, generator).to(device))
        if bool((torch.stack(drawn) == tokenizer.sep).any(0).all()):
            break
        token = drawn[-1][:, None]
        hidden = model.encoder(token, None, torch.ones_like(token), cache)[:, -1]
    rows = torch.stack(drawn, dim=1).tolist()
    return [row[: row.index(tokenizer.sep)] for row in rows if tokenizer.sep in row]


def paraphrases(
    model: SimilarityModel,
    tokenizer: Tokenizer,
    text: str,
    *,
    samples: int = 50,
    keep: int = 5,
    top_p: float = 0.95,
    longest: int = 40,
    seed: int = 0,
) -> list[tuple[str, float]]:
    """(sentence, cosine to ``text``), best first: distinct, not the input itself, at most ``keep``."""
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    source = tokenizer.ids([text])[0][:longest]
    found = sample(model.language, tokenizer, source, count=samples, longest=longest, top_p=top_p, generator=generator)
    written = {tokenizer.decode(ids): None for ids in found if ids}
    written.pop(tokenizer.decode(source), None)
    if not written:
        return []
    vectors = similarity.encode(model, tokenizer, [text, *written])
    scores = vectors[1:] @ vectors[0]
    ranked = sorted(zip(written, map(float, scores), strict=True), key=lambda item: -item[1])
    return ranked[:keep]
