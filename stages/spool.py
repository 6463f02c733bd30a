"""What a run has to tell the tracker, on disk first.

One folder per stage execution, `.run/spool/<time>-<stage>-<fingerprint>-<pid>/`:

    events.jsonl   one JSON object a line, in order: start, metrics, artifact, final, end
    files/         copies of the artifacts, as they were when logged
    sent.json      how far delivery got, kept by whoever delivers
    lock           held by whoever delivers
    courier.log    what the delivering process had to say

Writing an event is one append of one line; nothing here knows MLflow or waits for anything. A folder
whose events have all been delivered is deleted.
"""

import errno
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def folder(home: Path) -> Path:
    """The folder of all spools."""
    return home / ".run" / "spool"


class Spool:
    """The writing end, in the stage's process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path / "events.jsonl", flags, 0o644)
        self._artifacts = 0

    def write(self, kind: str, **content: Any) -> None:
        """Append one event; it survives a kill of this process from here on."""
        event = {"kind": kind, "time": round(time.time(), 3), **content}
        line = json.dumps(event, ensure_ascii=False).encode() + b"\n"
        written = os.write(self._file, line)
        if written < len(line):  # half a line would spoil the next one
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def artifact(self, source: Path) -> None:
        """Copy the file or folder `source` aside and note it for delivery."""
        kept = self.path / "files" / str(self._artifacts) / source.name
        kept.parent.mkdir(parents=True)
        if source.is_dir():
            shutil.copytree(source, kept)
        else:
            shutil.copyfile(source, kept)
        self._artifacts += 1
        self.write("artifact", path=str(kept.relative_to(self.path)))

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How far a spool has been delivered."""

    uri: str = ""  # the tracking store
    offset: int = 0  # bytes of events.jsonl
    run: str = ""  # the MLflow run of this execution, once it exists
    parent: str = ""  # the MLflow run of the pipeline configuration
    time: float = 0.0  # of the last event sent
    status: str = ""  # how the trainer said it ended


def read_sent(path: Path) -> Sent:
    """The delivery state of the spool `path`."""
    file = path / "sent.json"
    return Sent(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else Sent()


def write_sent(path: Path, sent: Sent) -> None:
    """Record the delivery state of the spool `path`, atomically."""
    draft = path / "sent.json.part"
    draft.write_text(json.dumps(asdict(sent)), encoding="utf-8")
    draft.replace(path / "sent.json")


def read_events(path: Path, offset: int, limit: int = 1 << 20) -> tuple[list[Event], int]:
    """The whole events from byte `offset` on (about `limit` bytes of them), and the offset after them.

    A last line without its newline is still being written, or was cut off by a kill: left alone.
    """
    with open(path / "events.jsonl", "rb") as file:
        file.seek(offset)
        block = file.read(limit)
        if b"\n" not in block:
            block += file.readline()
    whole = block[: block.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)


def start_event(path: Path) -> Event | None:
    """The first event of the spool `path`: who speaks."""
    events, _ = read_events(path, 0, limit=1)
    return events[0] if events else None


def running(path: Path) -> bool:
    """Whether the stage that writes the spool `path` may still be alive."""
    events, _ = read_events(path, 0)
    if not events or events[-1]["kind"] == "end" or events[0]["tags"]["host"] != socket.gethostname():
        return False
    return alive(int(events[0]["tags"]["pid"]))


def alive(pid: int) -> bool:
    """Whether a process `pid` exists on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


@contextmanager
def delivering(path: Path) -> Iterator[bool]:
    """Whether this process is the only one to deliver the spool `path`, until the block ends."""
    with open(path / "lock", "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numeric leaves of nested mappings and lists, under keys joined with "/"."""
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, (list, tuple)):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, Mapping):
            found.update(numbers(value, f"{prefix}{key}/"))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = float(value)
    return found
