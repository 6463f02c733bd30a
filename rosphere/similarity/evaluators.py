"""A sentence encoder measured on held-out groups and graded pairs, beside what costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rosphere.errors import InputError
from rosphere.similarity import retrieval
from rosphere.similarity.pairs import Groups
from rosphere.similarity.vectors import Rows, Vectors, unit
from rosphere.text import reading

OWN_TF_IDF = "TF-IDF fitted on the measured sentences"
Encode = Callable[[list[str]], Mapping[str, Vectors]]  # texts -> unit vectors by the name of the encoder


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Held-out sentences as queries, training sentences as further candidates, and graded pairs.

    An encoder is measured by the vectors [len(texts), D] of ``texts``, which it gives once.
    """

    texts: list[str]  # queries first
    group_of: NDArray[np.int64]
    queries: NDArray[np.int64]
    pairs_P2: NDArray[np.int64]  # places in ``texts``
    scores: list[float]

    def __call__(self, vectors_ND: Rows) -> dict[str, float]:
        """Recall at 1, 5 and 10 and mean reciprocal rank of the queries, Spearman's correlation of the graded pairs,
        alignment of neighbouring queries of one group, uniformity of all texts; of unit vectors.
        """
        one, other = vectors_ND[self.pairs_P2[:, 0]], vectors_ND[self.pairs_P2[:, 1]]
        ranks = retrieval.ranks(vectors_ND, self.group_of, self.queries)
        partners = self.queries[:-1][self.group_of[self.queries[:-1]] == self.group_of[self.queries[1:]]]
        return {
            **{f"recall_at_{k}": float((ranks <= k).mean()) for k in (1, 5, 10)},
            "mrr": float((1 / ranks).mean()),
            "spearman": retrieval.spearman(one, other, self.scores),
            "alignment": retrieval.alignment(vectors_ND[partners], vectors_ND[partners + 1]),
            "uniformity": retrieval.uniformity(vectors_ND),
        }


def benchmark(train: Groups, dev: Groups, gold: Path, *, most: int | None = None) -> Benchmark:
    """``most``: queries and further candidates at most, each; the first ones are taken."""
    texts = [*dev.texts[:most], *train.texts[:most]]
    held = len(dev.texts[:most])
    place = {text: number for number, text in reversed(list(enumerate(texts)))}
    known = {*dev.texts, *train.texts}
    pairs, scores = [], []
    for number, row in reading.rows(gold):
        for key in ("sentence1", "sentence2"):
            if reading.text_field(row, key, path=gold, number=number) not in known:
                raise InputError(f"{gold}:{number}: {key} stands in no group: {row[key]!r}")
        if row["sentence1"] in place and row["sentence2"] in place:
            pairs.append((place[row["sentence1"]], place[row["sentence2"]]))
            scores.append(float(row["score"]))
    if len(set(scores)) < 2:
        raise InputError(f"{gold}: expected pairs with two or more different scores, got {len(scores)} pairs")
    return Benchmark(
        texts=texts,
        group_of=np.concatenate([dev.group_of[:held], train.group_of[: len(texts) - held] + len(dev)]),
        queries=np.arange(held),
        pairs_P2=np.array(pairs),
        scores=scores,
    )


@dataclass(frozen=True, kw_only=True)
class Graded:
    """Pairs that people graded: one split of one set."""

    name: str
    split: str
    texts: list[str]
    pairs_P2: NDArray[np.int64]  # places in ``texts``
    scores: list[float]

    def spearman(self, vectors_ND: Rows) -> float:
        return retrieval.spearman(vectors_ND[self.pairs_P2[:, 0]], vectors_ND[self.pairs_P2[:, 1]], self.scores)


def graded(paths: Iterable[Path], *, most: int | None = None) -> list[Graded]:
    """The splits of <name>.jsonl files with rows {"sentence1", "sentence2", "score", "split"}, those for training out.

    ``most``: pairs of a split at most; the first ones are taken.

    Raises:
        InputError: a row lacks a field; a split has fewer than two different scores.
    """
    found = []
    for path in paths:
        splits: dict[str, list[tuple[str, str, float]]] = {}
        for number, row in reading.rows(path):
            one, two, split = (
                reading.text_field(row, k, path=path, number=number) for k in ("sentence1", "sentence2", "split")
            )
            score = reading.number_field(row, "score", path=path, number=number)
            splits.setdefault(split, []).append((one, two, score))
        found += [_graded(path, split, rows[:most]) for split, rows in sorted(splits.items()) if split != "train"]
    return found


