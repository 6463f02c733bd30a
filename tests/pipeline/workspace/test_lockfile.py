"""A dvc.lock that was cut off comes back, wherever it was cut; one that a person must look at stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo

from pipeline.workspace import lock, lockfile

WHOLE = """schema: '2.0'
stages:
  one:
    cmd: echo 1
    deps:
    - path: a.txt
      hash: md5
      md5: 0cc175b9c0f1b6a831c399e269772661
      size: 1
    outs:
    - path: b.txt
      hash: md5
      md5: 92eb5ffee6ae2fec3ad71c777531578f
      size: 1
  two:
    cmd: echo 2
"""
DVC_YAML = "stages:\n  one: {cmd: echo 1, deps: [a.txt], outs: [b.txt]}\n  two: {cmd: echo 2}\n"


def readable(root: Path) -> bool:
    """Whether DVC itself takes it."""
    try:
        Repo(root).index.graph.nodes()
    except DvcException:
        return False
    return True


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "dvc.lock").write_text(WHOLE)
    (tmp_path / ".run").mkdir()
    lockfile.keep(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:_NoneStep")  # of a library that DVC uses
def test_wherever_it_was_cut_dvc_can_read_it_afterwards(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mended = 0
    for length in range(len(WHOLE)):
        (workspace / "dvc.lock").write_text(WHOLE[:length])
        with lock.alone(workspace):
            if mended_now := "was cut off" in capsys.readouterr().err:
                assert (workspace / "dvc.lock").read_text() == WHOLE
            mended += mended_now
        assert not lockfile.is_cut_off(workspace / "dvc.lock")
        if length % 4 == 0:
            assert readable(workspace), WHOLE[:length]
    assert mended > len(WHOLE) / 2


def test_what_is_whole_and_what_a_person_must_look_at_stays(workspace: Path) -> None:
    for text in (WHOLE, WHOLE.replace("echo 2", "echo 3"), f"<<<<<<< HEAD\n{WHOLE}=======\n>>>>>>> other\n"):
        (workspace / "dvc.lock").write_text(text)
        lockfile.mend(workspace)
        assert (workspace / "dvc.lock").read_text() == text


def test_without_a_copy_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(WHOLE[:50])
    lockfile.mend(tmp_path)
    assert (tmp_path / "dvc.lock").read_text() == WHOLE[:50]
