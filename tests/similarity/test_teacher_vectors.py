"""Vectors on disk: the same as in memory, computed once, whatever is killed, damaged or run twice."""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from rosphere.errors import InputError, Interrupted
from rosphere.similarity import teacher_vectors
from rosphere.similarity.teacher_vectors import StoredVectors
from rosphere.similarity.vectors import Vectors, unit

TEXTS = [f"第{number}句" for number in range(23)]
WIDTH = 6


def vector(text: str) -> Vectors:
    return np.random.default_rng(zlib.crc32(text.encode())).standard_normal(WIDTH).astype(np.float32)


class Encoder:
    """Of each text a vector of its own; remembers what it was asked for; raises at call ``fails``."""

    def __init__(self, fails: int | None = None) -> None:
        self.fails, self.calls = fails, list[list[str]]()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        if len(self.calls) == self.fails:
            raise KeyboardInterrupt
        self.calls.append(list(texts))
        return np.stack([vector(text) for text in texts])


def expected(texts: Sequence[str]) -> Vectors:
    return np.stack([vector(text) for text in texts])


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_vectors, "TEXTS_A_SHARD", 5)


def test_what_was_killed_goes_on_behind_its_last_shard(tmp_path: Path) -> None:
    first = Encoder(fails=2)
    with pytest.raises(KeyboardInterrupt):
        teacher_vectors.stored(tmp_path, TEXTS, first)
    assert first.calls == [TEXTS[:5], TEXTS[5:10]] and len(list(tmp_path.iterdir())) == 2
    again = Encoder()
    found = teacher_vectors.stored(tmp_path, TEXTS, again)
    assert again.calls == [TEXTS[10:15], TEXTS[15:20], TEXTS[20:]]
    np.testing.assert_array_equal(found, expected(TEXTS))
    undisturbed = tmp_path / "undisturbed"
    teacher_vectors.stored(undisturbed, TEXTS, Encoder())
    files = {path.name: path.read_bytes() for path in undisturbed.iterdir()}
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    third = Encoder()
    teacher_vectors.stored(tmp_path, TEXTS, third)
    assert third.calls == []


def test_lists_that_begin_alike_share_what_was_computed(tmp_path: Path) -> None:
    teacher_vectors.stored(tmp_path, TEXTS[:12], Encoder())
    encoder = Encoder()
    found = teacher_vectors.stored(tmp_path, TEXTS, encoder)
    assert encoder.calls == [TEXTS[10:15], TEXTS[15:20], TEXTS[20:]]
    np.testing.assert_array_equal(found, expected(TEXTS))


def test_what_was_asked_for_before_changes_no_byte(tmp_path: Path) -> None:
    """Rounding makes a text's vector depend on the texts beside it."""

    def encode(texts: Sequence[str]) -> Vectors:
        return expected(texts) * np.float32(1 + 1e-6 * len("".join(texts)))

    fresh = np.asarray(teacher_vectors.stored(tmp_path / "fresh", TEXTS, encode))
    for before in (TEXTS[3:], TEXTS[::-1], TEXTS[:7], ["新的", *TEXTS]):
        teacher_vectors.stored(tmp_path / "used", before, encode)
    found = np.asarray(teacher_vectors.stored(tmp_path / "used", TEXTS, encode))
    assert found.tobytes() == fresh.tobytes()


def test_a_shard_under_another_name_is_refused(tmp_path: Path) -> None:
    teacher_vectors.stored(tmp_path, TEXTS, Encoder())
    one, other = sorted(tmp_path.iterdir())[:2]
    one.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match=rf"{one.name}: holds the vectors of other texts"):
        teacher_vectors.stored(tmp_path, TEXTS, Encoder())


