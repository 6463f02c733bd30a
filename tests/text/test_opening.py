"""Packed files are read as what they hold; damaged ones are one line."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from rosphere.errors import InputError
from rosphere.text import reading
from rosphere.text.reading import Meter

LINES = [f"第{n}行，用zstd压缩" for n in range(30_000)]
RAW = ("\n".join(LINES) + "\n").encode()


def packed(suffix: str, raw: bytes = RAW) -> bytes:
    if suffix == ".zst":
        pyarrow = pytest.importorskip("pyarrow")
        return bytes(pyarrow.compress(raw, codec="zstd", asbytes=True))
    return {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix](raw)


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_its_lines_are_those_of_what_was_packed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text.txt{suffix.upper()}"
    path.write_bytes(packed(suffix))
    meter = Meter(size=path.stat().st_size)
    seen, far = [], []
    for _, line in reading.lines(path, meter):
        seen.append(line)
        far.append(meter.done)
    assert seen == LINES
    assert far == sorted(far) and meter.done == path.stat().st_size


def test_packed_one_behind_another_as_gzip_allows(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress("甲\n".encode()) + gzip.compress("乙\n".encode()))
    assert [line for _, line in reading.lines(tmp_path / "a.gz")] == ["甲", "乙"]


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda raw: raw[: len(raw) // 2], "cut off, "),
        (lambda raw: raw[:-6], "cut off, "),
        (lambda raw: b"no such thing" + raw[13:], "damaged, or no {suffix}, "),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, suffix: str, damage, complaint: str) -> None:
    path = tmp_path / f"text.jsonl{suffix}"
    path.write_bytes(damage(packed(suffix)))
    with pytest.raises(InputError) as refused:
        list(reading.lines(path))
    assert str(refused.value).startswith(f"{path}: {complaint.format(suffix=suffix)}")
    assert "fetch it again" in str(refused.value) and "\n" not in str(refused.value)


def test_a_wrong_checksum_is_one_line(tmp_path: Path) -> None:
    raw = packed(".gz")
    (tmp_path / "a.gz").write_bytes(raw[:-8] + bytes(4) + raw[-4:])
    with pytest.raises(InputError, match=r"a\.gz: damaged, or no \.gz, \d+ bytes in \(CRC check failed"):
        list(reading.lines(tmp_path / "a.gz"))


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST", 1 << 20)
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\n" + b"x" * (1 << 20) + b"\n")
    assert len(list(zip(range(1), reading.lines(path), strict=False))) == 1
    with pytest.raises(InputError, match=r"a\.txt:2: expected a document .*, got a line of more than 1 MiB"):
        list(reading.lines(path))
    path.write_bytes(b"x" * ((1 << 20) - 1) + b"\n")
    assert len(list(reading.lines(path))) == 1
