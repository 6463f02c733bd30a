"""The last commit, and how the metrics differ from those in it. Where there is no git, nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.workspace import git

# By file relative to the folder asked for, and by key ("vmf.kl"): {"old": value or None, "new": value or None}.
Diff = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Commit:
    name: str  # the short hash
    subject: str
    date: str  # YYYY-MM-DD


def last(folder: Path) -> Commit | None:
    """HEAD of the repository that `folder` lies in."""
    said = git.ask(folder, "log", "-1", "--format=%h%x00%cs%x00%s")
    if not said:
        return None
    name, date, subject = said.strip().split("\0")
    return Commit(name=name, subject=subject, date=date)


def metrics_diff(folder: Path) -> Diff | None:
    """What `dvc metrics diff` says of HEAD and the files as they are; None where there is no DVC workspace.

    It may run inside a stage: DVC lets go of its lock while a command runs, and to read metrics it takes none. In a
    process of its own, for a stage imports neither DVC nor what it drags along.
    """
    command = [sys.executable, "-m", "dvc", "metrics", "diff", "--all", "--json", "HEAD"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        return None
    found: Diff = json.loads(done.stdout)
    return found
