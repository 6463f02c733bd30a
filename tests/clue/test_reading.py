"""Task files against their declarations, and the texts the declarations make of a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rosphere.clue import reading
from rosphere.clue.tasks import TASKS
from rosphere.errors import InputError

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
    row = GOOD[name]
    for split in ("train", "dev"):
        write(tmp_path / TASKS[name].files[split][0], row, row)
    assert reading.read_folder(tmp_path, name) == {"train": [row, row], "dev": [row, row]}
    write(tmp_path / "test.json", without(name, "label"))
    assert reading.read_folder(tmp_path, name)["test"] == [without(name, "label")]


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_declarations_are_complete(task: Any) -> None:
    assert TASKS[task.name] is task
    assert len(set(task.labels)) == len(task.labels) > 1
    assert set(task.files) == set(reading.SPLITS)
    assert (task.metric == "f1") is (task.kind == "entities")
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
    assert reading.read_folder(tmp_path, "ocnli")["train"][0]["sentence1"] == "小"
    write(tmp_path / "train.50k.json", changed("ocnli", sentence1="大"))
    assert reading.read_folder(tmp_path, "ocnli")["train"][0]["sentence1"] == "大"


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
        ("afqmc", changed("afqmc", sentence1=None), "expected the text of afqmc under sentence1, sentence2, got"),
        ("tnews", changed("tnews", sentence=5), "expected the text of tnews under sentence, got {'sentence': 5}"),
        ("csl", changed("csl", keyword=[1, 2]), "expected the text of csl under keyword, abst, got"),
        ("cluewsc2020", changed("cluewsc2020", target={}), "expected the text of cluewsc2020 under text, target"),
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
    write(tmp_path / TASKS[name].files["train"][0], GOOD[name], row)
    write(tmp_path / "dev.json", GOOD[name])
    with pytest.raises(InputError) as caught:
        reading.read_folder(tmp_path, name)
    assert f"{TASKS[name].files['train'][0]}:2: {complaint}" in str(caught.value)
