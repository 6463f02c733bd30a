"""Text from Parquet files, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path

import pytest

from rosphere.errors import InputError
from rosphere.preparation import local
from rosphere.preparation.local import TextFiles
from rosphere.text.reading import Meter

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

TEXTS = [f"第{n}篇文章" for n in range(3000)]


def written(path: Path, **columns: list[object]) -> Path:
    parquet.write_table(pyarrow.table(columns), path, row_group_size=700)
    return path


def test_its_rows_are_documents_and_other_columns_are_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", text=TEXTS, embedding=[[0.5] * 8] * 3000)
    meter = Meter(size=path.stat().st_size)
    assert list(local.read_documents(path, None, meter)) == TEXTS
    assert meter.done == meter.size


def test_a_column_of_another_name_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", content=TEXTS, text=["x"] * 3000)
    (source,) = [local.load([TextFiles(files=str(path), fields={"text": "content"})], [], None, [])]
    assert list(source.documents()) == TEXTS
    assert source.progress.done == source.progress.size == path.stat().st_size


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"content": ["甲"], "id": [1]}, r"a\.parquet: expected a column 'text', it has content, id"),
        ({"text": [1]}, r"a\.parquet, row 1: expected text under 'text', got int"),
        ({"text": ["甲", None]}, r"a\.parquet, row 2: expected text under 'text', got NoneType"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, columns: dict[str, list[object]], complaint: str) -> None:
    path = written(tmp_path / "a.parquet", **columns)
    with pytest.raises(InputError, match=complaint):
        list(local.read_documents(path))


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"{}" * 100])
def test_a_damaged_file_is_one_line(tmp_path: Path, damage) -> None:
    path = written(tmp_path / "a.parquet", text=TEXTS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"a\.parquet: not a Parquet file that can be read: [^\n]+$"):
        list(local.read_documents(path))


def test_a_packed_parquet_file_is_none(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", text=TEXTS).rename(tmp_path / "a.parquet.gz")
    with pytest.raises(InputError, match=r"a\.parquet\.gz: expected a file that ends in \.txt, .*, or in that"):
        list(local.read_documents(path))


@pytest.mark.parametrize(("change", "complaint"), [("grow", "changed while it was read, from"), ("vanish", "removed")])
def test_a_file_that_does_not_stay_as_it_is_is_refused(tmp_path: Path, change: str, complaint: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("甲\n乙\n", encoding="utf-8")
    documents = local.load([str(path)], [], None, []).documents()
    next(documents)
    if change == "grow":
        path.write_text("甲\n乙\n丙\n", encoding="utf-8")
    else:
        path.unlink()
    with pytest.raises(InputError, match=rf"a\.txt: {complaint}"):
        list(documents)
