"""Task files against their declarations, and the texts the declarations make of a row."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rosphere.clue import reading
from rosphere.clue.tasks import TASKS
from rosphere.errors import InputError
from rosphere.preparation import local

ENTITY = {"text": "江泽民在北京", "label": {"name": {"江泽民": [[0, 2]]}, "address": {"北京": [[4, 5]]}}}
COREFERENCE = {
    "text": "裂开的伤口涂满尘土，我把它们剔除出去。",
    "target": {"span1_index": 3, "span1_text": "伤口", "span2_index": 12, "span2_text": "它们"},
    "label": "false",
}
GOOD: dict[str, dict[str, Any]] = {
    "afqmc": {"sentence1": "甲", "sentence2": "乙", "label": "1"},
    "tnews": {"sentence": "甲", "label": "116"},
    "iflytek": {"sentence": "甲", "label": 118},
    "cmnli": {"sentence1": "甲", "sentence2": "乙", "label": "neutral"},
    "ocnli": {"sentence1": "甲", "sentence2": "乙", "label": "entailment"},
    "cluewsc2020": COREFERENCE,
    "csl": {"keyword": ["甲", "乙"], "abst": "丙", "label": "1"},
    "cmrc2018": {"id": "Q0", "context": "甲乙丙", "question": "丁", "answers": {"text": ["乙"], "answer_start": [1]}},
    "c3": {"id": "1-0", "context": ["甲"], "question": "乙", "choice": ["丙", "丁"], "answer": "丁"},
    "chid": {"id": 3, "content": "甲#idiom#乙", "candidates": ["丙丙", "丁丁"], "answer": 1},
    "cluener": ENTITY,
    "sentiment": {"sentence": "甲", "label": "0"},
    "faq": {"sentence1": "甲", "sentence2": "乙", "label": "0"},
    "entities": {"text": "北京", "label": {"place": {"北京": [[0, 1]]}}},
}


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def changed(name: str, **changes: object) -> dict[str, Any]:
    return {**GOOD[name], **changes}


def without(name: str, key: str) -> dict[str, Any]:
    return {k: value for k, value in GOOD[name].items() if k != key}


@pytest.mark.parametrize("name", TASKS)
def test_every_declared_task_reads_its_files(tmp_path: Path, name: str) -> None:
    row, task = GOOD[name], TASKS[name]
    parts = {split: len(task.files[split][0]) for split in ("train", "dev")}  # files that together are the split
    for split in parts:
        for file in task.files[split][0]:
            write(tmp_path / file, row, row)
    assert reading.read_folder(tmp_path, name) == ({split: [row, row] * n for split, n in parts.items()}, {})
    write(tmp_path / "test.json", without(name, task.gold))
    newest = "test1.1" if "test1.1" in task.files else "test"
    assert reading.read_folder(tmp_path, name)[0][newest] == [without(name, task.gold)]


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_declarations_are_complete(task: Any) -> None:
    assert TASKS[task.name] is task
    assert len(set(task.labels)) == len(task.labels)
    assert (len(task.labels) > 1) is (task.kind in ("classification", "entities"))
    assert (task.choices is not None) is (task.kind == "choices")
    assert set(task.files) in ({"train", "dev", "test"}, {"train", "dev", "test1.0", "test1.1"})
    metrics = {"classification": "accuracy", "choices": "accuracy", "entities": "f1", "spans": "em"}
    assert task.metric == metrics[task.kind]
    assert task.clue is (task.name not in ("sentiment", "faq", "entities"))


def test_the_number_of_classes_is_clues() -> None:
    """Xu et al. 2020, table 1."""
    sizes = {name: len(TASKS[name].labels) for name in ("afqmc", "tnews", "iflytek", "cmnli", "cluewsc2020", "csl")}
    assert sizes == {"afqmc": 2, "tnews": 15, "iflytek": 119, "cmnli": 3, "cluewsc2020": 2, "csl": 2}
    assert len(TASKS["cluener"].labels) == 10


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("afqmc", ("甲", "乙")),
        ("tnews", ("甲",)),
        ("csl", ("甲；乙", "丙")),
        ("cluewsc2020", ("裂开的_伤口_涂满尘土，我把[它们]剔除出去。",)),
        ("cluener", ("江泽民在北京",)),
        ("cmrc2018", ("丁", "甲乙丙")),
        ("c3", ("甲", "乙")),
        ("chid", ("甲", "乙")),
    ],
)
def test_texts_of_a_row(name: str, expected: tuple[str, ...]) -> None:
    assert TASKS[name].texts(GOOD[name]) == expected


def test_coreference_with_the_pronoun_first() -> None:
    target = {"span1_index": 5, "span1_text": "小明", "span2_index": 0, "span2_text": "他"}
    assert TASKS["cluewsc2020"].texts({"text": "他说的就是小明", "target": target}) == ("[他]说的就是_小明_",)


def test_the_first_file_name_that_exists_is_read(tmp_path: Path) -> None:
    write(tmp_path / "dev.json", GOOD["ocnli"])
    write(tmp_path / "train.json", changed("ocnli", sentence1="小"))
    assert reading.read_folder(tmp_path, "ocnli")[0]["train"][0]["sentence1"] == "小"
    write(tmp_path / "train.50k.json", changed("ocnli", sentence1="大"))
    assert reading.read_folder(tmp_path, "ocnli")[0]["train"][0]["sentence1"] == "大"


def test_rows_on_which_the_annotators_disagreed_are_dropped_and_counted() -> None:
    rows = [GOOD["ocnli"], changed("ocnli", label="-"), GOOD["ocnli"]]
    kept, counts = reading.checked("ocnli", enumerate(rows, 1), origin="dev.json", split="dev")
    assert kept == [GOOD["ocnli"]] * 2
    assert counts == {"read": 3, "kept": 2, "dropped_unlabelled": 1}
    kept, counts = reading.checked("ocnli", enumerate(rows, 1), origin="test.json", split="test")
    assert len(kept) == 3  # a test row's label is nobody's business


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown task 'tnew'; declared are afqmc, tnews, "):
        reading.read_folder(tmp_path, "tnew")


def test_missing_folders_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: no such folder \(task ocnli\)"):
        reading.read_folder(tmp_path / "gone", "ocnli")
    with pytest.raises(InputError, match=r"expected train\.50k\.json or train\.json \(train rows of ocnli\)"):
        reading.read_folder(tmp_path, "ocnli")
    write(tmp_path / "train.json", GOOD["ocnli"])
    with pytest.raises(InputError, match=r"expected dev\.json \(dev rows of ocnli\)"):
        reading.read_folder(tmp_path, "ocnli")
    write(tmp_path / "dev.json", changed("ocnli", label="-"))
    with pytest.raises(InputError, match=r"dev\.json: no usable rows"):
        reading.read_folder(tmp_path, "ocnli")


@pytest.mark.parametrize(
    ("name", "row", "complaint"),
    [
        ("afqmc", without("afqmc", "sentence2"), "afqmc needs 'sentence2', the row has sentence1, label"),
        ("afqmc", without("afqmc", "label"), "afqmc needs 'label', the row has sentence1, sentence2"),
        ("afqmc", changed("afqmc", label="2"), "label '2' is none of afqmc's: 0, 1"),
        ("afqmc", changed("afqmc", sentence1=None), "afqmc: expected a text under 'sentence1', got None"),
        ("tnews", changed("tnews", sentence=5), "tnews: expected a text under 'sentence', got 5"),
        ("csl", changed("csl", keyword=[1, 2]), "csl: expected a list of texts under 'keyword', got [1, 2]"),
        (
            "cluewsc2020",
            changed("cluewsc2020", target={}),
            "cluewsc2020: expected two spans under 'target' such as {'span1_index': 3,",
        ),
        ("afqmc", changed("afqmc", sentence1="好\ud83d"), r"expected whole characters, got '\ud83d', half of one"),
        ("cmrc2018", without("cmrc2018", "answers"), "cmrc2018 needs 'answers', the row has id, context, question"),
        (
            "cmrc2018",
            changed("cmrc2018", answers=["乙"]),
            "expected answers such as {'text': ['1963年'], 'answer_start'",
        ),
        (
            "cmrc2018",
            changed("cmrc2018", answers={"text": ["乙"], "answer_start": []}),
            "expected one or more texts and as many starts under",
        ),
        ("cmrc2018", changed("cmrc2018", answers={"text": [], "answer_start": []}), "expected one or more texts"),
        (
            "cmrc2018",
            changed("cmrc2018", answers={"text": ["乙"], "answer_start": ["1"]}),
            "expected whole numbers under 'answer_start', got",
        ),
        ("cmrc2018", changed("cmrc2018", context=None), "cmrc2018: expected a text under 'context', got None"),
        ("c3", changed("c3", answer="戊"), "answer '戊' is none of the 2 choices ['丙', '丁']"),
        ("c3", changed("c3", choice=["丁"]), "expected two or more choices, got ['丁']"),
        ("c3", changed("c3", choice=["丁", 5]), "c3: expected a list of texts under 'choice', got ['丁', 5]"),
        ("c3", changed("c3", context=None), "c3: expected a list of texts under 'context', got None"),
        ("chid", changed("chid", answer=2), "answer 2 is none of the 2 choices ['丙丙', '丁丁']"),
        ("chid", changed("chid", answer=-1), "answer -1 is none of the 2 choices"),
        ("chid", changed("chid", content="没有空"), "chid: expected #idiom# in the text under 'content', got '没有空'"),
        ("chid", changed("chid", content=None), "chid: expected a text under 'content', got None"),
        ("cluener", changed("cluener", label={"nam": {}}), "label 'nam' is none of cluener's: address, book"),
        ("cluener", changed("cluener", label="name"), "expected spans such as {'name': {'江泽民': [[0, 2]]}}, got"),
        ("cluener", changed("cluener", label={"name": ["江泽民"]}), "expected spans such as"),
        ("cluener", changed("cluener", label={"name": {"江泽民": [0, 2]}}), "expected spans such as"),
        ("cluener", changed("cluener", label={"name": {"江泽民": [[0, 3]]}}), "'江泽民' does not stand at 0 to 3 of"),
        ("cluener", changed("cluener", label={"name": {"毛": [[9, 9]]}}), "'毛' does not stand at 9 to 9 of '江"),
    ],
)
def test_a_malformed_row_is_refused_with_file_and_line(
    tmp_path: Path, name: str, row: dict[str, Any], complaint: str
) -> None:
    for split, rows in (("train", [GOOD[name], row]), ("dev", [GOOD[name]])):
        for file in TASKS[name].files[split][0]:
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        reading.read_folder(tmp_path, name)
    assert f"{TASKS[name].files['train'][0][0]}:2: {complaint}" in str(caught.value)


def test_a_task_in_several_files_needs_all_of_them(tmp_path: Path) -> None:
    write(tmp_path / "m-train.json", GOOD["c3"])
    with pytest.raises(
        InputError, match=r"expected m-train\.json and d-train\.json or c3-m-train\.json and c3-d-train"
    ):
        reading.read_folder(tmp_path, "c3")


def test_both_test_sets_are_read_and_a_plain_one_is_the_newer(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        write(tmp_path / f"{split}.json", GOOD["tnews"])
    write(tmp_path / "test.json", changed("tnews", sentence="新"))
    write(tmp_path / "test1.0.json", changed("tnews", sentence="旧"))
    splits, _ = reading.read_folder(tmp_path, "tnews")
    assert {name: rows[0]["sentence"] for name, rows in splits.items() if reading.is_test(name)} == {
        "test1.0": "旧",
        "test1.1": "新",
    }


@pytest.mark.parametrize(
    ("text", "start", "found", "counted"),
    [
        ("乙", 1, 1, {}),
        ("乙", 4, 4, {}),
        ("乙", 0, 1, {"repaired_offsets": 1}),
        ("乙", 3, 4, {"repaired_offsets": 1}),  # the nearest
        ("乙", -1, 1, {"repaired_offsets": 1}),
        ("乙丁", 99, 4, {"repaired_offsets": 1}),
        ("戊", 1, -1, {"unplaced_answers": 1}),
        ("", 0, -1, {"unplaced_answers": 1}),
    ],
)
def test_a_wrong_start_of_an_answer_is_put_right_and_counted(
    text: str, start: int, found: int, counted: dict[str, int]
) -> None:
    row = {"context": "甲乙丙甲乙丁", "question": "?", "answers": {"text": [text, "丙"], "answer_start": [start, 2]}}
    rows, counts = reading.checked("cmrc2018", [(1, row)], origin="dev.json", split="dev")
    assert rows[0]["answers"] == {"text": [text, "丙"], "answer_start": [found, 2]}
    assert counts == {"read": 1, "kept": 1, **counted}
    assert row["answers"]["answer_start"] == [start, 2], "the caller's row is left as it was"


def test_a_test_sets_answers_are_not_looked_at() -> None:
    row = {"context": "甲", "question": "?", "answers": {"text": ["FAKE_ANSWER_1"], "answer_start": [-1]}}
    rows, counts = reading.checked("cmrc2018", [(1, row)], origin="test.json", split="test1.0")
    assert rows == [{"context": "甲", "question": "?"}]
    assert counts == {"read": 1, "kept": 1}


def test_what_was_dropped_and_repaired_is_reported_by_split(tmp_path: Path) -> None:
    write(tmp_path / "train.json", changed("cmrc2018", answers={"text": ["丙"], "answer_start": [0]}), GOOD["cmrc2018"])
    write(tmp_path / "dev.json", changed("cmrc2018", answers={"text": ["戊"], "answer_start": [0]}))
    assert reading.read_folder(tmp_path, "cmrc2018")[1] == {"train_repaired_offsets": 1, "dev_unplaced_answers": 1}
    write(tmp_path / "train.json", GOOD["ocnli"], changed("ocnli", label="-"))
    write(tmp_path / "dev.json", GOOD["ocnli"])
    assert reading.read_folder(tmp_path, "ocnli")[1] == {"train_dropped_unlabelled": 1}


def test_what_was_repaired_comes_with_the_source(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("好\n", encoding="utf-8")
    folder = tmp_path / "tasks" / "cmrc2018"
    for split in ("train", "dev"):
        write(folder / f"{split}.json", changed("cmrc2018", answers={"text": ["丙"], "answer_start": [0]}))
    source = local.load([str(text)], [], str(tmp_path / "tasks"), ["cmrc2018"])
    assert source.counts == {"cmrc2018": {"train_repaired_offsets": 1, "dev_repaired_offsets": 1}}
    assert source.tasks["cmrc2018"]["dev"][0]["answers"]["answer_start"] == [2]


REAL = os.environ.get("ROSPHERE_DATA") or None
needs_data = pytest.mark.skipif(REAL is None, reason="ROSPHERE_DATA does not name a folder with clue/")


@needs_data
def test_the_real_reading_tasks() -> None:
    """Sizes as CLUE gives them, and the wrong starts that CMRC 2018 was released with."""
    found = {name: reading.read_folder(Path(str(REAL)) / "clue" / name, name) for name in ("cmrc2018", "c3", "chid")}
    sizes = {name: (len(splits["train"]), len(splits["dev"])) for name, (splits, _) in found.items()}
    assert sizes == {"cmrc2018": (10142, 3219), "c3": (11869, 3816), "chid": (202, 202)}
    counts = found["cmrc2018"][1]
    assert counts["train_repaired_offsets"] == 21
    assert counts["dev_repaired_offsets"] + counts["dev_unplaced_answers"] == 200
    for row in found["cmrc2018"][0]["dev"]:
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            assert start == -1 or row["context"].startswith(text, start)


COUNTS: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "afqmc": ({"train": 34334, "dev": 4316, "test": 3861}, {}),
    "tnews": ({"train": 53360, "dev": 10000}, {}),
    "iflytek": ({"train": 5587, "dev": 2599, "test": 2600}, {}),
    "ocnli": (
        {"train": 50437, "dev": 2950, "test": 3000},
        {"train_dropped_unlabelled": 49, "dev_dropped_unlabelled": 50},
    ),
    "csl": ({"train": 20000, "dev": 3000, "test": 3000}, {}),
    "cluener": ({"train": 10748, "dev": 1343, "test": 1345}, {}),
    "cluewsc2020": ({"train": 1244, "dev": 304}, {}),
}


@needs_data
@pytest.mark.parametrize("name", COUNTS)
def test_the_released_folders(name: str) -> None:
    """Every row of the releases passes all that is looked at, and none is moved or lost without a count."""
    splits, counts = reading.read_folder(Path(str(REAL)) / "clue" / name, name)
    assert ({split: len(rows) for split, rows in splits.items()}, counts) == COUNTS[name]
    assert not any(TASKS[name].gold in row for split, rows in splits.items() if reading.is_test(split) for row in rows)
