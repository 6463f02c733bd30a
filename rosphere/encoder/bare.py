"""Which model folders have no head; without torch, for those who only look at folders."""

from __future__ import annotations

from pathlib import Path

from rosphere import files


def is_bare(folder: Path) -> bool:
    """Whether the ``config.json`` of a folder says that its model has no head (``config.to_json``)."""
    names = files.json_object(folder / "config.json").get("architectures") or [""]
    return isinstance(names, list) and all(str(name).endswith("Model") for name in names)
