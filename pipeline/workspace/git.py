"""What git says of a workspace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# By which git, in a hook of its own, would take the user's repository for another one's.
PLACES = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
)


def ask(folder: Path, *arguments: str, around: Mapping[str, str] | None = None) -> str | None:
    """What `git ARGUMENTS` answers in `folder` and the environment `around`, by default this process's.

    None where there is no git, no repository, or nothing that git knows.
    """
    env = os.environ if around is None else around
    if shutil.which("git", path=env.get("PATH")) is None:
        return None
    done = subprocess.run(["git", *arguments], cwd=folder, env=env, capture_output=True)
    return None if done.returncode else done.stdout.decode(errors="surrogateescape")


def head(folder: Path) -> str | None:
    """The hash of the commit that `folder` stands on, if there is one."""
    said = ask(folder, "rev-parse", "HEAD")
    return None if said is None else said.strip()


def dirty(folder: Path, apart: Sequence[str] = ()) -> bool:
    """Whether files in `folder` that git tracks differ from the commit, those apart that the patterns name, folders
    as a whole. What else a larger repository holds is no matter."""
    spared = [f":(exclude,glob){pattern}{below}" for pattern in apart for below in ("", "/**")]
    asked = ("--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", ".", *spared)
    return bool((ask(folder, *asked) or "").strip())
