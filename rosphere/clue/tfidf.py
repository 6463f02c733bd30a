"""TF-IDF of characters: what the baselines read texts with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def characters(texts: Sequence[str], *, least: int) -> Any:
    """TF-IDF of character 1- to 3-grams that stand in ``least`` texts or more, fitted on these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=least, sublinear_tf=True).fit(texts)
