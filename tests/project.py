"""A copy of the project in a folder of its own, without git and without anything already made, and commands in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("rosphere", "pipeline", "stages", "data/sample", "data/sources", "dvc.yaml", "params.yaml", ".dvcignore")


def copied(folder: Path) -> Path:
    """The project's rooms and files in ``folder``, which is made."""
    for room in ROOMS:
        source, target = ROOT / room, folder / room
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "ROSPHERE_TRACKING": "0",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
