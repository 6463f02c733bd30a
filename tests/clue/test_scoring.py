"""The tasks' metrics against other people's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue.scoring import Prediction, score
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
