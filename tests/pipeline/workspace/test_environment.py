"""What the tools must find in the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workspace import environment


def test_python_in_a_stage_is_this_interpreter() -> None:
    env = environment.for_commands()
    command = ["sh", "-c", "python -c 'import sys; print(sys.executable)'"]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()
    assert os.path.dirname(said) == os.path.dirname(sys.executable)


def test_a_shell_that_refuses_service_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/sbin/nologin")
    shell = environment.for_commands()["SHELL"]
    assert subprocess.run([shell, "-c", "exit 7"]).returncode == 7


def test_a_name_for_git_only_where_there_is_none(tmp_path: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    assert environment.git_identity(tmp_path, bare) == {
        "GIT_AUTHOR_NAME": "rosphere",
        "GIT_COMMITTER_NAME": "rosphere",
        "GIT_AUTHOR_EMAIL": "rosphere@localhost",
        "GIT_COMMITTER_EMAIL": "rosphere@localhost",
    }
    assert "GIT_AUTHOR_NAME" not in environment.git_identity(tmp_path, {**bare, "GIT_AUTHOR_NAME": "someone"})
    (tmp_path / ".gitconfig").write_text("[user]\n    name = someone\n")
    assert sorted(environment.git_identity(tmp_path, bare)) == ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"]


def test_a_number_without_a_name_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert environment.settings(tmp_path)["USER"] == "rosphere"


@pytest.mark.parametrize("before", ["/usr/bin:/bin", None])
def test_what_the_environment_s_dvc_starts_is_this_python(tmp_path: Path, before: str | None) -> None:
    """`make` puts environment.pth into .venv; a bare .venv/bin/dvc then runs its stages with it, whatever PATH is."""
    shutil.copy(Path(__file__).parents[3] / "environment.pth", tmp_path)
    code = f"import os, site; site.addsitedir({str(tmp_path)!r}); os.system('command -v python')"
    env = {} if before is None else {"PATH": before}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert said.strip() == os.path.join(sys.prefix, "bin", "python")
