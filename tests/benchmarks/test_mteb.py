"""Models of ours under mteb: on a task made here, for the hub is not asked in a test; where mteb is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import mteb as benchmark
from rosphere.similarity import encoding, evaluators, foreign
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

DATA = os.environ.get("ROSPHERE_DATA")
needs_mteb = pytest.mark.skipif(importlib.util.find_spec("mteb") is None, reason="the package mteb is not installed")
needs_data = pytest.mark.skipif(not DATA, reason="ROSPHERE_DATA does not name a folder with pairs/")
pytestmark = pytest.mark.filterwarnings("ignore")  # of other libraries


def stsb(count: int) -> list[dict[str, Any]]:
    path = Path(str(DATA)) / "pairs" / "stsb" / "test.txt"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()][:count]
    return [{"sentence1": one, "sentence2": two, "score": float(score)} for one, two, score in rows]


def model_of(folder: Path, texts: list[str]) -> Path:
    pieces = tiny.tokenizer(folder / "pieces", texts)
    model = tiny.shaken(SimilarityModel(tiny.language(len(pieces), **tiny.ONE_BLOCK), "mean"))
    similarity.save(model, folder / "model", tokenizer=pieces.folder)
    return folder / "model"


def local_task(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset, DatasetDict
    from mteb.abstasks.sts import AbsTaskSTS  # type: ignore[import-not-found]
    from mteb.abstasks.task_metadata import TaskMetadata  # type: ignore[import-not-found]

    class Local(AbsTaskSTS):  # type: ignore[misc]
        metadata = TaskMetadata(
            name="LocalSTSB",
            description="STS-B in Chinese, its test split",
            dataset={"path": "local", "revision": "1"},
            type="STS",
            eval_splits=["test"],
            eval_langs=["cmn-Hans"],
            main_score="cosine_spearman",
        )

        def load_data(self, **_: Any) -> None:
            self.dataset = DatasetDict({"test": Dataset.from_list(rows)})
            self.data_loaded = True

    return Local()


@needs_mteb
@needs_data
def test_mteb_finds_the_correlation_that_we_find(tmp_path: Path) -> None:
    rows = stsb(200)
    place = model_of(tmp_path, [row[key] for row in rows for key in ("sentence1", "sentence2")])
    graded = tmp_path / "stsb.jsonl"
    graded.write_text("".join(json.dumps({**row, "split": "test"}, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    [own] = evaluators.graded([graded])
    expected = own.spearman(encoding.encode(similarity.load(place), Tokenizer(place), own.texts))
    assert benchmark.skipped("LocalSTSB", local_task(rows)) is None
    assert benchmark.measured(foreign.load(place), local_task(rows)) == pytest.approx(expected, abs=1e-4)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Any:
    monkeypatch.setattr(sys, "argv", ["mteb", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        benchmark.main()
    return left.value.code


@needs_mteb
def test_a_task_without_data_is_one_line_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"sentence1": f"春{n}", "sentence2": f"秋{n}", "score": float(n % 3)} for n in range(9)]

    class Unreachable:
        def load_data(self) -> None:
            raise ConnectionError("no route\nmore")

    tasks = {"Gone": Unreachable(), "Here": local_task(rows)}
    monkeypatch.setattr(benchmark, "asked_for", lambda names: tasks)
    place = model_of(tmp_path, [row["sentence1"] for row in rows])
    code = run(monkeypatch, "--model", place, "--tasks", "Gone,Here", "--json", tmp_path / "found.json")
    said = capsys.readouterr().out
    assert code == 1 and "Gone: skipped, its data cannot be had: no route\n" in said
    assert list(json.loads((tmp_path / "found.json").read_text())[str(place)]) == ["Here"]
    del tasks["Gone"]
    assert run(monkeypatch, "--model", place, "--tasks", "Here") == 0


@needs_mteb
def test_a_name_that_mteb_has_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "NoSuchTask" in run(monkeypatch, "--model", model_of(tmp_path, ["春"]), "--tasks", "NoSuchTask")


def test_without_mteb_every_task_is_said_to_be_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    said = run(monkeypatch, "--model", model_of(tmp_path, ["春"]), "--tasks", "ATEC,BQ")
    assert said.splitlines()[:2] == [f"{name}: skipped, the package mteb is not installed" for name in ("ATEC", "BQ")]
