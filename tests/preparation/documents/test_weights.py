"""Texts with weights: read as often as they say, and counted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rosphere.errors import InputError
from rosphere.preparation import local
from rosphere.preparation.documents import parts, tokenising
from rosphere.preparation.documents.screening import Screening, screened
from rosphere.preparation.documents.workers import Workers
from rosphere.preparation.local import TextFiles
from rosphere.preparation.source import Source
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

COUNT = 400


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for sign in "甲乙丙":
        (folder / f"{sign}.txt").write_text("\n".join(f"{sign}第{n}篇文章。" for n in range(COUNT)), encoding="utf-8")
    (folder / "乙.txt").write_text("甲第1篇文章\n", encoding="utf-8")  # is a document of the first text
    return folder


def corpus(source: Source, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], Counter[str]]:
    monkeypatch.setattr(parts, "CHARACTERS", 500)
    pieces = tiny.tokenizer(folder / "tokenizer", [*source.documents()])
    with Workers(count=1) as workers:
        given = [text.documents() for text in source.by_text()]
        found = screened(given, Screening(minimum=2, held_out={}), folder / "work/documents", workers)
        made = tokenising.write(
            found.documents,
            folder / "corpus",
            pieces,
            folder / "work/tokens",
            workers,
            whole_words=False,
            sentence_characters=(2, 40),
            split="train",
            texts=source.by_text(),
        )
    return made, Counter(read(folder / "corpus/train", pieces))


def read(folder: Path, pieces: Tokenizer) -> list[str]:
    whole = Corpus(folder)
    return [pieces.decode(whole.document(number)[0].tolist()) for number in range(len(whole))]


def test_documents_stand_in_the_corpus_as_often_as_their_weight(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [
        TextFiles(files=str(files / "甲.txt"), weight=2.0),
        str(files / "乙.txt"),
        TextFiles(files=str(files / "丙.txt"), weight=1.25),
    ]
    made, seen = corpus(local.load(given, [], None, []), tmp_path, monkeypatch)
    of_first = {text: count for text, count in seen.items() if text.startswith("甲")}
    of_third = Counter(count for text, count in seen.items() if text.startswith("丙"))
    assert len(of_first) == COUNT and set(of_first.values()) == {2}, "the copy in the second text is dropped"
    assert of_third.total() == COUNT and set(of_third) == {1, 2}
    assert 70 < of_third[2] < 130  # 100 expected, standard deviation 9
    counts = made["train"]["texts"]
    assert list(counts) == [str(files / "甲.txt"), str(files / "丙.txt")]
    assert counts[str(files / "甲.txt")]["documents"] == 2 * COUNT
    assert counts[str(files / "丙.txt")]["documents"] == COUNT + of_third[2]
    assert sum(each["documents"] for each in counts.values()) == made["train"]["documents"] == seen.total()
    assert sum(each["tokens"] for each in counts.values()) == made["train"]["tokens"]
    assert made["sentences-train"]["documents"] == 2 * COUNT, "a sentence stands there once"


def test_a_half_is_half_of_the_documents_and_the_same_half_with_others(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = TextFiles(files=str(files / "甲.txt"), weight=0.5)
    _, alone = corpus(local.load([half], [], None, []), tmp_path / "alone", monkeypatch)
    _, beside = corpus(local.load([str(files / "丙.txt"), half], [], None, []), tmp_path / "beside", monkeypatch)
    assert 160 < len(alone) < 240 and set(alone.values()) == {1}  # 200 expected, standard deviation 10
    assert set(alone) == {text for text in beside if text.startswith("甲")}


def test_one_text_without_a_weight_is_not_counted_apart(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = local.load([str(files / "甲.txt")], [], None, [])
    made, seen = corpus(source, tmp_path / "one", monkeypatch)
    assert "texts" not in made["train"] and set(seen.values()) == {1}
    plain, _ = corpus(dataclasses.replace(source, texts=()), tmp_path / "two", monkeypatch)
    assert plain == made


@pytest.mark.parametrize("weight", [0.0, -1.0, 101.0, float("nan")])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match=r"weight: expected more than 0 and 100 at most, got "):
        TextFiles(files="a.txt", weight=weight)
