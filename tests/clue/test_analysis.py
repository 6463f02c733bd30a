"""Where a task goes wrong, on cases small enough to count by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue.analysis import analyse, classes, lengths
from rosphere.clue.kinds.kind import NOTHING, Prediction
from rosphere.clue.scoring import score
from rosphere.clue.tasks import TASKS

LABELS = st.sampled_from(["甲", "乙", "丙"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_classes_against_sklearn(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    found = classes(pairs)
    names = [each["label"] for each in found]
    assert names == sorted({label for pair in pairs for label in pair})
    gold, said = [meant for meant, _ in pairs], [guess for _, guess in pairs]
    expected = precision_recall_fscore_support(gold, said, labels=names, zero_division=0.0)
    for values, key in zip(expected, ("precision", "recall", "f1", "gold"), strict=True):
        assert [each[key] for each in found] == pytest.approx(list(values))


def test_a_classification() -> None:
    rows = [{"sentence": "甲" * 20, "label": "1"}, {"sentence": "乙", "label": 0}, {"sentence": "丙", "label": "0"}]
    found = analyse(TASKS["sentiment"], rows, ["1", "1", "0"])
    assert found["confusion"] == [["0", "0", 1], ["0", "1", 1], ["1", "1", 1]]
    assert [each["f1"] for each in found["classes"]] == pytest.approx([2 / 3, 2 / 3])
    assert found["lengths"] == [
        {"from": 0, "to": 16, "rows": 2, "accuracy": 0.5},
        {"from": 16, "to": 32, "rows": 1, "accuracy": 1.0},
    ]
    assert found["wrong_rows"] == 1
    assert found["wrong"] == [{"row": 1, "texts": ["乙"], "gold": 0, "prediction": "1"}]


def test_the_first_twenty_wrong_rows_are_kept_in_order() -> None:
    rows = [{"sentence": str(n), "label": str(n % 2)} for n in range(60)]
    found = analyse(TASKS["sentiment"], rows, ["0"] * 60)
    assert found["wrong_rows"] == 30
    assert [row["row"] for row in found["wrong"]] == list(range(1, 40, 2))


def test_entities_of_the_same_characters_are_confused_others_missed_or_invented() -> None:
    row = {"text": "甲乙丙丁", "label": {"name": {"甲": [[0, 0]], "丙": [[2, 2]]}, "place": {"丁": [[3, 3]]}}}
    guesses: list[Prediction] = [[("name", 0, 0), ("place", 2, 2), ("organization", 0, 3)]]
    found = analyse(TASKS["entities"], [row], guesses)
    assert sorted(map(tuple, found["confusion"])) == sorted(
        [("name", "name", 1), ("name", "place", 1), (NOTHING, "organization", 1), ("place", NOTHING, 1)]
    )
    assert {each["label"]: each["gold"] for each in found["classes"]} == {"name": 2, "place": 1, "organization": 0}
    assert found["wrong"][0]["prediction"] == {
        "name": {"甲": [[0, 0]]},
        "organization": {"甲乙丙丁": [[0, 3]]},
        "place": {"丙": [[2, 2]]},
    }


SPANS = st.sets(st.tuples(st.sampled_from(["name", "place"]), st.integers(0, 2), st.integers(0, 2)), max_size=5)


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=5))
def test_the_classes_of_entities_add_up_to_the_score(pairs: list[tuple[Any, Any]]) -> None:
    """Micro F1 from the table: correct ones over what was said and what was meant."""
    rows = []
    for gold, _ in pairs:
        label: dict[str, dict[str, list[list[int]]]] = {}
        for kind, begin, end in gold:
            label.setdefault(kind, {}).setdefault(f"{begin}{end}", []).append([begin, end])
        rows.append({"text": "甲乙丙", "label": label})
    guesses: list[Prediction] = [sorted(found) for _, found in pairs]
    table = analyse(TASKS["entities"], rows, guesses)["confusion"]
    right = sum(n for gold, guess, n in table if gold == guess)
    meant = sum(n for gold, _, n in table if gold != NOTHING)
    said = sum(n for _, guess, n in table if guess != NOTHING)
    assert meant == sum(len(gold) for gold, _ in pairs) and said == sum(len(found) for _, found in pairs)
    assert score(TASKS["entities"], rows, guesses) == pytest.approx(2 * right / max(1, meant + said))


def test_answers_and_choices() -> None:
    rows: list[dict[str, Any]] = [
        {"question": "问", "context": "甲乙", "answers": {"text": ["甲"]}},
        {"question": "问", "context": "甲" * 600, "answers": {"text": ["甲"]}},
    ]
    found = analyse(TASKS["cmrc2018"], rows, ["甲", "乙"])
    assert (found["confusion"], found["classes"], found["wrong_rows"]) == ([], [], 1)
    assert [(each["from"], each["to"], each["em"]) for each in found["lengths"]] == [(0, 16, 1.0), (512, 1024, 0.0)]
    assert (found["wrong"][0]["gold"], found["wrong"][0]["prediction"]) == (["甲"], "乙")
    rows = [{"context": ["甲"], "question": "问", "choice": ["丙", "丁"], "answer": "丁"}]
    found = analyse(TASKS["c3"], rows, [0])
    assert found["confusion"] == [["1", "0", 1]]
    assert found["wrong"] == [{"row": 0, "texts": ["甲", "问"], "gold": "丁", "prediction": "丙"}]


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=30))
def test_every_row_is_in_one_bucket(sizes: list[int]) -> None:
    rows = [{"sentence": "甲" * size, "label": "0"} for size in sizes]
    found = lengths(TASKS["sentiment"], rows, ["0"] * len(rows))
    assert sum(each["rows"] for each in found) == len(rows)
    for each in found:
        inside = [size for size in sizes if each["from"] <= size and (each["to"] is None or size < each["to"])]
        assert len(inside) == each["rows"] > 0
