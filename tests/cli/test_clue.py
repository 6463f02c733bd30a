"""Scoring and packing from the command line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from rosphere.cli.app import main
from rosphere.cli.clue import measured
from rosphere.clue.declared import Declared, Prepared


def lines(path: Path, *rows: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_file_of_predictions_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold = lines(tmp_path / "dev.json", {"sentence": "甲", "label": "100"}, {"sentence": "乙", "label": "101"})
    guess = lines(tmp_path / "tnews11_predict.json", {"id": 0, "label": "100"}, {"id": 1, "label": "100"})
    main(["clue", "score", "tnews", str(gold), str(guess)])
    assert json.loads(capsys.readouterr().out) == {"accuracy": 0.5}


def test_answers_are_scored_from_the_released_file(tmp_path: Path) -> None:
    answer = {"text": "乙", "answer_start": 9}  # a wrong start does not keep anyone from scoring
    question = {"id": "Q0", "question": "?", "answers": [answer]}
    released = {"data": [{"paragraphs": [{"context": "甲乙丙", "qas": [question]}]}]}
    gold = lines(tmp_path / "dev.json", released)
    guess = lines(tmp_path / "cmrc2018_predict.json", {"Q0": "乙丙"})
    found = measured("cmrc2018", gold, guess)
    assert found == {"em": 0.0, "f1": pytest.approx(2 / 3), "mean_of_em_and_f1": pytest.approx(1 / 3)}


def test_chid_is_scored_blank_by_blank(tmp_path: Path) -> None:
    gold = lines(tmp_path / "dev.json", {"content": ["#idiom000001#甲#idiom000002#"], "candidates": ["一", "二"]})
    lines(tmp_path / "dev_answer.json", {"#idiom000001#": 1, "#idiom000002#": 0})
    guess = lines(tmp_path / "guess.json", {"#idiom000002#": 1, "#idiom000001#": 1})
    assert measured("chid", gold, guess) == {"accuracy": 0.5}


def test_a_task_of_ones_own_is_scored_by_what_was_prepared(tmp_path: Path) -> None:
    gold = lines(tmp_path / "mine" / "dev.jsonl", {"sentence": "甲", "label": "a"}, {"sentence": "乙", "label": "b"})
    Prepared(own=True, declared=Declared(kind="classification", labels=("a", "b"))).write(gold.parent)
    guess = lines(tmp_path / "guess.jsonl", {"id": 0, "label": "a"}, {"id": 1, "label": "a"})
    assert measured("mine", gold, guess) == {"accuracy": 0.5}


def test_packing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = lines(tmp_path / "afqmc" / "test.json", {"id": 7, "sentence1": "甲", "sentence2": "乙"})
    file = lines(tmp_path / "afqmc_predict.json", {"id": 7, "label": "1"})
    with pytest.raises(SystemExit, match=r"afqmc_predict\.json: expected 3861 predictions, .* got 1"):
        main(["clue", "pack", str(file), "--out", str(tmp_path / "submit.zip")])
    assert test.is_file()
    main(["clue", "pack", str(file), "--out", str(tmp_path / "submit.zip"), "--tasks", str(tmp_path)])
    assert capsys.readouterr().out == "afqmc_predict.json: 1 predictions\n"
    with zipfile.ZipFile(tmp_path / "submit.zip") as archive:
        assert archive.namelist() == ["afqmc_predict.json"]


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^error: unknown task 'tnew'; declared are afqmc"):
        main(["clue", "score", "tnew", "gold", "guess"])
    with pytest.raises(SystemExit, match=r"^error: .*gold\.json: no such file"):
        main(["clue", "score", "tnews", str(tmp_path / "gold.json"), "guess"])
