"""Files and folders of a workspace as a tar in parts that carry their SHA-256: packed here, taken in elsewhere."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.workspace import paths
from rosphere import files
from rosphere.errors import InputError

LISTING, FORMER_LISTING = "bundle.json", "piece.json"  # what an older version has packed is taken too
BLOCK = 1 << 20


def pack(content: Sequence[Path], out: Path, part: int) -> list[Path]:
    """These files and folders as files of at most ``part`` bytes in ``out``; bundle.json lists them, written last."""
    out.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob("bundle.*"), *out.glob("piece.*")):
        old.unlink()
    whole = out / "bundle.tar.whole"
    with tarfile.open(whole, "w") as archive:
        for path in dict.fromkeys(content):
            archive.add(path, filter=lambda entry: None if entry.name.endswith(".lock") else entry)
    digests = {}
    for number, block in enumerate(_blocks(whole, part)):
        path = out / f"bundle.tar.{number:03}"
        path.write_bytes(block)
        digests[path.name] = hashlib.sha256(block).hexdigest()
    whole.unlink()
    files.write_text(out / LISTING, json.dumps({"parts": digests}, indent=1) + "\n")
    return [out / name for name in digests]


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(size):
            yield block


def take(folder: Path) -> int:
    """Unpacks a bundle into the workspace; how many files. Nothing is touched unless every part is whole.

    Raises:
        InputError: no bundle, a part is missing or not what was packed, an entry that leads out of the workspace.
    """
    parts = _whole_parts(folder)
    whole = paths.RUN / "bundle.tar"
    whole.parent.mkdir(exist_ok=True)
    try:
        with whole.open("wb") as file:
            for name in parts:
                for block in _blocks(folder / name, BLOCK):
                    file.write(block)
        with tarfile.open(whole) as archive:
            _unpack(archive)
            return len(archive.getmembers())
    except tarfile.TarError as error:
        raise InputError(f"{folder}: {error}") from error
    finally:
        whole.unlink(missing_ok=True)


def _unpack(archive: tarfile.TarFile) -> None:
    """Into the workspace and nowhere else. Python before 3.11.4, as Debian 12 has it, knows no filters."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(".", filter="data")
        return
    for entry in archive.getmembers():
        inside = not Path(entry.name).is_absolute() and ".." not in Path(entry.name).parts
        if not (inside and (entry.isfile() or entry.isdir())):
            raise tarfile.ExtractError(f"{entry.name!r} is outside the workspace, or no file or folder")
        entry.mode &= 0o755
    archive.extractall(".")


def _whole_parts(folder: Path) -> list[str]:
    """The names of a bundle's parts in order, each of which is there and is what was packed."""
    listing = next((path for name in (LISTING, FORMER_LISTING) if (path := folder / name).is_file()), None)
    if listing is None:
        raise InputError(f"{folder}: expected a bundle, there is no {LISTING}")
    digests: dict[str, str] = json.loads(listing.read_text(encoding="utf-8"))["parts"]
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: a part of the bundle is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise InputError(f"{path}: not what was packed; fetch it again")
    return list(digests)
