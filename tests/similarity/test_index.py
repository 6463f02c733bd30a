"""The index of a file: exact, made once, made again when it must be, resumed after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rosphere.errors import InputError
from rosphere.similarity import index
from rosphere.similarity.index import Index

WIDTH = 5


class Encoder:
    """A vector for each text, from its characters; counts what it is asked, and fails on demand."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.fails_after = fails_after

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            raise KeyboardInterrupt
        self.asked += texts
        return np.stack([vector(text) for text in texts])


def vector(text: str) -> NDArray[np.float32]:
    raw = np.random.default_rng([ord(char) for char in text]).standard_normal(WIDTH)
    return (raw / np.linalg.norm(raw)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("1")
    return tmp_path / "model"


def written(tmp_path: Path, lines: list[str], end: str = "\n") -> Path:
    path = tmp_path / "lines.txt"
    path.write_bytes(("\ufeff" + end.join(lines)).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_come_back_as_they_stand_and_blank_ones_do_not_count(tmp_path: Path, model: Path, end: str) -> None:
    file = written(tmp_path, ["怎么退货", "", "天气  ", " \t", "last"], end)
    found = index.opened(file, model, Encoder(), width=WIDTH)
    assert [found.line(number) for number in range(len(found))] == ["怎么退货", "天气  ", "last"]
    assert found.nearest(vector("天气  "), 1) == [(1, pytest.approx(1.0))]


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.integers(0, 2), min_size=1, max_size=40), count=st.integers(1, 45), block=st.integers(1, 12))
def test_the_nearest_are_those_of_a_full_sort_ties_by_line(rows: list[int], count: int, block: int) -> None:
    found = Index.__new__(Index)
    found.offsets, found.vectors = np.arange(len(rows)), np.eye(3, dtype=np.float32)[rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "ROWS_A_PRODUCT", block)
        query = np.array([0.3, 0.9, 0.3])
        got = found.nearest(query, count)
    scores = found.vectors @ query.astype(np.float32)
    assert [number for number, _ in got] == sorted(range(len(rows)), key=lambda n: (-scores[n], n))[:count]
    assert [score for _, score in got] == [float(scores[number]) for number, _ in got]


def test_an_index_is_made_once_and_again_for_other_text(tmp_path: Path, model: Path) -> None:
    encoder, file = Encoder(), written(tmp_path, ["甲", "乙"])
    index.opened(file, model, encoder, width=WIDTH)
    index.opened(file, model, encoder, width=WIDTH)
    assert encoder.asked == ["甲", "乙"]
    written(tmp_path, ["甲", "丙", "乙"])
    found = index.opened(file, model, encoder, width=WIDTH)
    assert encoder.asked[2:] == ["甲", "丙", "乙"]
    assert (len(found), found.line(1)) == (3, "丙")
    assert sorted(path.name for path in (tmp_path / "lines.txt.index").iterdir()) == [
        "index.json",
        "offsets.npy",
        "vectors.npy",
    ]


def test_an_index_of_another_model_or_precision_is_refused_unless_it_is_to_be_made_anew(
    tmp_path: Path, model: Path
) -> None:
    encoder, file = Encoder(), written(tmp_path, ["甲", "乙"])
    index.opened(file, model, encoder, width=WIDTH, precision="bf16")
    with pytest.raises(InputError, match=r"lines.txt.index: expected vectors in fp32, these are in bf16; --reindex"):
        index.opened(file, model, encoder, width=WIDTH)
    (model / "weights").write_text("2")
    with pytest.raises(InputError, match=r"lines.txt.index: expected vectors by .*model as it is now \(content"):
        index.opened(file, model, encoder, width=WIDTH, precision="bf16")
    assert encoder.asked == ["甲", "乙"]
    index.opened(file, model, encoder, width=WIDTH, anew=True)
    index.opened(file, model, encoder, width=WIDTH, anew=True)  # it is as wanted
    assert encoder.asked == ["甲", "乙"] * 2
    about = tmp_path / "lines.txt.index" / "index.json"
    said = json.loads(about.read_text())
    del said["precision"]  # as older versions wrote it, in the precision of the machine's choice
    about.write_text(json.dumps(said))
    with pytest.raises(InputError, match="these are in an unknown precision"):
        index.opened(file, model, encoder, width=WIDTH)


def test_a_killed_one_goes_on(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "LINES_A_BLOCK", 2)
    lines = [f"line {number}" for number in range(7)]
    file, killed = written(tmp_path, lines), Encoder(fails_after=4)
    shown: list[tuple[int, int]] = []
    with pytest.raises(KeyboardInterrupt):
        index.opened(file, model, killed, width=WIDTH, progress=lambda *both: shown.append(both))
    assert shown == [(2, 7), (4, 7)]
    second = Encoder()
    found = index.opened(file, model, second, width=WIDTH)
    assert second.asked == lines[4:]
    np.testing.assert_array_equal(found.vectors, Encoder()(lines))


def test_what_a_kill_left_of_another_text_is_not_used(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "LINES_A_BLOCK", 2)
    file = written(tmp_path, ["a", "b", "c"])
    with pytest.raises(KeyboardInterrupt):
        index.opened(file, model, Encoder(fails_after=2), width=WIDTH)
    assert json.loads((tmp_path / "lines.txt.index" / "part.json").read_text())["done"] == 2
    written(tmp_path, ["x", "y", "z"])
    second = Encoder()
    index.opened(file, model, second, width=WIDTH)
    assert second.asked == ["x", "y", "z"]


def test_a_kill_in_the_first_block_of_another_text_leaves_nothing_to_trust(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "LINES_A_BLOCK", 2)
    for lines, done in ((["a", "b", "c"], 2), (["x", "y", "z"], 0)):
        with pytest.raises(KeyboardInterrupt):
            index.opened(written(tmp_path, lines), model, Encoder(fails_after=done), width=WIDTH)
    found = index.opened(written(tmp_path, ["a", "b", "c"]), model, Encoder(), width=WIDTH)
    np.testing.assert_array_equal(found.vectors, Encoder()(["a", "b", "c"]))


def test_refusals(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match=r"lines.txt: expected lines of text, there are none"):
        index.opened(written(tmp_path, ["", "  "]), model, Encoder(), width=WIDTH)
    with pytest.raises(InputError, match=r"nothing.txt: no such file"):
        index.opened(tmp_path / "nothing.txt", model, Encoder(), width=WIDTH)
    (tmp_path / "latin.txt").write_bytes("\n\xe9\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.txt:2: not UTF-8"):
        index.opened(tmp_path / "latin.txt", model, Encoder(), width=WIDTH)
