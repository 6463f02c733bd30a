"""The run log: what MLflow is to know of a run, on disk first.

One folder per stage execution, `.run/run_logs/<time>-<stage>-<fingerprint>-<pid>/`:

    events.jsonl   one JSON object a line, in order: start, metrics, artifact, final, model, end
    system.jsonl   what the uploader measures of the machine meanwhile, as metrics events
    files/         copies of the artifacts, as they were when logged; of large files links
    sent.json      how far delivery got, kept by whoever delivers
    lock           held by whoever delivers
    uploader.log    what the delivering process printed

Writing an event is one append of one line; nothing here knows MLflow or waits for anything. A folder
whose events have all been delivered is deleted.
"""

import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.workspace import file_lock

Event = dict[str, Any]
EVENTS, SYSTEM = "events.jsonl", "system.jsonl"
LINKED_BYTES = 1 << 20  # from here on a file of a model is linked, not copied


class RunLog:
    """The writing end, in the stage's process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self._file = open_end(path / EVENTS)
        self._artifacts = 0

    def write(self, kind: str, **content: Any) -> None:
        """Append one event; it survives a kill of this process from here on."""
        append(self._file, kind, content)

    def artifact(self, source: Path) -> None:
        """Copy the file or folder `source` aside and note it for delivery."""
        kept = self._place() / source.name
        if source.is_dir():
            shutil.copytree(source, kept)
        else:
            shutil.copyfile(source, kept)
        self.write("artifact", path=str(kept.relative_to(self.path)))

    def model(self, name: str, source: Path, certificates: Sequence[Path], rule: Mapping[str, Any]) -> None:
        """Note the folder `source` for the registry as model `name`, with the certificates that exist and its rule.

        Large files are linked: they cost nothing, and they are still there when the folder has been deleted. Whoever
        writes into such a file instead of replacing it changes the link too, which the times in the event give away.
        """
        kept = self._place() / name
        shutil.copytree(source, kept, copy_function=_copy_or_link)
        beside = [certificate for certificate in certificates if certificate.is_file()]
        for certificate in beside:
            shutil.copyfile(certificate, kept.parent / certificate.name)
        self.write(
            "model",
            path=str(kept.relative_to(self.path)),
            certificates=[str((kept.parent / each.name).relative_to(self.path)) for each in beside],
            rule=dict(rule),
            stamps=stamps(kept),
        )

    def _place(self) -> Path:
        place = self.path / "files" / str(self._artifacts)
        place.mkdir(parents=True)
        self._artifacts += 1
        return place

    def close(self) -> None:
        os.close(self._file)


def open_end(path: Path) -> int:
    """A descriptor that appends to `path`."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def append(file: int, kind: str, content: Mapping[str, Any]) -> None:
    """Append one event to the file that only this process writes.

    Raises:
        OSError: it did not fit; nothing of it is left.
    """
    event = {"kind": kind, "time": round(time.time(), 3), **content}
    # A file's name may hold bytes that are no characters: to JSON they are escapes, to UTF-8 an error.
    line = json.dumps(event, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
    written = os.write(file, line)
    if written < len(line):  # half a line would spoil the next one
        os.ftruncate(file, os.fstat(file).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stamps(folder: Path) -> dict[str, list[int]]:
    """Size and time of change of every file in `folder`."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def _copy_or_link(source: str, target: str) -> None:
    if os.stat(source).st_size >= LINKED_BYTES:
        try:
            return os.link(source, target)
        except OSError:  # another file system, or one without links
            pass
    shutil.copyfile(source, target)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How far a run log has been delivered."""

    uri: str = ""  # the tracking store
    offset: int = 0  # bytes of events.jsonl
    system: int = 0  # bytes of system.jsonl
    run: str = ""  # the MLflow run of this execution, once it exists
    parent: str = ""  # the MLflow run of the pipeline configuration
    time: float = 0.0  # of the last event sent
    status: str = ""  # how it ended, by its last event
    models: list[Event] = field(default_factory=list)  # that wait for the end of the run
    waiting: list[Event] = field(default_factory=list)  # artifacts whose place was away: they too wait for that


def read_sent(path: Path) -> Sent:
    """The delivery state of the run log `path`."""
    file = path / "sent.json"
    return Sent(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else Sent()


def write_sent(path: Path, sent: Sent) -> None:
    """Record the delivery state of the run log `path`, atomically."""
    draft = path / "sent.json.part"
    draft.write_text(json.dumps(asdict(sent)), encoding="utf-8")
    draft.replace(path / "sent.json")


def read_events(path: Path, offset: int, limit: int = 1 << 20, name: str = EVENTS) -> tuple[list[Event], int]:
    """The whole events of the file `name` from byte `offset` on (about `limit` bytes), and the offset after them.

    A last line without its newline is still being written, or was cut off by a kill: left alone.
    """
    with open(path / name, "rb") as file:
        file.seek(offset)
        block = file.read(limit)
        if b"\n" not in block:
            block += file.readline()
    whole = block[: block.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)


def start_event(path: Path) -> Event | None:
    """The first event of the run log `path`: which stage it is of."""
    events, _ = read_events(path, 0, limit=1)
    return events[0] if events else None


def running(path: Path) -> bool:
    """Whether the stage that writes the run log `path` may still be alive."""
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
    """Whether this process is the only one to deliver the run log `path`, until the block ends."""
    with open(path / "lock", "ab") as lock:
        yield file_lock.taken(lock)
