"""TF-IDF of characters: what the baselines read texts with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

BLANKS = re.compile(r"\s\s+")
LONGEST = 3  # characters of an n-gram


class NothingShared(Exception):
    """No n-gram stands in as many of the texts as are asked for: there is nothing to compare texts by."""


def characters(texts: Sequence[str], *, least: int) -> Any:
    """TF-IDF of character 1- to 3-grams that stand in ``least`` texts or more, fitted on these texts.

    Raises:
        NothingShared: there is no such n-gram.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, LONGEST), min_df=least, sublinear_tf=True)
    # A longer n-gram is never in more texts than its characters. The analyser makes small letters and joins blanks.
    found = Counter(char for text in texts for char in set(BLANKS.sub(" ", text.lower())))
    if max(found.values(), default=0) < least:
        raise NothingShared(f"no character stands in {'any text' if least == 1 else f'{least} of the texts'}")
    return vectorizer.fit(texts)
