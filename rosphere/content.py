"""What a file or folder holds, as a short name: the same content has the same name wherever it lies."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rosphere import files


def of_file(path: Path) -> str:
    """BLAKE2b of the bytes, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def of_folder(folder: Path) -> str:
    """Of all files in a folder and the folders in it, with their names."""
    mark = hashlib.blake2b(digest_size=16)
    for path in files.below(folder):
        mark.update(f"{path.relative_to(folder)}\0{of_file(path)}\0".encode())
    return mark.hexdigest()
