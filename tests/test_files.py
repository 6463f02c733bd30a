"""Folders that users have put together from links, and what a write that fails leaves and says."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rosphere import files


def test_linked_folders_are_entered_and_circles_left(tmp_path: Path) -> None:
    folder, outside = tmp_path / "texts", tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    outside.mkdir()
    for path in (folder / "a.txt", folder / "sub" / "b.txt", outside / "c.txt"):
        path.write_text(path.name)
    (folder / "z").symlink_to(outside)
    (folder / "d.txt").symlink_to(outside / "c.txt")
    (outside / "back").symlink_to(folder)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    found = [str(path.relative_to(folder)) for path in files.below(folder)]
    assert found == ["a.txt", "d.txt", "sub/b.txt", "z/c.txt"]


def test_a_change_behind_a_link_is_a_change(tmp_path: Path) -> None:
    folder, outside = tmp_path / "texts", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "z").symlink_to(outside)
    before = files.folder_hash(folder)
    (outside / "c.txt").write_text("new")
    assert files.folder_hash(folder) != before


@pytest.mark.parametrize(("number", "named"), [(errno.ENOSPC, True), (None, False)])
def test_a_full_disk_says_which_file(tmp_path: Path, number: int | None, named: bool) -> None:
    said = (number, "No space left on device") if number else ("No space left on device",)
    with pytest.raises(OSError, match="No space left") as refused, files.replacing(tmp_path / "a.json"):
        raise OSError(*said)
    assert (refused.value.filename == str(tmp_path / "a.json")) is named
    assert not list(tmp_path.iterdir())