def _graded(path: Path, split: str, rows: Sequence[tuple[str, str, float]]) -> Graded:
    if len({score for *_, score in rows}) < 2:
        raise InputError(f"{path}: expected two or more different scores in the split {split!r}")
    texts = list(dict.fromkeys(text for row in rows for text in row[:2]))
    place = {text: number for number, text in enumerate(texts)}
    return Graded(
        name=path.stem,
        split=split,
        texts=texts,
        pairs_P2=np.array([(place[one], place[two]) for one, two, _ in rows]),
        scores=[score for *_, score in rows],
    )


def correlations(
    sets: Sequence[Graded], encode: Encode, *, fit_on: list[str], dimensions: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Spearman's correlation by set and split, encoder, and whitening: "none", "whitened", "whitened to <dimensions>".

    Whitening is fitted on ``fit_on``, training sentences: fitted on the test pairs too, as the original's script does,
    it would know something of them. TF-IDF, fitted on the same, is not whitened; beside it is TF-IDF that was fitted on
    the very pairs, and does know them.
    """
    if not sets:
        return {}
    fitted = {
        name: {f"whitened{suffix}": retrieval.whitening(vectors, kept) for suffix, kept in _kept(dimensions)}
        for name, vectors in encode(fit_on).items()
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    for each in sets:
        table = found.setdefault(f"{each.name} {each.split}", {})
        table["TF-IDF"] = {"none": each.spearman(retrieval.tf_idf(fit_on, each.texts))}
        table[OWN_TF_IDF] = {"none": each.spearman(retrieval.tf_idf(each.texts, each.texts))}
        for name, vectors in encode(each.texts).items():
            table[name] = {"none": each.spearman(vectors)}
            for how, (mean, matrix) in fitted[name].items():
                table[name][how] = each.spearman(unit((vectors - mean) @ matrix))
    return found


def _kept(dimensions: int) -> list[tuple[str, int | None]]:
    return [("", None), (f" to {dimensions}", dimensions)]


def negation(path: Path, encode: Callable[[list[str]], Vectors]) -> dict[str, float]:
    """What a "not" does to cosines: of each sentence with a paraphrase and with its negation.

    ``paraphrase_nearer`` is the share of sentences whose paraphrase is nearer than the negation; 0.5 is chance.
    """
    rows = [
        [reading.text_field(row, key, path=path, number=number) for key in ("text", "same", "opposite")]
        for number, row in reading.rows(path)
    ]
    if not rows:
        raise InputError(f"{path}: expected rows with 'text', 'same' and 'opposite', the file is empty")
    text, same, opposite = np.split(encode([row[column] for column in range(3) for row in rows]), 3)
    near, far = retrieval.cosines(text, same), retrieval.cosines(text, opposite)
    return {
        "paraphrase_nearer": float((near > far).mean()),
        "paraphrase_cosine": float(near.mean()),
        "negation_cosine": float(far.mean()),
    }


def whitened(vectors_ND: Vectors, first: int, dimensions: int | None) -> Vectors:
    """The same vectors, whitened by the statistics of rows ``first`` and after: the training sentences."""
    mean, matrix = retrieval.whitening(vectors_ND[first:], dimensions)
    return unit((vectors_ND - mean) @ matrix)


def neighbours(vectors_ND: Vectors, texts: Sequence[str], queries: Sequence[int], count: int) -> list[list[str]]:
    """The ``count`` nearest texts of each query, itself left out."""
    order = np.argsort(-vectors_ND[list(queries)] @ vectors_ND.T, axis=1, kind="stable")
    return [[texts[n] for n in row if n != query][:count] for query, row in zip(queries, order, strict=True)]


def compared(measure: Benchmark, vectors: dict[str, Vectors], dimensions: int) -> dict[str, dict[str, float]]:
    """Every encoder as it is, whitened, and whitened to fewer dimensions; TF-IDF beside them, fitted on the training
    sentences, and on all.
    """
    first = len(measure.queries)
    table: dict[str, dict[str, float]] = {}
    for name, each in vectors.items():
        table[name] = measure(each)
        table[f"{name} whitened"] = measure(whitened(each, first, None))
        table[f"{name} whitened to {dimensions}"] = measure(whitened(each, first, dimensions))
    table["TF-IDF"] = measure(retrieval.tf_idf(measure.texts[first:], measure.texts))
    table[OWN_TF_IDF] = measure(retrieval.tf_idf(measure.texts, measure.texts))
    return table


def agreement(student: Vectors, teacher: Vectors) -> float:
    """Spearman's rank correlation of the two similarity matrices, over all pairs of different sentences."""
    upper = np.triu_indices(len(student), 1)
    return float(stats.spearmanr((student @ student.T)[upper], (teacher @ teacher.T)[upper]).statistic)
