"""What is packed is what was checked: CLUE's own form and order, nothing too few, nothing out of bounds."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from rosphere.cli.clue import measured
from rosphere.clue import archive, baselines, reading, scoring
from rosphere.clue.kinds.entities import Entities
from rosphere.clue.tasks import TASKS
from rosphere.errors import InputError

LINES = '{"id": 0, "label": "1"}\n{"id": 1, "label": "0"}\n{"id": 2, "label": "1"}\n'


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SIZES", {"afqmc_predict.json": 3})


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "\ufeff" + LINES,
        LINES.replace("\n", "\r\n\r\n"),
        LINES.replace('"1"', "1").replace('"0"', "0"),
        '[{"id": "2", "label": 1}, {"label": "0", "id": 1}, {"id": 0, "label": "1", "note": "x"}]',
    ],
)
def test_predictions_are_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "afqmc_predict.json"
    path.write_text(text, encoding="utf-8")
    archive.write([path], tmp_path / "submit.zip")
    with zipfile.ZipFile(tmp_path / "submit.zip") as packed:
        assert packed.read("afqmc_predict.json").decode() == LINES


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("afqmc", '{"id": 0, "label": "1"}\n', r"expected 3 predictions, one for each row of the test set, got 1"),
        ("afqmc", LINES.replace('"id": 2', '"id": 3'), r":3: expected the ids 0 to 2, got 3 and no 2"),
        ("afqmc", LINES.replace('"id": 2', '"id": 1'), r":3: id 1 was there before"),
        ("afqmc", LINES.replace('"id": 2', '"id": "1"'), r":3: id '1' was there before"),
        ("afqmc", LINES.replace('"id": 2, ', ""), r":3: expected an 'id', as other lines have one"),
        ("afqmc", LINES.replace('"id": 2', '"id": 2.0'), r":3: expected a number or a text as 'id', got 2\.0"),
        (
            "afqmc",
            LINES.replace('"id": 2', '"id": 2, "id": 2'),
            r"expected every key once in an object, got 'id' twice",
        ),
        ("afqmc", LINES.replace('"label": "0"', '"label": null'), r":2: afqmc: expected one of 0, 1, got None"),
        ("c311", '{"id": 0, "label": 7}\n', r":1: c3: expected the number of a choice, from 0 to 3, got 7"),
        ("chid11", '{"#idiom000001#": 12}', r"expected the number of a choice, from 0 to 9, got 12"),
        ("chid11", '{"#idiom000001#": 1, "#idiom000001#": 2}', r"expected every key once in an object, got '#idiom00"),
        ("chid11", '{"#idiom000001#": -1}', r"expected the number of a choice, from 0 to 9, got -1"),
        (
            "cluener",
            '{"id": 0, "label": {"name": {"江泽民": [[0, 3]]}}}\n',
            r"'江泽民' is not as long as 0 to 3; the second number is that of the last character",
        ),
    ],
)
def test_what_clue_would_not_take_is_refused(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    path = tmp_path / f"{name}_predict.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        archive.write([path], tmp_path / "submit.zip")
    assert not (tmp_path / "submit.zip").exists()


def test_with_the_test_file_ids_and_order_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "csl").mkdir()
    rows = [{"id": number, "keyword": ["甲"], "abst": "乙"} for number in (2415, 7)]
    (tmp_path / "csl" / "test.json").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path = tmp_path / "csl_predict.json"
    path.write_text('{"id": 7, "label": "0"}\n{"id": 2415, "label": 1}\n', encoding="utf-8")
    assert archive.validated(path, tmp_path) == ('{"id": 2415, "label": "1"}\n{"id": 7, "label": "0"}\n', 2)
    assert archive.validated(path)[0].startswith('{"id": 7'), "without it the order stays"
    assert "only the test file tells" in archive.note("csl_predict.json")
    path.write_text('{"id": 7, "label": "0"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"one prediction for each of 2 rows of csl, got no prediction for id '2415'"):
        archive.validated(path, tmp_path)


def put(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_without_a_label_are_passed_over_by_id_and_by_order(tmp_path: Path) -> None:
    row = {"sentence1": "甲", "sentence2": "乙"}
    labels = ("neutral", "-", "entailment")
    gold = put(tmp_path / "dev.json", *({**row, "label": label} for label in labels))
    said = [{"label": label} for label in ("neutral", "entailment", "neutral")]
    numbered = [{"id": number, **line} for number, line in enumerate(said)]
    for lines in (said, numbered, numbered[::-1], [said[0], said[2]], [numbered[2], numbered[0]]):
        assert measured("ocnli", gold, put(tmp_path / "guess.json", *lines)) == {"accuracy": 0.5}
    with pytest.raises(InputError, match=r"expected 2 predictions, .*, or 3 with those labelled '-', got 1"):
        measured("ocnli", gold, put(tmp_path / "guess.json", said[0]))
    with pytest.raises(InputError, match=r"unknown id '3'"):
        measured("ocnli", gold, put(tmp_path / "guess.json", *numbered, {"id": 3, "label": "neutral"}))


def test_gold_without_a_label_is_one_line(tmp_path: Path) -> None:
    guess = put(tmp_path / "guess.json")
    with pytest.raises(InputError, match=r"dev\.json: expected labelled rows of ocnli, got none$"):
        measured("ocnli", put(tmp_path / "dev.json"), guess)
    row = {"sentence1": "甲", "sentence2": "乙", "label": "-"}
    with pytest.raises(InputError, match=r"got none; all 2 are labelled '-'"):
        measured("ocnli", put(tmp_path / "dev.json", row, row), guess)
    with pytest.raises(InputError, match=r"ocnli: expected rows with answers to be scored by, got none"):
        scoring.score(TASKS["ocnli"], [], [])


def test_c3_goes_by_the_files_order_and_equal_choices_are_one(tmp_path: Path) -> None:
    questions = [{"question": "谁", "choice": ["甲", "乙", "甲"], "answer": answer} for answer in ("甲", "乙")]
    gold = put(tmp_path / "d-dev.json", [[["男：甲"], questions, "47-1"]])
    for lines in ([2, 1], [0, 1]):
        said = [{"id": number, "label": label} for number, label in enumerate(lines)]
        assert measured("c3", gold, put(tmp_path / "c311_predict.json", *said)) == {"accuracy": 1.0}


def test_exclusive_ends_are_told(tmp_path: Path) -> None:
    gold = put(tmp_path / "dev.json", {"text": "江泽民在", "label": {"name": {"江泽民": [[0, 2]]}}})
    guess = put(tmp_path / "guess.json", {"id": 0, "label": {"name": {"江泽民": [[0, 3]]}}})
    with pytest.raises(InputError, match=r"'江泽民' does not stand at 0 to 3 of '江泽民在'; the second number is that"):
        measured("cluener", gold, guess)


def test_clueners_own_f1() -> None:
    """Mean over the types of distinct mentions: of the second text's two 北京 one counts, and its wrong place too."""
    rows = [
        {"text": "江泽民在北京", "label": {"name": {"江泽民": [[0, 2]]}, "address": {"北京": [[4, 5]]}}},
        {"text": "北京北京", "label": {"address": {"北京": [[0, 1], [2, 3]]}}},
    ]
    guesses = [[("name", 0, 2), ("company", 4, 5)], [("address", 2, 3)]]
    found = scoring.measures(TASKS["cluener"], rows, guesses)  # type: ignore[arg-type]
    assert found["f1"] == pytest.approx(2 * 2 / (3 + 4))
    assert found["mention_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert Entities.beside == "mention_f1"


def test_where_the_simple_baseline_has_nothing_to_go_by_the_majority_stands_in() -> None:
    one_class = [{"sentence": "甲乙", "label": "1"}, {"sentence": "乙甲", "label": "1"}]
    nothing_shared = [{"sentence": "甲乙", "label": "1"}, {"sentence": "丙丁", "label": "0"}]
    blank = [{"sentence": "\n\n", "label": "1"}, {"sentence": "\n", "label": "0"}]
    for rows, reason in (
        (one_class, "all training rows have the label 1"),
        (nothing_shared, "no character stands in 2 of the texts"),
        (blank, "no character stands in 2 of the texts"),
    ):
        found = baselines.measured(TASKS["sentiment"], rows, rows)
        assert (found.stands_in, found.simple) == (reason, found.majority)
        assert found.name == f"majority, for TF-IDF + logistic regression: {reason}"
    spans = [{"question": "甲", "context": "乙", "answers": {"text": ["乙"], "answer_start": [0]}}]
    assert baselines.measured(TASKS["cmrc2018"], spans, spans).stands_in is not None
    assert baselines.measured(TASKS["sentiment"], one_class + nothing_shared, blank).stands_in is None


@pytest.mark.skipif("ROSPHERE_DATA" not in os.environ, reason="ROSPHERE_DATA does not name a folder with clue/")
def test_the_lexicon_on_cluener() -> None:
    """0.5494 is what CLUENER's own script says of the lexicon's predictions for dev."""
    splits, _ = reading.read_folder(Path(os.environ["ROSPHERE_DATA"]) / "clue" / "cluener", "cluener")
    found = baselines.measured(TASKS["cluener"], splits["train"], splits["dev"]).simple
    assert (round(found["f1"], 4), round(found["mention_f1"], 4)) == (0.5554, 0.5494)
