"""Names and values of ours in the form that MLflow takes: every key, param, tag and metric goes through here.

MLflow refuses a whole batch for one key with a character that it does not know, so a key is changed where it must be,
and marked, rather than refused; values are cut, and say so.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Metric

from pipeline.tracking.run_log import Event

LONGEST_KEY, LONGEST_PARAM, LONGEST_TAG = 250, 6000, 8000  # characters, MLflow's own limits
FOREIGN = re.compile(r"[^/\w.\- :]")


def key(name: str, longest: int = LONGEST_KEY) -> str:
    """`name` as MLflow takes it: word characters and `_ / - . : space`, no path tricks, not too long.

    A name that had to be changed ends in a hash of what it was, so that no two of them become one.
    """
    parts = FOREIGN.sub("_", name).split("/")
    safe = "/".join(f"_{part}" if part in ("", ".") or part.startswith("..") else part for part in parts)
    if safe == name and len(name) <= longest:
        return name
    mark = "-" + hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:6]
    return safe[: longest - len(mark)].rstrip("/") + mark


def stage_key(stage: str) -> str:
    """`evaluate@tnews` as a part of a key: `evaluate/tnews`, as charts group it. DVC allows no `/`."""
    return stage.replace("@", "/")


def text(value: str, longest: int) -> str:
    """`value` as MLflow and its databases take it: no half characters, no zeros, and cut with a mark if too long."""
    whole = value.encode(errors="backslashreplace").decode().replace("\0", "\\0")
    mark = f" … (cut, {len(whole)} characters)"
    return whole if len(whole) <= longest else whole[: longest - len(mark)] + mark


def as_params(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as MLflow's flat ones: dotted keys, values as text."""
    found: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            found.update(as_params(value, f"{prefix}{name}."))
        else:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            found[key(f"{prefix}{name}")] = text(shown, LONGEST_PARAM)
    return found


def as_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key(name): text(value, LONGEST_TAG) for name, value in tags.items()}


def as_metrics(values: Mapping[str, float], event: Event, step: int) -> list[Metric]:
    time = int(event["time"] * 1000)
    return [Metric(key(name), value, time, step) for name, value in values.items()]
