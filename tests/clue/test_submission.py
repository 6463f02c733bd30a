"""Files that go to CLUE, byte for byte."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import archive, submission
from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.kinds.entities import as_label
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.tasks import TASKS, Row
from rosphere.errors import InputError


def test_a_submission_of_classes(tmp_path: Path) -> None:
    rows = [{"id": 7, "sentence": "甲"}, {"id": 3, "sentence": "乙"}]
    path = submission.write_submission(TASKS["tnews"], rows, ["100", "116"], tmp_path, split="test1.1")
    assert path == tmp_path / "tnews11_predict.json"
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
    label = as_label(text, list(spans))
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


def test_a_submission_of_answers_is_one_object(tmp_path: Path) -> None:
    rows = [{"id": "TEST_0_QUERY_0"}, {"id": "TEST_0_QUERY_1"}]
    path = submission.write_submission(TASKS["cmrc2018"], rows, ["第二艘", ""], tmp_path)
    assert path.name == "cmrc2018_predict.json"
    assert json.loads(path.read_text(encoding="utf-8")) == {"TEST_0_QUERY_0": "第二艘", "TEST_0_QUERY_1": ""}


def test_a_submission_of_choices(tmp_path: Path) -> None:
    path = submission.write_submission(TASKS["c3"], [{"id": 0}, {"id": 1}], [3, 0], tmp_path, split="test1.0")
    assert (path.name, path.read_text()) == ("c310_predict.json", '{"id": 0, "label": 3}\n{"id": 1, "label": 0}\n')
    rows = [{"id": "#idiom000001#"}, {"id": "#idiom000002#"}]
    path = submission.write_submission(TASKS["chid"], rows, [9, 2], tmp_path, split="test1.1")
    assert (path.name, json.loads(path.read_text())) == (
        "chid11_predict.json",
        {"#idiom000001#": 9, "#idiom000002#": 2},
    )


def test_the_names_are_clues() -> None:
    """As CLUE's instructions give them, with the revision of 2021-09-04: 10 and 11 where a test set was replaced."""
    plain = {
        f"{name}_predict.json" for name in ("afqmc", "iflytek", "cmnli", "ocnli_50k", "csl", "cmrc2018", "cluener")
    }
    versions = {f"{name}{v}_predict.json" for name in ("tnews", "cluewsc", "c3", "chid") for v in (10, 11)}
    assert set(archive.names()) == plain | versions


