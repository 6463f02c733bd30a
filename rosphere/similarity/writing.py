"""How well paraphrases are written, by measures that the model which wrote them knows nothing of.

The judge is a model of counts, fitted on text that nothing was trained on. Whatever it says is said of people's own
paraphrases too, and of what costs nothing: the best that can be had, and what has to be beaten.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rosphere.similarity import diversity, retrieval
from rosphere.similarity.pairs import Groups
from rosphere.similarity.vectors import Rows
from rosphere.text.ngrams import NGrams
from rosphere.text.tokenizer import Tokenizer

Written = Sequence[Sequence[str]]  # for each source its sentences
Encode = Callable[[list[str]], Rows]  # texts -> unit vectors


@dataclass(frozen=True, kw_only=True)
class Judge:
    """``counts``: of text not trained on. ``seen``: pairs of tokens of all text, see ``bigrams``."""

    counts: NGrams
    seen: NDArray[np.int64]
    tokenizer: Tokenizer
    encode: Encode

    def __call__(self, sources: Sequence[str], written: Written) -> dict[str, float]:
        """Of all sentences together: perplexity by ``counts``; shares with a pair of tokens that was never seen and
        with a token three times in a row; mean cosine with the source by ``encode``; mean distance from it, 1 - Jaccard
        of character bigrams; share of sources with a sentence; all zero without any.
        """
        pairs = [(source, text) for source, each in zip(sources, written, strict=True) for text in each]
        if not pairs:
            return dict.fromkeys(MEASURES, 0.0)
        ids = self.tokenizer.ids([text for _, text in pairs])
        unseen = [bool((~np.isin(codes(each, len(self.tokenizer)), self.seen)).any()) for each in ids]
        vectors = self.encode([text for pair in pairs for text in pair])
        return {
            "sentences": len(pairs),
            "answered": sum(map(bool, written)) / len(written),
            "perplexity": self.counts.perplexity(ids),
            "unseen_bigram": float(np.mean(unseen)),
            "three_in_a_row": float(np.mean([any(map(_all_equal, zip(e, e[1:], e[2:], strict=False))) for e in ids])),
            "relevance": float(retrieval.cosines(vectors[::2], vectors[1::2]).mean()),
            "distance": float(np.mean([1 - diversity.overlap(*pair) for pair in pairs])),
        }


MEASURES = ("sentences", "answered", "perplexity", "unseen_bigram", "three_in_a_row", "relevance", "distance")


def _all_equal(tokens: tuple[int, ...]) -> bool:
    return len(set(tokens)) == 1


def codes(ids: Sequence[int] | NDArray[np.int64], vocabulary: int) -> NDArray[np.int64]:
    """A number for each two tokens that follow one another."""
    tokens = np.asarray(ids, np.int64)
    return tokens[:-1] * vocabulary + tokens[1:]


def bigrams(texts: Iterable[Sequence[int] | NDArray[np.int64]], vocabulary: int) -> NDArray[np.int64]:
    """The distinct codes of texts."""
    return np.unique(np.concatenate([codes(each, vocabulary) for each in texts]))


def compared(
    judge: Judge, sources: Sequence[str], written: Written, **others: Written
) -> Mapping[str, Mapping[str, float]]:
    """The model beside others, by name, such as people, and beside the source itself."""
    rows = {"model": written, **others, "copy": [[each] for each in sources]}
    return {name: judge(sources, each) for name, each in rows.items()}


def others(groups: Groups, chosen: Sequence[int]) -> list[list[str]]:
    """What people wrote for the first sentence of these groups: the other ones."""
    return [[groups.texts[member] for member in groups.members[group][1:]] for group in chosen]


def nearest(queries_ND: Rows, candidates_MD: Rows, texts: Sequence[str]) -> list[list[str]]:
    """For each query the text of the candidate with the largest cosine."""
    best = np.argmax(retrieval.products(queries_ND, candidates_MD), axis=1)
    return [[texts[int(place)]] for place in best]


def flat(texts: Written) -> list[str]:
    return list(itertools.chain.from_iterable(texts))
