"""dvc.lock, which DVC writes in place: cut off by a kill or a full disk it comes back as it was before that run.

What the run had finished is then in DVC's run cache, so that nothing is computed twice. A file with marks of a merge
conflict is left alone: which side is right a person must say.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.workspace import paths, yaml_file
from pipeline.workspace.dvc_yaml import LOCK
from pipeline.workspace.yaml_file import ConfigError

SCHEMA = "2.0"
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")


def keep(root: Path) -> None:
    """Copy it aside, before a run."""
    if (root / LOCK).is_file():
        shutil.copyfile(root / LOCK, paths.kept_lock(root))


def mend(root: Path) -> None:
    """Bring the copy back where the file itself was cut off, and say so."""
    if is_cut_off(root / LOCK) and paths.kept_lock(root).is_file():
        draft = root / f"{LOCK}.part"
        shutil.copyfile(paths.kept_lock(root), draft)
        draft.replace(root / LOCK)
        print(f"{LOCK} was cut off while it was written: as it was before that run", file=sys.stderr)


def is_cut_off(path: Path) -> bool:
    """Whether DVC could not read it, and no person has written into it."""
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    if any(line.startswith(CONFLICT) for line in text.splitlines()):
        return False
    try:
        document = yaml_file.parsed(text, path)
    except ConfigError:
        return True
    return not _is_whole(document)


def _is_whole(document: Any) -> bool:
    if not isinstance(document, Mapping) or not isinstance(document.get("stages", {}), Mapping):
        return False
    stages = document.get("stages", {}).values()
    return document.get("schema") == SCHEMA and all(isinstance(stage, Mapping) and _has_all(stage) for stage in stages)


def _has_all(stage: Mapping[str, Any]) -> bool:
    """Of an entry that broke off the last dependency or output lacks its hash, or the command is not there."""
    files = [each for kind in ("deps", "outs") for each in stage.get(kind) or ()]
    return "cmd" in stage and all(isinstance(each, Mapping) and {"hash", "md5", "etag"} & each.keys() for each in files)