CHOICES = ["甲", "乙", "丙"]
KINDS: dict[str, tuple[Row, st.SearchStrategy[Any]]] = {
    "ocnli": ({"sentence1": "甲", "sentence2": "乙"}, st.sampled_from(TASKS["ocnli"].labels)),
    "cluener": (
        {"text": "甲乙丙"},
        st.lists(st.tuples(st.sampled_from(["name", "book"]), st.integers(0, 1), st.integers(1, 2)), unique=True),
    ),
    "cmrc2018": ({"context": "甲", "question": "乙"}, st.text('甲"\n1', max_size=4)),
    "c3": ({"context": ["甲"], "question": "乙", "choice": CHOICES}, st.integers(0, 2)),
    "chid": ({"content": "#idiom#", "candidates": CHOICES}, st.integers(0, 2)),
}


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_predictions_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    task, (row, values) = TASKS[name], KINDS[name]
    guesses: list[Prediction] = data.draw(st.lists(values, min_size=1, max_size=4))
    rows = [{**row, "id": number} for number in range(len(guesses))]
    folder = tmp_path_factory.mktemp("files")
    split = next(split for split in task.files if split.startswith("test"))
    submission.write_predictions(task, rows, guesses, folder / "dev.jsonl")
    submitted = submission.write_submission(task, rows, guesses, folder, split=split)
    ordered = [sorted(guess) if isinstance(guess, list) else guess for guess in guesses]
    for path in (folder / "dev.jsonl", submitted):
        found = submission.read_predictions(task, rows, path)
        assert [sorted(guess) if isinstance(guess, list) else guess for guess in found] == ordered
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "SIZES", {})
        assert archive.validated(submitted) == (submitted.read_text(encoding="utf-8"), len(rows))


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "tnews",
            '{"id": 0, "label": "100"}\n',
            r"one prediction for each of 2 rows of tnews, got no prediction for id '1'",
        ),
        (
            "tnews",
            '{"id": 0, "label": "100"}\n{"id": 1, "label": "105"}\n',
            r":2: tnews: expected one of 100, .* '105'",
        ),
        (
            "tnews",
            '{"id": 0, "label": "100"}\n{"id": 5, "label": "101"}\n',
            r"one prediction for each of 2 rows of tnews, got no prediction for id '1'",
        ),
        (
            "tnews",
            '{"id": 0, "label": "100"}\n{"id": 1, "lable": "1"}\n',
            r":2: expected 'label' or 'prediction', the li",
        ),
        (
            "c3",
            '{"id": 0, "label": 1}\n{"id": 1, "label": 3}\n',
            r":2: c3: expected the number of a choice, from 0 to 2, got 3",
        ),
        (
            "c3",
            '{"id": 0, "label": 1}\n{"id": 1, "label": "乙"}\n',
            r":2: c3: expected the number of a choice, from 0, go",
        ),
        ("chid", '{"0": 1}', r"one prediction for each of 2 rows of chid, got no prediction for id '1'"),
        ("chid", '{"0": 1, "1": 1, "2": 1}', r"one prediction for each of 2 rows of chid, got unknown id '2'"),
        ("cmrc2018", '{"0": "甲", "1": 5}', r":1: cmrc2018: expected a text, got 5"),
        (
            "cluener",
            '{"id": 0, "label": {}}\n{"id": 1, "label": {"nam": {}}}\n',
            r":2: cluener: expected spans such as",
        ),
        (
            "cluener",
            '{"id": 0, "label": {}}\n{"id": 1, "label": {"name": ["甲"]}}\n',
            r":2: cluener: expected spans such",
        ),
    ],
)
def test_predictions_that_are_not_one_for_each_row_are_refused(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    path = tmp_path / "predictions.json"
    path.write_text(text, encoding="utf-8")
    row: Row = KINDS[name][0] if name in KINDS else {"sentence": "甲"}
    with pytest.raises(InputError, match=complaint):
        submission.read_predictions(TASKS[name], [{**row, "id": 0}, {**row, "id": 1}], path)


def submitted(folder: Path, name: str, guesses: list[Prediction], split: str = "test") -> Path:
    rows = [{"id": number, "text": "甲"} for number in range(len(guesses))]
    return submission.write_submission(TASKS[name], rows, guesses, folder, split=split)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test sets of any size."""
    monkeypatch.setattr(archive, "SIZES", {})


@pytest.mark.usefixtures("small")
def test_the_archive_holds_the_checked_files_and_nothing_else(tmp_path: Path) -> None:
    files = [
        submitted(tmp_path / "tnews", "tnews", ["100"] * 3, "test1.1"),
        submitted(tmp_path / "cmrc2018", "cmrc2018", ["甲", "乙"]),
    ]
    first = tmp_path / "one" / "submit.zip"
    assert archive.write(files, first) == {"tnews11_predict.json": 3, "cmrc2018_predict.json": 2}
    with zipfile.ZipFile(first) as packed:
        assert packed.namelist() == ["cmrc2018_predict.json", "tnews11_predict.json"], "no folders inside"
        assert packed.read("tnews11_predict.json") == files[0].read_bytes()
    again = tmp_path / "two" / "submit.zip"
    archive.write(files, again)
    assert first.read_bytes() == again.read_bytes()


@pytest.mark.usefixtures("small")
def test_an_archive_that_clue_would_not_take_is_not_written(tmp_path: Path) -> None:
    good = submitted(tmp_path, "afqmc", ["0", "1"])
    versions = [submitted(tmp_path, "tnews", ["100"], split) for split in ("test1.0", "test1.1")]
    other = tmp_path / "sentiment_predict.json"
    other.write_text('{"id": 0, "label": "1"}\n')
    twice = tmp_path / "csl_predict.json"
    twice.write_text('{"id": 0, "label": "1"}\n{"id": 0, "label": "1"}\n')
    bare = tmp_path / "iflytek_predict.json"
    bare.write_text('{"label": "1"}\n')
    empty = tmp_path / "cmrc2018_predict.json"
    empty.write_text("{}")
    nothing = tmp_path / "ocnli_50k_predict.json"
    nothing.touch()
    for files, complaint in (
        ([], "expected one or more submission files, got none"),
        ([good, other], "sentiment_predict.json: CLUE knows no such file; it takes afqmc_predict.json, "),
        (versions, "both test sets of tnews are given; 1.0 and 1.1 are two submissions"),
        ([good, good], "afqmc_predict.json is given more than once"),
        ([twice], r"csl_predict.json:2: id 0 was there before"),
        ([bare], r"iflytek_predict.json:1: expected 'id' and 'label', the line has no 'id'"),
        ([empty], "cmrc2018_predict.json: expected one JSON object, id: prediction, with something in it"),
        ([nothing], "ocnli_50k_predict.json: expected lines with 'id' and 'label', got none"),
    ):
        with pytest.raises(InputError, match=complaint):
            archive.write(files, tmp_path / "submit.zip")
    with pytest.raises(InputError, match=r"mine\.zip: CLUE takes an archive of the name submit\.zip only"):
        archive.write([good], tmp_path / "mine.zip")
    assert not list(tmp_path.glob("*.zip"))
