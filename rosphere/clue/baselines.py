"""What a model has to beat on the same rows: the commonest answer, and something simple that reads the text.

Of entities the first is 'no entity at all' and the second a lexicon of the training mentions. Of answers and choices
the second is the clause, or the choice, that shares most with the question, or with the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from rosphere.clue.gold.choices import chosen
from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.scoring import Prediction
from rosphere.clue.tasks import Row, Task

NAMES = {
    "classification": "TF-IDF + logistic regression",
    "entities": "lexicon",
    "spans": "nearest clause by TF-IDF",
    "choices": "nearest choice by TF-IDF",
}
CLAUSE = re.compile(r"[^，。！？；,!?;\n]+")


def majority(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """The commonest class, place of the right choice, or answer of the training rows; no entities."""
    match task.kind:
        case "entities":
            return [[] for _ in dev]
        case "classification":
            commonest = Counter(str(row[task.gold]) for row in train).most_common(1)[0][0]
            return [commonest for _ in dev]
        case "choices":
            place = Counter(chosen(task, row) for row in train).most_common(1)[0][0]
            return [place for _ in dev]
        case "spans":
            answer = Counter(str(text) for row in train for text in row[task.gold]["text"]).most_common(1)[0][0]
            return [answer for _ in dev]


def simple(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    match task.kind:
        case "entities":
            return lexicon(train, dev)
        case "classification":
            return tf_idf(task, train, dev)
        case "choices":
            return nearest_choice(task, train, dev)
        case "spans":
            return nearest_clause(task, train, dev)


def _characters(texts: Sequence[str], *, least: int) -> Any:
    """TF-IDF of character 1- to 3-grams, fitted on these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=least, sublinear_tf=True).fit(texts)


def nearest_choice(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """The choice with the highest cosine to the texts; the first of equals."""
    assert task.choices is not None
    vectorizer = _characters([text for row in train for text in (*task.texts(row), *task.choices(row))], least=1)
    texts = vectorizer.transform(["\n".join(task.texts(row)) for row in dev])
    found: list[Prediction] = []
    for number, row in enumerate(dev):
        found.append(int((vectorizer.transform(task.choices(row)) @ texts[number].T).toarray().argmax()))
    return found


def nearest_clause(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """The clause of the text with the highest cosine to the question; the first of equals."""
    vectorizer = _characters([text for row in train for text in task.texts(row)], least=2)
    found: list[Prediction] = []
    for row in dev:
        question, context = task.texts(row)
        clauses = CLAUSE.findall(context) or [context]
        likeness = vectorizer.transform(clauses) @ vectorizer.transform([question]).T
        found.append(clauses[int(likeness.toarray().argmax())])
    return found


def tf_idf(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """Logistic regression on TF-IDF of character 1- to 3-grams; of pairs on |a - b| and a * b."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    texts = {"train": [task.texts(row) for row in train], "dev": [task.texts(row) for row in dev]}
    vectorizer = _characters([part for parts in texts["train"] for part in parts], least=2)

    def features(rows: list[tuple[str, ...]]) -> sparse.csr_matrix:
        one, *other = (vectorizer.transform(column) for column in zip(*rows, strict=True))
        return sparse.hstack([abs(one - other[0]), one.multiply(other[0])]).tocsr() if other else one

    model = LogisticRegression(max_iter=1000, C=4.0)
    model.fit(features(texts["train"]), [str(row[task.gold]) for row in train])
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
