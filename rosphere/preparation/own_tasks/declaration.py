"""What a person writes into params.yaml about a task of their own: prepare.tasks, by name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rosphere.clue.contract import METRICS
from rosphere.errors import InputError

NAME = re.compile(r"[A-Za-z0-9_-]+")  # it names files, folders and stages
# kind -> what a row of it has, by our names; with a blank the choices stand in a gap of the text
ROLES: Mapping[str, tuple[str, ...]] = {
    "classification": ("sentence", "sentence1", "sentence2", "label", "id"),
    "entities": ("text", "label", "id"),
    "spans": ("question", "context", "answers", "id"),
    "choices": ("question", "context", "choice", "answer", "id"),
}


@dataclass(frozen=True, kw_only=True)
class OwnTask:
    """A task of a known kind, the files it is in, and what its fields are called there.

    Raises InputError where something of it cannot work.
    """

    kind: Literal["classification", "entities", "spans", "choices"]
    # A file or folder, or train, dev and test (test1, ...) with a file each. In a folder the files' names say which.
    files: str | dict[str, str]
    # Our name -> theirs; the choices may be several fields. What has one of the usual names need not be said.
    fields: dict[str, str | list[str]] = dataclasses.field(default_factory=dict)
    columns: list[str] = dataclasses.field(default_factory=list)  # names, of files without a header
    labels: list[str] = dataclasses.field(default_factory=list)  # of all rows, sorted, where none are named
    dev_share: float | None = None  # of the train rows, where there is no dev file
    group: str | None = None  # a field whose equal values stay together when rows are split
    ends: Literal["last", "behind"] | None = None  # of entities: the character that their end names
    counted_from: int = 0  # of answers that are numbers: the first choice's
    blank: str | None = None  # of choices: what stands in the text where they belong, such as "#idiom#" or "____"
    max_length: int | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.fields if name not in ROLES[self.kind]]
        if unknown:
            raise InputError(f"fields: expected some of {', '.join(ROLES[self.kind])}, got {unknown[0]!r}")
        lists = [name for name, theirs in self.fields.items() if isinstance(theirs, list) and name != "choice"]
        if lists:
            raise InputError(f"fields.{lists[0]}: expected the name of one field, got {self.fields[lists[0]]}")
        if self.dev_share is not None and not 0 < self.dev_share < 1:
            raise InputError(f"dev_share: expected a share between 0 and 1, got {self.dev_share}")
        if self.metric is not None and self.metric not in METRICS[self.kind]:
            raise InputError(f"metric: expected one of {', '.join(METRICS[self.kind])}, got {self.metric!r}")
        if self.blank is not None and (self.kind != "choices" or not self.blank):
            raise InputError(f"blank: expected what stands in the text of choices, got {self.blank!r} of {self.kind}")
        _check_splits(self.files)


def _check_splits(files: str | Mapping[str, str]) -> None:
    if isinstance(files, str):
        return
    wrong = [split for split in files if split not in ("train", "dev") and not split.startswith("test")]
    if wrong:
        raise InputError(f"files: expected train, dev and test, got {wrong[0]!r}")
    if "train" not in files:
        raise InputError(f"files: expected train among them, got {', '.join(files) or 'none'}")


def check_names(names: Mapping[str, OwnTask], taken: Mapping[str, object]) -> None:
    """Raises InputError for a name that is no file's, or that CLUE has given already."""
    for name in names:
        if not NAME.fullmatch(name):
            raise InputError(
                f"params.yaml: prepare.tasks: expected a name of ASCII letters, digits, _ and -, got {name!r}"
            )
        if name in taken:
            raise InputError(f"params.yaml: prepare.tasks: {name} is a task of CLUE's; expected another name")
