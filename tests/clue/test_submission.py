"""Files that go to CLUE, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import submission
from rosphere.clue.examples import gold_spans
from rosphere.clue.tasks import TASKS


def test_a_submission_of_classes(tmp_path: Path) -> None:
    rows = [{"id": 7, "sentence": "甲"}, {"id": 3, "sentence": "乙"}]
    path = submission.write_submission(TASKS["tnews"], rows, ["100", "116"], tmp_path)
    assert path == tmp_path / "tnews_predict.json"
    assert path.read_text() == '{"id": 7, "label": "100"}\n{"id": 3, "label": "116"}\n'


def test_a_submission_of_spans_is_cluener_s(tmp_path: Path) -> None:
    rows = [{"id": 0, "text": "江泽民在北京"}, {"id": 1, "text": "无"}]
    path = submission.write_submission(TASKS["cluener"], rows, [[("name", 0, 2), ("address", 4, 5)], []], tmp_path)
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"id": 0, "label": {"address": {"北京": [[4, 5]]}, "name": {"江泽民": [[0, 2]]}}, "text": "江泽民在北京"},
        {"id": 1, "label": {}, "text": "无"},
    ]


def test_rows_without_an_id_are_numbered(tmp_path: Path) -> None:
    path = submission.write_submission(TASKS["tnews"], [{"sentence": "甲"}] * 2, ["100", "101"], tmp_path)
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [0, 1]


@given(st.text("甲乙", min_size=1, max_size=6), st.data())
def test_spans_read_back_as_they_were_predicted(text: str, data: st.DataObject) -> None:
    place = st.integers(0, len(text) - 1)
    span = st.tuples(st.sampled_from(["name", "address"]), place, place).filter(lambda span: span[1] <= span[2])
    spans = data.draw(st.sets(span))
    label = submission.as_label(text, list(spans))
    assert set(gold_spans({"text": text, "label": label})) == spans
    assert isinstance(label, dict)
    for mentions in label.values():
        for mention, places in mentions.items():
            assert all(text[begin : end + 1] == mention for begin, end in places)


def test_predictions_stand_beside_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    submission.write_predictions(TASKS["tnews"], [{"sentence": "甲", "label": "101"}], ["100"], path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"sentence": "甲", "label": "101", "prediction": "100"}
    submission.write_predictions(TASKS["entities"], [{"text": "北京"}], [[("place", 0, 1)]], path)
    assert json.loads(path.read_text(encoding="utf-8"))["prediction"] == {"place": {"北京": [[0, 1]]}}


def test_predictions_that_do_not_match_the_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        submission.write_submission(TASKS["tnews"], [{"sentence": "甲"}], [], tmp_path)
