"""What a flow run is called: what a person called it when it was started, else what it does."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from coolname.data import config
from prefect import runtime


def given() -> str | None:
    """The name that somebody gave this flow run; None where Prefect thought of one, such as `brawny-mole`."""
    name = runtime.flow_run.name
    return name if name and not is_generated(name) else None


def is_generated(name: str) -> bool:
    """Whether Prefect may have thought of it: two words, both from the lists that it takes them from."""
    words = name.split("-")
    return len(words) == 2 and all(word in _words("2") for word in words)


@cache
def _words(key: str) -> frozenset[str]:
    entry = cast(dict[str, Any], config[key])
    below = [_words(each) for each in entry.get("lists", ())]
    own = [word for word in (*entry.get("words", ()), entry.get("value")) if isinstance(word, str)]
    return frozenset(own).union(*below)
