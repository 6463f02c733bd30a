"""Whether training made a published encoder better: before and after on the user's own pairs and on general sets.

Before is the encoder as its authors publish it, with their pooling, prompt and length; after is the finished one. What
training on few sentences of one kind costs elsewhere is called catastrophic forgetting (McCloskey and Cohen 1989).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rosphere.encoder import folder
from rosphere.randomness.streams import Stream, generator
from rosphere.similarity import bootstrap, encoding, retrieval, teachers
from rosphere.similarity import folder as similarity
from rosphere.similarity.evaluators import Benchmark, Graded
from rosphere.similarity.vectors import Vectors
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes

LONGEST = 512  # tokens of a text that a published encoder reads, or fewer where it says so itself
OWN = "labelled_pairs"  # the graded set that is made of pairs held out of the user's own
RECALLS = (1, 5, 10)
Encode = Callable[[list[str]], Vectors]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One figure of both encoders on the same ``units``: queries, or graded pairs."""

    before: float
    after: float
    difference: float
    standard_error: float  # of the difference, by the paired bootstrap
    units: int


def as_published(encoder: Path, texts: Sequence[str], *, cache: Path | None = None) -> Vectors:
    """Unit vectors [len(texts), D] as the authors of the sentence encoder have them."""
    longest = similarity.LENGTH if teachers.like_ours(encoder) else LONGEST
    return teachers.vectors(encoder, texts, max_length=longest, cache=cache)[np.arange(len(texts))]


def of_language_model(encoder: Path, texts: Sequence[str], tokenizer: Tokenizer) -> Vectors:
    """Of a bare language model, whose authors say nothing of sentences, means of the last hidden states.

    ``tokenizer`` is its own.
    """
    model = folder.load(encoder, fresh_head=True).to(processes.device())
    longest = LONGEST if model.config.rotary else min(LONGEST, model.config.max_position_embeddings)
    return encoding.mean_pooled(model, tokenizer, texts, max_length=longest)


def compared(
    measure: Benchmark, sets: Sequence[Graded], *, before: Encode, after: Encode, most: int, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """ "own": recall at 1, 5 and 10 and mean reciprocal rank of the held-out queries, and pairs held out of the user's
    own; "general": Spearman's correlation of every other graded set, of ``most`` pairs of it at most, by set and split.
    """
    taken = [sampled(each, most, seed=seed) for each in sets]
    texts = list(dict.fromkeys([*measure.texts, *(text for each in taken for text in each.texts)]))
    place = {text: number for number, text in enumerate(texts)}
    both = before(texts), after(texts)

    def rows(wanted: Sequence[str]) -> tuple[Vectors, Vectors]:
        numbers = [place[text] for text in wanted]
        return both[0][numbers], both[1][numbers]

    found = {f"{each.name} {each.split}": correlations(each, *rows(each.texts), seed=seed) for each in taken}
    own = {f"{each.name} {each.split}" for each in taken if each.name == OWN}
    return {
        "own": {
            **retrievals(measure, *rows(measure.texts), seed=seed),
            **{name: each for name, each in found.items() if name in own},
        },
        "general": {name: each for name, each in found.items() if name not in own},
    }


def sampled(each: Graded, most: int, *, seed: int) -> Graded:
    """``most`` of its pairs, drawn; all of them where there are no more, or where those drawn have one grade alone."""
    if len(each.scores) <= most:
        return each
    chosen = np.sort(generator(seed, Stream.GRADED).choice(len(each.scores), size=most, replace=False))
    scores = [each.scores[number] for number in chosen]
    if len(set(scores)) < 2:
        return each
    used, pairs = np.unique(each.pairs_P2[chosen], return_inverse=True)
    texts = [each.texts[number] for number in used]
    return replace(each, texts=texts, pairs_P2=pairs.reshape(-1, 2), scores=scores)


def retrievals(measure: Benchmark, before_ND: Vectors, after_ND: Vectors, *, seed: int) -> dict[str, dict[str, Any]]:
    """Of the queries; those of one group are drawn together."""
    one, two = (retrieval.ranks(each, measure.group_of, measure.queries) for each in (before_ND, after_ND))
    clusters = measure.group_of[measure.queries]
    found = {f"recall_at_{k}": _of_means(one <= k, two <= k, clusters, seed) for k in RECALLS}
    return {**found, "mrr": _of_means(1 / one, 1 / two, clusters, seed)}


def _of_means(before_Q: NDArray[Any], after_Q: NDArray[Any], cluster_Q: NDArray[np.int64], seed: int) -> dict[str, Any]:
    difference = after_Q.astype(np.float64) - before_Q.astype(np.float64)
    return asdict(
        Difference(
            before=float(before_Q.mean()),
            after=float(after_Q.mean()),
            difference=float(difference.mean()),
            standard_error=bootstrap.of_means(difference, cluster_Q, seed=seed),
            units=len(difference),
        )
    )


def correlations(each: Graded, before_ND: Vectors, after_ND: Vectors, *, seed: int) -> dict[str, Any]:
    """Spearman's, of the pairs of one split."""
    one, two = (retrieval.cosines(v[each.pairs_P2[:, 0]], v[each.pairs_P2[:, 1]]) for v in (before_ND, after_ND))
    before, after = each.spearman(before_ND), each.spearman(after_ND)
    error = bootstrap.of_correlations(one, two, np.array(each.scores), seed=seed)
    return asdict(
        Difference(before=before, after=after, difference=after - before, standard_error=error, units=len(each.scores))
    )
