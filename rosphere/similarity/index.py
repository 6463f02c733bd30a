"""The nearest of many lines: a file's vectors are worked out once, kept beside it, and memory-mapped.

A folder holds vectors.npy, float32 [N, D] of unit length; offsets.npy, int64 [N], where each line begins in its file;
index.json, which model, which precision and which text they belong to. Search is exact: one matrix product, block by
block.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from rosphere import files
from rosphere.encoder.precision import Precision
from rosphere.errors import InputError
from rosphere.text import reading

Encode = Callable[[list[str]], NDArray[np.floating[Any]]]
Progress = Callable[[int, int], None]  # lines done, lines in all
LINES_A_BLOCK, ROWS_A_PRODUCT = 4096, 65536
ABOUT, OFFSETS, VECTORS = "index.json", "offsets.npy", "vectors.npy"


class Index:
    """The lines of one file that are not blank."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.file = file
        self.offsets = _mapped(folder / OFFSETS)
        self.vectors = _mapped(folder / VECTORS)
        if self.offsets.ndim != 1 or self.vectors.ndim != 2 or len(self.offsets) != len(self.vectors):
            raise InputError(f"{folder}: its parts do not belong together; --reindex makes it anew")

    def __len__(self) -> int:
        return len(self.offsets)

    def line(self, number: int) -> str:
        with self.file.open("rb") as file:
            file.seek(int(self.offsets[number]))
            return file.readline().decode("utf-8-sig").rstrip("\r\n")

    def nearest(self, query_D: NDArray[np.floating[Any]], count: int) -> list[tuple[int, float]]:
        """(number, cosine) of the ``count`` nearest lines, nearest first; of equally near ones the earlier."""
        if count < 1:
            raise InputError(f"count: expected 1 or more, got {count}")
        best: list[tuple[int, float]] = []
        for start in range(0, len(self), ROWS_A_PRODUCT):
            with np.errstate(invalid="ignore"):  # BLAS kernels raise it for lanes past the end, with finite results
                scores = self.vectors[start : start + ROWS_A_PRODUCT] @ query_D.astype(np.float32)
            least = np.partition(scores, -count)[-count] if count < len(scores) else -np.inf
            # All above the boundary and those on it: which of equals argpartition would keep is chance.
            chosen = np.flatnonzero(scores >= least)
            best += [(start + int(number), float(scores[number])) for number in chosen]
            best = sorted(best, key=lambda item: (-item[1], item[0]))[:count]
        return best


def _mapped(path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({str(error)[:120]}); --reindex makes it anew") from error
    return found


def opened(
    file: Path,
    model: Path,
    encode: Encode,
    *,
    width: int,
    precision: Precision = "fp32",
    anew: bool = False,
    progress: Progress = lambda done, total: None,
) -> Index:
    """The index of ``file`` by the encoder in the folder ``model``, made if it is not there or not of this text.

    Kept in ``<file>.index``. Killed while it is made, it goes on where it was. ``precision`` is what ``encode``
    computes in: neither vectors of another model nor of another precision can be searched with its queries.

    Raises:
        InputError: the file is missing, not UTF-8, or has no line with text; there is an index of another model or
            precision, unless it is to be made ``anew``.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    encoder = {"model": files.folder_hash(model), "width": width, "precision": precision}
    about = {**encoder, "text": files.file_hash(file)}
    folder = file.with_name(f"{file.name}.index")
    found = _whole(folder, file) if anew else _read(folder / ABOUT)
    if found and not anew:
        _same_encoder(folder, found, encoder, model)
    if found != about:
        _make(folder, about, *_lines(file), encode, progress)
    return Index(folder, file)


def _whole(folder: Path, file: Path) -> dict[str, Any] | None:
    """What an index says of itself, None where a part of it cannot be read and it is to be made anew."""
    try:
        about = _read(folder / ABOUT)
        return about if about is None or len(Index(folder, file)) else None
    except InputError:
        return None


def _same_encoder(folder: Path, found: dict[str, Any], wanted: dict[str, Any], model: Path) -> None:
    made_in = found.get("precision", "an unknown precision")
    if made_in != wanted["precision"]:
        what = f"vectors in {wanted['precision']}, these are in {made_in}"
    elif any(found.get(key) != value for key, value in wanted.items()):
        what = f"vectors by {model} as it is now (content {wanted['model'][:12]}), got {str(found.get('model'))[:12]}"
    else:
        return
    raise InputError(f"{folder}: expected {what}; --reindex makes it anew")


def _lines(file: Path) -> tuple[NDArray[np.int64], list[str]]:
    """Where the lines with text begin, in bytes, and the lines."""
    texts = [line for _, line in reading.lines(file)]
    with file.open("rb") as raw:
        sizes = np.fromiter(map(len, raw), np.int64)
    kept = np.array([bool(text.strip()) for text in texts], bool)
    if not kept.any():
        raise InputError(f"{file}: expected lines of text, there are none")
    return (np.cumsum(sizes) - sizes)[kept], [text for text in texts if text.strip()]


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    return files.json_object(path)


def _done(state: Path, about: Mapping[str, Any]) -> int:
    """How many lines of an index that was broken off are there; of another, or one that says nothing readable, none."""
    try:
        content = _read(state) or {}
    except InputError:
        return 0
    done = content.get("done")
    return done if content.get("about") == about and type(done) is int and done > 0 else 0


def _make(
    folder: Path,
    about: dict[str, Any],
    offsets: NDArray[np.int64],
    texts: Sequence[str],
    encode: Encode,
    progress: Progress,
) -> None:
    """Beside the last index, which is replaced only by a whole one. ``done`` is written after each block."""
    folder.mkdir(exist_ok=True)
    part, state = folder / f"{VECTORS}.part", folder / "part.json"
    done = _done(state, about) if part.is_file() else 0
    shape = (len(texts), about["width"])
    if not done:
        state.unlink(missing_ok=True)  # or it would vouch for the empty file that comes now
    vectors = open_memmap(part, mode="r+" if done else "w+", dtype=np.float32, shape=None if done else shape)
    for start in range(done, len(texts), LINES_A_BLOCK):
        block = list(texts[start : start + LINES_A_BLOCK])
        vectors[start : start + len(block)] = encode(block)
        vectors.flush()
        _write(state, {"about": about, "done": start + len(block)})
        progress(start + len(block), len(texts))
    (folder / ABOUT).unlink(missing_ok=True)  # from here to the last line there is no index
    os.replace(part, folder / VECTORS)
    np.save(folder / OFFSETS, offsets, allow_pickle=False)
    _write(folder / ABOUT, about)
    state.unlink()


def _write(path: Path, value: dict[str, Any]) -> None:
    files.write_text(path, json.dumps(value) + "\n")
