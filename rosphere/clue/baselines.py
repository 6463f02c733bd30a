"""What a model has to beat: the majority class, and TF-IDF with logistic regression, on the same rows.

For entities the first is 'no entity at all' and the second a lexicon of the training mentions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from rosphere.clue.examples import gold_spans
from rosphere.clue.scoring import Prediction
from rosphere.clue.tasks import Row, Task


def majority(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    if task.kind == "entities":
        return [[] for _ in dev]
    commonest = Counter(str(row["label"]) for row in train).most_common(1)[0][0]
    return [commonest for _ in dev]


def simple(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    return lexicon(train, dev) if task.kind == "entities" else tf_idf(task, train, dev)


def tf_idf(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """Logistic regression on TF-IDF of character 1- to 3-grams; of pairs on |a - b| and a * b."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = {"train": [task.texts(row) for row in train], "dev": [task.texts(row) for row in dev]}
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    vectorizer.fit([part for parts in texts["train"] for part in parts])

    def features(rows: list[tuple[str, ...]]) -> sparse.csr_matrix:
        one, *other = (vectorizer.transform(column) for column in zip(*rows, strict=True))
        return sparse.hstack([abs(one - other[0]), one.multiply(other[0])]).tocsr() if other else one

    model = LogisticRegression(max_iter=1000, C=4.0)
    model.fit(features(texts["train"]), [str(row["label"]) for row in train])
    return [str(label) for label in np.asarray(model.predict(features(texts["dev"])))]


def lexicon(train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """Longest match, left to right, of mentions seen in training, each with its commonest label."""
    seen: dict[str, Counter[str]] = {}
    for row in train:
        for label, begin, end in gold_spans(row):
            seen.setdefault(row["text"][begin : end + 1], Counter())[label] += 1
    labels = {mention: counts.most_common(1)[0][0] for mention, counts in seen.items()}
    longest = max(map(len, labels), default=0)
    return [_matches(row["text"], labels, longest) for row in dev]


def _matches(text: str, labels: dict[str, str], longest: int) -> list[tuple[str, int, int]]:
    found, place = [], 0
    while place < len(text):
        for size in range(min(longest, len(text) - place), 0, -1):
            mention = text[place : place + size]
            if mention in labels:
                found.append((labels[mention], place, place + size - 1))
                place += size - 1
                break
        place += 1
    return found
