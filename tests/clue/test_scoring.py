"""The tasks' metrics against other people's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.scoring import measures, right, score
from rosphere.clue.tasks import TASKS
from rosphere.errors import InputError

LABELS = TASKS["entities"].labels
SPANS = st.sets(st.tuples(st.sampled_from(LABELS), st.integers(0, 3), st.integers(0, 3)), max_size=6)


def row(spans: set[tuple[str, int, int]]) -> dict[str, Any]:
    """As CLUENER writes them; the mention is of no importance to the score."""
    label: dict[str, dict[str, list[list[int]]]] = {}
    for kind, begin, end in sorted(spans):
        label.setdefault(kind, {}).setdefault(f"{begin}-{end}", []).append([begin, end])
    return {"text": "甲乙丙丁", "label": label}


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=6))
def test_f1_against_sklearn(pairs: list[tuple[set[tuple[str, int, int]], set[tuple[str, int, int]]]]) -> None:
    """Every possible span of every text as one binary decision, micro F1 over all of them."""
    from sklearn.metrics import f1_score

    universe = [(kind, begin, end) for kind in LABELS for begin in range(4) for end in range(4)]
    truth = [int(span in gold) for gold, _ in pairs for span in universe]
    guess = [int(span in found) for _, found in pairs for span in universe]
    expected = f1_score(truth, guess, zero_division=0.0)
    ours = score(TASKS["entities"], [row(gold) for gold, _ in pairs], [sorted(found) for _, found in pairs])
    assert ours == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), min_size=1, max_size=30))
def test_accuracy_against_sklearn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import accuracy_score

    labels = TASKS["tnews"].labels
    rows = [{"sentence": "甲", "label": int(labels[gold])} for gold, _ in pairs]  # numbers count like texts
    expected = accuracy_score([gold for gold, _ in pairs], [guess for _, guess in pairs])
    assert score(TASKS["tnews"], rows, [labels[guess] for _, guess in pairs]) == pytest.approx(expected)


def test_f1_of_a_small_case() -> None:
    rows = [row({("name", 0, 1), ("place", 2, 3)}), row(set())]
    guesses: list[Prediction] = [[("name", 0, 1), ("name", 2, 3)], [("place", 0, 0)]]
    assert score(TASKS["entities"], rows, guesses) == pytest.approx(2 * 1 / (2 * 1 + 2 + 1))


def test_a_span_counts_only_whole_with_its_label_and_once() -> None:
    rows = [row({("name", 0, 2)})]
    wrong: list[list[tuple[str, int, int]]] = [[("name", 0, 1)], [("place", 0, 2)], []]
    assert [score(TASKS["entities"], rows, [guess]) for guess in wrong] == [0.0, 0.0, 0.0]
    assert score(TASKS["entities"], rows, [[("name", 0, 2), ("name", 0, 2)]]) == 1.0


def test_predictions_that_do_not_match_the_rows_are_refused() -> None:
    with pytest.raises(InputError, match="tnews: 2 rows but 1 predictions"):
        score(TASKS["tnews"], [{"label": "100"}] * 2, ["100"])


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=5))
def test_f1_against_counting_by_hand(pairs: list[tuple[set[tuple[str, int, int]], set[tuple[str, int, int]]]]) -> None:
    """As seqeval counts: an entity of a sentence is right if the very same one is in gold."""
    hits = sum(any(guess == gold for gold in golds) for golds, guesses in pairs for guess in guesses)
    said, meant = sum(len(guesses) for _, guesses in pairs), sum(len(golds) for golds, _ in pairs)
    precision, recall = hits / said if said else 0.0, hits / meant if meant else 0.0
    expected = 2 * precision * recall / (precision + recall) if hits else 0.0
    ours = score(TASKS["entities"], [row(gold) for gold, _ in pairs], [list(found) for _, found in pairs])
    assert ours == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_accuracy_of_choices_given_by_number_and_in_words(pairs: list[tuple[int, int]]) -> None:
    choices = ["甲", "乙", "丙", "丁"]
    expected = sum(gold == guess for gold, guess in pairs) / len(pairs)
    guesses: list[Prediction] = [guess for _, guess in pairs]
    for name, field in (("c3", "choice"), ("chid", "candidates")):
        numbers = [{field: choices, "answer": gold} for gold, _ in pairs]
        words = [{field: choices, "answer": choices[gold]} for gold, _ in pairs]
        assert score(TASKS[name], numbers, guesses) == score(TASKS[name], words, guesses) == pytest.approx(expected)


def test_answers_have_three_measures() -> None:
    rows = [{"answers": {"text": ["甲乙", "丙"]}}, {"answers": {"text": ["丁戊"]}}]
    found = measures(TASKS["cmrc2018"], rows, ["丙。", "丁"])
    assert found == {"em": 0.5, "f1": pytest.approx((1 + 2 / 3) / 2), "mean_of_em_and_f1": pytest.approx(2 / 3)}
    assert score(TASKS["cmrc2018"], rows, ["丙。", "丁"]) == 0.5
    assert [right(TASKS["cmrc2018"], row, guess) for row, guess in zip(rows, ["丙", "丁"], strict=True)] == [
        True,
        False,
    ]
