"""What a pipeline run is called: by what differs from the run before it.

`kappa=50`; `tiny→tiny-wide` for a value that speaks for itself; `new text` where the data differ, `new code` where
nothing else does; day and preset where there is nothing to compare with.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.run import identity
from pipeline.workspace import yaml_file

PRESETS = Path(identity.__file__).parent / "presets"
NAMED = 3  # changes that a name holds
SILENT = ("true", "false", "null")  # values that say nothing without their key
LONGEST = 24  # characters of a value in a name

Changes = Mapping[str, tuple[str | None, str | None]]  # param -> what it was and is; None: there is none


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> Changes:
    """Of params in MLflow's form, dotted keys and values as text."""
    keys = dict.fromkeys([*now, *before])
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def called(changed: Changes, *, text: bool, code: bool, otherwise: str) -> str:
    """The name of a run whose params `changed`, and whose `text` or `code` did."""
    words = ["new text"] if text else []
    words += [_word(key, old, new, changed) for key, (old, new) in list(changed.items())[:NAMED]]
    words += [f"{len(changed) - NAMED} more"] if len(changed) > NAMED else []
    return ", ".join(words or (["new code"] if code else [otherwise]))


def _word(key: str, old: str | None, new: str | None, changed: Changes) -> str:
    """The last part of the key, as far as no other one that changed ends so."""
    parts = key.split(".")
    alike = [other for other in changed if other != key]
    short = next(
        name
        for name in (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        if name == key or not any(f".{other}".endswith(f".{name}") for other in alike)
    )
    if old is None or new is None:
        return f"{short}={_cut(new)}" if new is not None else f"no {short}"
    return f"{_cut(old)}→{_cut(new)}" if _speaks(old) and _speaks(new) else f"{short}={_cut(new)}"


def _speaks(value: str) -> bool:
    return value[:1].isalpha() and value not in SILENT


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"


def preset(params: Mapping[str, Any]) -> str:
    """The preset that `params` follow in everything it says of them; `default` if none."""
    found = [path.stem for path in sorted(PRESETS.glob("*.yaml")) if _follows(params, yaml_file.read(path))]
    return found[0] if found else "default"


def _follows(params: Mapping[str, Any], partial: Mapping[str, Any]) -> bool:
    """Whether every value of `partial` that `params` have at all is the same there, and at least one is."""
    shared = [key for key in partial if key in params]
    return bool(shared) and all(
        _follows(params[key], partial[key])
        if isinstance(partial[key], Mapping) and isinstance(params[key], Mapping)
        else params[key] == partial[key]
        for key in shared
    )
