"""dvc.lock, which DVC writes in place: cut off by a kill or a full disk it comes back as it was before that run.

What the run had finished is then in DVC's run cache, so that nothing is computed twice. A file with marks of a merge
conflict is left alone: which side is right a person must say.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.workspace import paths, yaml_file
from pipeline.workspace.dvc_yaml import LOCK
from pipeline.workspace.yaml_file import ConfigError

SCHEMA = "2.0"
MD5, OTHERS = re.compile(r"[0-9a-f]{32}(\.dir)?"), {"etag", "checksum"}
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
    kinds = [stage.get(kind, []) for kind in ("deps", "outs")]
    if stage.get("cmd") is None or not all(isinstance(files, list) for files in kinds):
        return False
    return all(isinstance(file, Mapping) and _is_recorded(file) for file in sum(kinds, []))


def _is_recorded(file: Mapping[str, Any]) -> bool:
    """A hash that broke off is none to DVC."""
    if None in file.values():
        return False
    return MD5.fullmatch(str(file["md5"])) is not None if "md5" in file else not OTHERS.isdisjoint(file)
