"""Rows, files and declarations as people have them: each is read rightly, or refused in one line with its place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rosphere.clue import layouts, reading, released, strict_json
from rosphere.clue.tasks import TASKS, Task
from rosphere.errors import InputError
from rosphere.preparation import writing
from tests.clue.test_layouts import ANSWERS, CMRC, OFFICIAL
from tests.clue.test_reading import COREFERENCE, GOOD, changed, without, write

TEXT = COREFERENCE["text"]


def read(name: str, *rows: dict[str, Any], split: str = "dev") -> tuple[list[Any], dict[str, int]]:
    kept, counts = reading.checked(name, enumerate(rows, 1), origin="here", split=split)
    assert counts["read"] == len(rows)
    assert counts["kept"] == len(kept) == len(rows) - counts.get("dropped_unlabelled", 0)
    return kept, dict(counts)


@pytest.mark.parametrize("label", [-1, "", None, "-", ["1"], {}, "wrong"])
@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.clue])
def test_the_answer_of_a_test_row_is_nobodys_business(name: str, label: object) -> None:
    gold = TASKS[name].gold
    for split in ("test", "test1.0", "test1.1"):
        assert read(name, changed(name, **{gold: label}), split=split)[0] == [without(name, gold)]


@pytest.mark.parametrize("answers", [None, [], "x", [{"text": "FAKE"}]])
def test_neither_is_that_of_a_released_test_file(tmp_path: Path, answers: object) -> None:
    released_ = json.loads(json.dumps(CMRC))
    released_["data"][0]["paragraphs"][0]["qas"][0]["answers"] = answers
    rows, _ = reading.read_file(TASKS["cmrc2018"], write(tmp_path / "test.json", released_), split="test")
    assert len(rows) == 2 and not any("answers" in row for row in rows)
    write(tmp_path / "test1.1_answer.json", [1])
    rows, _ = reading.read_file(TASKS["chid"], write(tmp_path / "test1.1.json", OFFICIAL), split="test1.1")
    assert len(rows) == 3 and not any("answer" in row for row in rows)
    with pytest.raises(InputError, match="expected a list of objects under 'answers'|is missing|one or more texts"):
        reading.read_file(TASKS["cmrc2018"], write(tmp_path / "dev.json", released_), split="dev")


def test_a_test_set_of_ones_own_keeps_its_answers_if_all_rows_have_one() -> None:
    rows, bare = [GOOD["sentiment"], changed("sentiment", label="1")], without("sentiment", "label")
    assert read("sentiment", *rows, split="test")[0] == rows
    assert reading.is_scored(TASKS["sentiment"], rows) and not reading.is_scored(TASKS["afqmc"], [GOOD["afqmc"]])
    for none in (None, "", -1, "-"):
        assert read("sentiment", changed("sentiment", label=none), bare, split="test")[0] == [bare, bare]
    with pytest.raises(InputError, match=r"here:2: sentiment needs 'label', the row has sentence"):
        read("sentiment", GOOD["sentiment"], bare, split="test")
    with pytest.raises(InputError, match=r"here:2: label '7' is none of sentiment's: 0, 1"):
        read("sentiment", GOOD["sentiment"], changed("sentiment", label=7), split="test")


def span(one: int, two: int, first: object = "伤口", second: object = "它们") -> dict[str, Any]:
    target = {"span1_index": one, "span1_text": first, "span2_index": two, "span2_text": second}
    return {**COREFERENCE, "target": target}


def test_a_span_that_stands_elsewhere_is_found() -> None:
    assert read("cluewsc2020", span(3, 12)) == ([COREFERENCE], {"read": 1, "kept": 1})
    for one, two, moved in ((4, 9, 2), (-1, 12, 1), (3, 999, 1)):
        rows, counts = read("cluewsc2020", span(one, two))
        assert rows == [COREFERENCE] and counts["repaired_offsets"] == moved
    assert TASKS["cluewsc2020"].texts(rows[0]) == ("裂开的_伤口_涂满尘土，我把[它们]剔除出去。",)
    for split in ("train", "test1.1"):
        assert read("cluewsc2020", span(0, 0), split=split)[0][0]["target"] == COREFERENCE["target"]


@pytest.mark.parametrize(
    ("name", "row", "complaint"),
    [
        ("cluewsc2020", span(3, 12, "谁"), "cluewsc2020: span1 '谁' stands nowhere in"),
        ("cluewsc2020", span(3, 4, "伤口", "口涂"), "expected two spans apart from each other, '伤口' at 3"),
        ("cluewsc2020", span(3, 12, ""), "expected two spans under 'target' such as"),
        ("cluewsc2020", span(3, 12, 5), "expected two spans under 'target' such as"),
        ("cluewsc2020", span(True, 12), "expected two spans under 'target' such as"),
        ("cluewsc2020", changed("cluewsc2020", target="伤口"), "expected two spans under 'target' such as"),
        ("csl", changed("csl", keyword="水稻;产量"), "csl: expected a list of texts under 'keyword', got '水稻;产量'"),
        ("c3", changed("c3", context="男：你好。"), "c3: expected a list of texts under 'context', got '男：你好。'"),
        ("c3", changed("c3", choice="丙丁"), "c3: expected a list of texts under 'choice', got '丙丁'"),
        ("c3", changed("c3", choice=list("一二三四五"), answer=0), "expected at most 4 choices, got 5"),
        ("chid", changed("chid", candidates="丙丁"), "chid: expected a list of texts under 'candidates', got '丙丁'"),
        (
            "cmrc2018",
            changed("cmrc2018", answers={"text": "乙丙", "answer_start": [1, 2]}),
            "expected answers such as {'text': ['1963年'], 'answer_start'",
        ),
        (
            "cmrc2018",
            changed("cmrc2018", answers={"text": ["乙"], "answer_start": [True]}),
            "expected whole numbers under 'answer_start', got [True]",
        ),
        ("cluener", {"text": "读书", "label": {"book": {"": [[1, 0]]}}}, "expected mentions that are not empty"),
        ("cluener", {"text": "他读很多好书", "label": {"book": {"书": [[-1, 5]]}}}, "'书' does not stand at -1 to 5"),
        ("cluener", {"text": "读书", "label": {"book": {"书": [[1.0, 1.0]]}}}, "expected spans such as"),
        (
            "cluener",
            {"text": "江泽民在", "label": {"name": {"江泽民": [[0, 3]]}}},
            "of '江泽民在'; the second number is that of the last character, not the one behind it",
        ),
        ("afqmc", changed("afqmc", label=["0", "1"]), "expected one label of afqmc under 'label', got ['0', '1']"),
        ("afqmc", changed("afqmc", label=None), "expected one label of afqmc under 'label', got None"),
        ("afqmc", changed("afqmc", note="半\ud83d"), r"expected whole characters, got '\ud83d', half of one"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(name: str, row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(name, GOOD[name], row)
    assert str(caught.value).startswith("here:2: ") and complaint in str(caught.value)
    assert len(str(caught.value)) < 600


def test_answers_by_letter_and_labels_in_jsons_own_words() -> None:
    choice = changed("c3", answer="B")
    assert read("c3", choice)[0] == [choice]
    assert read("cluewsc2020", {**COREFERENCE, "label": False})[0] == [COREFERENCE]
    with pytest.raises(InputError, match=r"here:1: answer 'C' is none of the 2 choices"):
        read("c3", changed("c3", answer="C"))


def test_a_list_of_answers_will_do_in_lines() -> None:
    rows, _ = read("cmrc2018", changed("cmrc2018", answers=[{"text": "乙", "answer_start": 0}]))
    assert rows == [GOOD["cmrc2018"]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[" * 100_000, "expected lists and objects at most 100 deep, got more"),
        ('{"a": ' * 101 + "1" + "}" * 101, "expected lists and objects at most 100 deep, got more"),
        ("9" * 5000, "expected numbers of at most 4000 digits, got one of 5000"),
        ('{"id": 1, "id": 2}', "expected every key once in an object, got 'id' twice"),
    ],
)
def test_json_that_python_stumbles_over_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        strict_json.loads(text)
    (tmp_path / "a.json").write_text('{"sentence": "甲", "label": "100"}\n{"x": ' + text + "}\n", encoding="utf-8")
    for name in ("a.json", "b.json"):
        with pytest.raises(InputError, match=rf"{name}.*{complaint}"):
            list(layouts.lines(tmp_path / name))
        (tmp_path / "b.json").write_text(text, encoding="utf-8")
    assert strict_json.loads('{"a": ' * 99 + "1" + "}" * 99)


def test_answers_in_a_file_of_their_own_are_missed_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", OFFICIAL)
    with pytest.raises(InputError, match=r"train_answer\.json: no such file; the answers to train\.json are expected"):
        list(layouts.chid(path))
    for wrong in ([0], "x"):
        (tmp_path / "train_answer.json").write_text(json.dumps(wrong), encoding="utf-8")
        with pytest.raises(InputError, match=r"train_answer\.json: expected one JSON object, blank: number"):
            list(layouts.chid(path))
    write(tmp_path / "train_answer.json", ANSWERS)
    assert len(list(layouts.chid(path))) == 3


@pytest.mark.parametrize("file", ["test.jsonl", "test_public.json", "Test.json", "TEST_PUBLIC.JSONL"])
def test_a_test_set_is_found_however_it_is_spelt(tmp_path: Path, file: str) -> None:
    for split in ("train", "dev"):
        write(tmp_path / f"{split}.jsonl", GOOD["afqmc"])
    write(tmp_path / file, GOOD["afqmc"])
    assert reading.read_folder(tmp_path, "afqmc")[0]["test"] == [without("afqmc", "label")]
    assert released.unread(TASKS["afqmc"], tmp_path) == []


def test_what_nothing_reads_is_named(tmp_path: Path) -> None:
    for file in ("c3-m-train.json", "c3-d-train.json", "c3-m-dev.json", "c3-d-dev.json", "c3-d-test.json"):
        write(tmp_path / file, GOOD["c3"])
    for file in ("license.txt", "labels.json", "README.md", "x_answer.json"):
        write(tmp_path / file, {})
    assert set(reading.read_folder(tmp_path, "c3")[0]) == {"train", "dev"}
    assert released.unread(TASKS["c3"], tmp_path) == ["c3-d-test.json"]
    with pytest.raises(InputError, match=r"expected train\.json \(train rows of afqmc\); there are README"):
        reading.read_folder(tmp_path, "afqmc")


TWO: dict[str, Any] = {"texts": lambda row: (row["a"], row["b"]), "fields": ("a", "b")}
ONE: dict[str, Any] = {"texts": lambda row: (row["a"],), "fields": ("a",)}
CHOICES: dict[str, Any] = {"kind": "choices", "choices": lambda row: tuple(row["c"])}
CLASSES: dict[str, Any] = {"kind": "classification", "labels": ("0", "1")}


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        ({**ONE, **CLASSES, "pair": True}, "texts: expected 2 for classification with pair: true, got 1"),
        ({**TWO, **CLASSES}, "texts: expected 1 for classification with pair: false, got 2"),
        ({**ONE, **CHOICES, "pair": True}, "texts: expected 2 for choices with pair: true, got 1"),
        ({**ONE, "kind": "spans", "metric": "em"}, "texts: expected 2 for spans, got 1"),
        ({**TWO, "kind": "entities", "labels": ("a",), "metric": "f1"}, "texts: expected 1 for entities, got 2"),
        ({**ONE, **CLASSES, "labels": (0, 1)}, "labels: expected texts that are not empty, such as"),
        ({**ONE, **CLASSES, "labels": ("0",)}, "labels: expected 2 or more for classification, got"),
        ({**ONE, **CLASSES, "labels": ("0", "0")}, "labels: expected each label once, got"),
        ({**ONE, **CLASSES, "metric": "f1"}, "metric: expected one of accuracy for classification, got 'f1'"),
        ({**TWO, "kind": "spans"}, "metric: expected one of em, f1, mean_of_em_and_f1 for spans, got 'accuracy'"),
        ({**ONE, "kind": "choices"}, "choices: expected a function that gives the choices, got None"),
        ({**ONE, **CLASSES, "choices": lambda row: ()}, "choices: expected none for classification, got"),
        ({**ONE, **CLASSES, "gold": "a"}, "fields: expected no 'a', the right answer"),
        ({**ONE, **CLASSES, "max_length": 4}, "max_length: expected 8 tokens or more, got 4"),
        ({**ONE, **CLASSES, "files": {"train": (("train.json",),)}}, "files: expected train and dev, got ['train']"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_where_it_is_made(declared: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        Task(name="mine", clue=False, **declared)
    assert str(caught.value).startswith(f"task mine: {complaint}")


def test_a_declaration_that_only_a_row_can_show_to_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Task(name="mine", clue=False, texts=lambda row: tuple(row["a"]["b"]), fields=("a",), pair=True, **CLASSES)
    monkeypatch.setitem(TASKS, "mine", odd)
    with pytest.raises(InputError, match=r"here:1: mine: expected 2 for classification with pair: true, got 3"):
        read("mine", {"a": {"b": ["一", "二", "三"]}, "label": "0"})
    monkeypatch.setitem(TASKS, "mine", replace(odd, kind="pointing"))
    with pytest.raises(InputError, match=r"task mine: kind: expected one of classification, .*, got 'pointing'"):
        reading.named("mine")


def test_train_that_is_dev_or_a_test_set_with_answers_is_no_train() -> None:
    rows = [{"sentence": text, "label": "0"} for text in "甲乙丙"]
    with pytest.raises(InputError, match="task sentiment: expected train rows that are not held out too, all 3 are"):
        writing.training_rows("sentiment", {"train": rows, "dev": rows})
    assert writing.training_rows("sentiment", {"train": rows, "dev": rows[:1], "test": rows[1:2]}) == rows[2:]
    bare = [{"sentence": "乙"}]
    assert writing.training_rows("sentiment", {"train": rows, "dev": rows[:1], "test": bare}) == rows[1:]
