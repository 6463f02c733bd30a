"""What a sentence-transformers folder is made of, by its modules.json; read without that library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rosphere import files
from rosphere.errors import InputError

LISTED = "modules.json"
PACKAGE = "sentence_transformers."  # of any other the code would be run
STATIC = "StaticEmbedding"  # a table of vectors of pieces of text; no layers, and no config.json


@dataclass(frozen=True, kw_only=True)
class Module:
    """One line of modules.json."""

    path: str
    kind: str  # the last part of its type


def listed(folder: Path) -> list[Module]:
    """The modules of a folder in their order; none where it is no sentence-transformers folder.

    Raises:
        InputError: modules.json cannot be read, names a place outside the folder or code that is not
            sentence-transformers' own.
    """
    path = folder / LISTED
    if not path.is_file():
        return []
    rows = files.json_value(path)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: expected a list of modules")
    return [_module(row, path) for row in rows]


def write(folder: Path, kinds: Mapping[str, str]) -> None:
    """modules.json: the kinds of sentence-transformers' modules by their places in the folder, in this order."""
    rows = [
        {"idx": number, "name": str(number), "path": path, "type": f"{PACKAGE}models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    files.write_json(folder / LISTED, rows)


def _module(row: object, origin: Path) -> Module:
    if not (isinstance(row, dict) and isinstance(row.get("path"), str) and isinstance(row.get("type"), str)):
        raise InputError(f"{origin}: expected modules with 'path' and 'type', got {str(row)[:120]}")
    if Path(row["path"]).is_absolute() or ".." in Path(row["path"]).parts:
        raise InputError(f"{origin}: path {row['path']!r} leads out of the folder")
    if not row["type"].startswith(PACKAGE):
        raise InputError(
            f"{origin}: module {row['type'][:120]!r} is none of sentence-transformers; its code is not run"
        )
    return Module(path=row["path"], kind=row["type"].rpartition(".")[2])


def encoder(folder: Path) -> Path:
    """Where in a folder the encoder lies: in itself, or in the first module's folder, as in old layouts."""
    if (folder / "config.json").is_file():
        return folder
    first = listed(folder)[:1]
    return folder / first[0].path if first else folder


def static(folder: Path) -> bool:
    """Whether a folder's vectors are means of a table's rows, with no encoder before them."""
    return [each.kind for each in listed(folder)][:1] == [STATIC]