def test_a_stop_is_asked_for_between_shards_and_how_far_it_is_is_said(tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    with pytest.raises(Interrupted, match="stopped at 10 of 23 vectors"):
        teacher_vectors.stored(
            tmp_path, TEXTS, Encoder(), progress=lambda *far: said.append(far), stopping=lambda: said[-1][0] == 10
        )
    assert said == [(0, 23), (5, 23), (10, 23)]
    said.clear()
    teacher_vectors.stored(tmp_path, TEXTS, Encoder(), progress=lambda *far: said.append(far), stopping=lambda: False)
    assert said == [(10, 23), (15, 23), (20, 23), (23, 23)]
    said.clear()
    # Where nothing is left to do there is nothing to say, and nothing to stop.
    teacher_vectors.stored(tmp_path, TEXTS, Encoder(), progress=lambda *far: said.append(far), stopping=lambda: True)
    assert said == []


@pytest.mark.parametrize("spoil", [lambda whole: whole[:-1], lambda whole: b"", lambda whole: b"\xff" * len(whole)])
def test_a_damaged_shard_is_refused_by_name_and_computed_anew_when_it_is_deleted(tmp_path: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    teacher_vectors.stored(tmp_path, TEXTS, Encoder())
    shard = sorted(tmp_path.iterdir())[1]
    shard.write_bytes(spoil(shard.read_bytes()))
    encoder = Encoder()
    with pytest.raises(InputError, match=rf"{shard.name}: .*the file is damaged: delete it, and its vectors are"):
        teacher_vectors.stored(tmp_path, TEXTS, encoder)
    assert encoder.calls == []
    shard.unlink()
    found = teacher_vectors.stored(tmp_path, TEXTS, encoder)
    assert len(encoder.calls) == 1
    np.testing.assert_array_equal(found, expected(TEXTS))


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    save_file({"vectors": torch.zeros(3, 2), "keys": torch.zeros(2, 16, dtype=torch.uint8)}, path)
    with pytest.raises(InputError, match=r"v.safetensors: expected vectors \[N, D\] and keys uint8 \[N, 16\], got"):
        teacher_vectors.mapped(path)


def _fill(folder: Path, texts: list[str], barrier) -> None:  # type: ignore[no-untyped-def]
    teacher_vectors.TEXTS_A_SHARD = 5
    barrier.wait()
    found = teacher_vectors.stored(folder, texts, Encoder())
    np.testing.assert_array_equal(found, expected(texts))


@pytest.mark.integration
def test_two_processes_at_once_do_not_spoil_one_another(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    several = [context.Process(target=_fill, args=(tmp_path, texts, barrier)) for texts in (TEXTS, TEXTS)]
    for process in several:
        process.start()
    for process in several:
        process.join()
    assert [process.exitcode for process in several] == [0, 0]
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}
    encoder = Encoder()
    np.testing.assert_array_equal(teacher_vectors.stored(tmp_path, TEXTS, encoder), expected(TEXTS))
    assert encoder.calls == []


def test_the_shard_that_another_process_has_made_meanwhile_is_taken(tmp_path: Path) -> None:
    class Overtaken(Encoder):
        def __call__(self, texts: Sequence[str]) -> Vectors:
            if not self.calls:
                teacher_vectors.stored(tmp_path, TEXTS, Encoder())
            return super().__call__(texts)

    encoder = Overtaken()
    np.testing.assert_array_equal(teacher_vectors.stored(tmp_path, TEXTS, encoder), expected(TEXTS))
    assert encoder.calls == [TEXTS[:5]]


@given(data=st.data())
def test_rows_in_several_arrays_are_indexed_as_those_of_one(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    table = np.random.default_rng(count).standard_normal((count, 3)).astype(np.float32)
    part = np.array(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)), np.int32)
    parts = [table[part == each] for each in range(3)]
    row = np.array([int((part[:number] == part[number]).sum()) for number in range(count)], np.int32)
    found = StoredVectors(parts, part, row)
    assert found.shape == table.shape and len(found) == count and found.width == 3
    numbers = np.array(data.draw(st.lists(st.integers(-count, count - 1), max_size=9)), np.int64)
    for index in (numbers, slice(1, None), table[:, 0] > 0, numbers.reshape(-1, 1), 0):
        np.testing.assert_array_equal(found[index], table[index])
    np.testing.assert_array_equal(np.asarray(found), table)
    np.testing.assert_array_equal(np.asarray(found.selected(numbers)), table[numbers])
    assert np.asarray(found, np.float64).dtype == np.float64


def test_a_file_is_mapped_not_read(tmp_path: Path) -> None:
    """What is written into the file later shows in rows that were opened before."""
    path = tmp_path / "v.safetensors"
    teacher_vectors.write(path, TEXTS, expected(TEXTS))
    found = teacher_vectors.of_file(path, TEXTS[::-1])
    np.testing.assert_allclose(found, unit(expected(TEXTS[::-1])), rtol=1e-6)
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(whole.index(load_file(path)["vectors"].numpy().tobytes()))
        file.write(np.eye(1, WIDTH, dtype=np.float32).tobytes())
    np.testing.assert_array_equal(found[np.array([-1])], np.eye(1, WIDTH))


def test_no_text_needs_no_encoder(tmp_path: Path) -> None:
    encoder = Encoder()
    assert len(teacher_vectors.stored(tmp_path / "none", [], encoder)) == 0 and encoder.calls == []


def test_rows_that_were_not_asked_for_are_not_there() -> None:
    found = teacher_vectors.in_memory(expected(TEXTS[:3])).spread(np.array([4, 0, 7]), 9)
    assert found.shape == (9, WIDTH)
    assert np.array_equal(found[np.array([7, 4, 0, 4])], expected([TEXTS[2], TEXTS[0], TEXTS[1], TEXTS[0]]))
    assert np.array_equal(np.asarray(found.selected(np.array([0, 4, 7]))), expected([TEXTS[1], TEXTS[0], TEXTS[2]]))
    with pytest.raises(IndexError):
        found[np.array([4, 5])]
