"""The last commit, and the reports as they stood in it. Where there is no git, nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Commit:
    name: str  # the short hash
    subject: str
    date: str  # YYYY-MM-DD


def last(folder: Path) -> Commit | None:
    """HEAD of the repository that `folder` lies in."""
    said = _git(folder, "log", "-1", "--format=%h%x00%cs%x00%s")
    if not said:
        return None
    name, date, subject = said.strip().split("\0")
    return Commit(name=name, subject=subject, date=date)


def committed(folder: Path, name: str) -> Mapping[str, Any] | None:
    """The JSON object `folder`/`name` in HEAD; None where HEAD has no such file, or no JSON object in it."""
    text = _git(folder, "show", f"HEAD:./{name}")
    try:
        found = json.loads(text) if text else None
    except json.JSONDecodeError:
        return None  # what was committed broken is no reason to refuse today's page
    return found if isinstance(found, dict) else None


def _git(folder: Path, *arguments: str) -> str | None:
    if shutil.which("git") is None:
        return None
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8")
    return None if done.returncode else done.stdout
