"""Hugging Face datasets as a source, without a network: load_dataset is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rosphere.errors import InputError
from rosphere.preparation import hub

Row = dict[str, Any]


class Shelf:
    """What load_dataset would find; an exception among the rows is raised where it stands."""

    def __init__(self, **contents: list[Row | Exception]) -> None:
        self.contents = contents
        self.asked: list[tuple[str, str | None, str]] = []
        self.given = 0

    def load(self, name: str, configuration: str | None = None, *, split: str, streaming: bool) -> Iterator[Row]:
        assert streaming, "a whole dataset would be downloaded"
        self.asked.append((name, configuration, split))
        if f"{name}_{split}" not in self.contents:
            raise ValueError(f'Bad split: {split}. Available splits: ["train"]')
        return self.rows(self.contents[f"{name}_{split}"])

    def rows(self, contents: list[Row | Exception]) -> Iterator[Row]:
        for row in contents:
            if isinstance(row, Exception):
                raise row
            self.given += 1
            yield row


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Any:
    import datasets

    def put(**contents: list[Row | Exception]) -> Shelf:
        shelf = Shelf(**contents)
        monkeypatch.setattr(datasets, "load_dataset", shelf.load)
        return shelf

    return put


def lost_in_httpx() -> Exception:
    from huggingface_hub.utils import httpx

    return httpx.ReadError("peer closed connection")  # type: ignore[no-any-return]


def texts(*values: object) -> list[Any]:
    return [{"body": value} for value in values]


def test_documents_are_streamed_and_limited(put: Any) -> None:
    shelf = put(wiki_train=texts(*(f"第{n}篇" for n in range(1000))))
    source = hub.load("wiki:zh", "train", "body", 3, None, {})
    assert shelf.asked == [], "nothing is fetched before it is read"
    assert list(source.documents()) == ["第0篇", "第1篇", "第2篇"]
    assert shelf.asked == [("wiki", "zh", "train")]
    assert shelf.given <= 4
    assert len(list(hub.load("wiki", "train", "body", None, None, {}).documents())) == 1000
    assert shelf.asked[-1] == ("wiki", None, "train")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionError("Connection broken\nTraceback of ten lines"), "Connection broken"),
        (ConnectionError(), "ConnectionError"),
        (TimeoutError("timed out"), "timed out"),
        (lost_in_httpx(), "peer closed connection"),
    ],
)
def test_a_download_that_breaks_off_is_one_clear_line(put: Any, error: Exception, reason: str) -> None:
    put(wiki_train=[*texts("第一篇", "第二篇"), error])
    documents = hub.load("wiki", "train", "body", None, None, {}).documents()
    assert [next(documents), next(documents)] == ["第一篇", "第二篇"]
    with pytest.raises(InputError) as caught:
        next(documents)
    assert str(caught.value) == f"hub dataset wiki [train]: download failed or was interrupted: {reason}"
    assert caught.value.__cause__ is error


def test_an_unknown_split_is_refused(put: Any) -> None:
    put(wiki_train=texts("一"))
    with pytest.raises(InputError, match=r"hub dataset wiki \[training\]: .*Bad split: training"):
        list(hub.load("wiki", "training", "body", None, None, {}).documents())


@pytest.mark.parametrize("row", [{"text": "好"}, {"body": None}, {"body": ["好"]}])
def test_a_row_without_text_is_refused_with_its_number(put: Any, row: dict[str, Any]) -> None:
    put(wiki_train=[*texts("一"), row])
    with pytest.raises(InputError, match=r"wiki\[train\] row 1: expected text under 'body', got \["):
        list(hub.load("wiki", "train", "body", None, None, {}).documents())


def test_positive_pairs_become_groups(put: Any) -> None:
    put(
        pairs_train=[
            {"sentence1": "甲", "sentence2": "Ｂ", "label": 1},
            {"sentence1": "丙", "sentence2": "丁", "label": 0},
            {"sentence1": "戊", "sentence2": "己"},
        ]
    )
    groups = hub.load("wiki", "train", "body", None, "pairs", {}).groups
    assert [group.texts for group in groups] == [("甲", "B"), ("戊", "己")]
    assert len({group.family for group in groups}) == 2


def test_a_pair_without_its_texts_is_refused(put: Any) -> None:
    put(pairs_train=[{"sentence1": "甲", "sentence2": "乙"}, {"question": "甲"}])
    with pytest.raises(InputError, match=r"pairs\[train\] row 1: expected text under 'sentence1', got nothing"):
        hub.load("wiki", "train", "body", None, "pairs", {})


def test_tasks_are_checked_and_validation_is_dev(put: Any) -> None:
    row = {"sentence1": "甲", "sentence2": "乙", "label": 1}
    put(clue_train=[row, row], clue_validation=[row, {**row, "label": "-"}], clue_test=[{**row, "label": -1}])
    tasks = hub.load("wiki", "train", "body", None, None, {"afqmc": "clue:afqmc"}).tasks
    assert tasks == {"afqmc": {"train": [row, row], "dev": [row], "test": [{"sentence1": "甲", "sentence2": "乙"}]}}


def test_a_label_that_is_not_the_tasks_is_refused_with_its_row(put: Any) -> None:
    row = {"sentence1": "甲", "sentence2": "乙", "label": 1}
    put(clue_train=[row, {**row, "label": 7}], clue_validation=[row], clue_test=[row])
    with pytest.raises(InputError, match=r"clue:afqmc\[train\]:1: label '7' is none of afqmc's: 0, 1"):
        hub.load("wiki", "train", "body", None, None, {"afqmc": "clue:afqmc"})


def test_graded_sets(put: Any) -> None:
    row = {"sentence1": "甲", "sentence2": "Ｂ", "score": 2.5}
    put(sts_train=[row], sts_validation=[{**row, "score": 0}], sts_test=[])
    rows = hub.load("wiki", "train", "body", None, None, {}, graded={"mine": "sts"}).graded["mine"]
    assert [(r.sentence2, r.score, r.split) for r in rows] == [("B", 2.5, "train"), ("B", 0.0, "dev")]
    put(sts_train=[row, {"sentence1": "甲", "score": 1}], sts_validation=[], sts_test=[])
    with pytest.raises(InputError, match=r"sts\[train\] row 1: expected text under 'sentence2', got nothing"):
        hub.load("wiki", "train", "body", None, None, {}, graded={"mine": "sts"})


class Featured(list[Row]):
    """Rows whose classes are numbered, with the names that a ClassLabel gives them."""

    def __init__(self, rows: list[Row], names: list[str]) -> None:
        super().__init__(rows)
        self.features = {"label": type("ClassLabel", (), {"names": names})(), "sentence": object()}


def test_numbered_classes_have_the_names_of_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def told(names: list[str], task: str, train: list[int]) -> Any:
        rows = {"train": train, "validation": [1], "test": [-1, -1]}
        key = {"sentence": "甲"} if task == "tnews" else {"sentence1": "甲", "sentence2": "乙"}
        monkeypatch.setattr(
            datasets,
            "load_dataset",
            lambda *_, split, streaming: Featured([{**key, "label": number} for number in rows[split]], names),
        )
        return hub.load("wiki", "train", "body", None, None, {task: "clue"}).tasks[task]

    names = ["100", "101", "102", "103", "104", "106", "107", "108"]
    found = told(names, "tnews", [7, 0])
    assert [row["label"] for row in found["train"]] == ["108", "100"]
    assert found["test"] == [{"sentence": "甲"}] * 2
    assert [row["label"] for row in told(["different", "same"], "afqmc", [1, 0])["train"]] == ["1", "0"]
    with pytest.raises(InputError, match=r"clue\[train\]:1: expected one label of tnews under 'label', got None"):
        told(names, "tnews", [7, -1])


def test_what_was_dropped_of_a_hub_task_is_counted(put: Any) -> None:
    row = {"sentence1": "甲", "sentence2": "乙", "label": "neutral"}
    put(nli_train=[row, {**row, "label": "-"}], nli_validation=[row], nli_test=[row])
    assert hub.load("wiki", "train", "body", None, None, {"ocnli": "nli"}).counts == {
        "ocnli": {"train_dropped_unlabelled": 1}
    }
