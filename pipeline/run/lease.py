"""GPU leases: one file lock per device, held by the process that uses the device.

The kernel drops the lock when the process dies, however it dies, so a lease survives no one. It works
alike for `dvc repro`, parallel `dvc repro -s`, experiment queues and flows, for two checkouts and for
two users of one machine. A lease must be taken before torch is imported, because CUDA reads
CUDA_VISIBLE_DEVICES once.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.workspace import file_lock
from pipeline.workspace.environment import CUDA_DEVICES, GPU_LOCKS
from pipeline.workspace.gpus import devices
from rosphere.errors import InputError

POLL_SECONDS = 0.25


def lock_folder() -> Path:
    """Where the lock files lie: ROSPHERE_GPU_LOCKS, or one folder for every user of the machine."""
    default = Path(tempfile.gettempdir()) / "rosphere-gpu-locks"
    return Path(os.environ.get(GPU_LOCKS, default))


@contextmanager
def lease(count: int, timeout: float | None = None, *, among: Sequence[str] | None = None) -> Iterator[tuple[str, ...]]:
    """Hold `count` devices, and let this process see no others, until the block ends.

    Any of those that `devices` names, or of `among` them.

    Waits while they are busy, at most `timeout` seconds if given. On a machine without any device the
    stage runs on the CPU: nothing is held and nothing waited for.

    Raises:
        InputError: more devices asked for than present.
        TimeoutError: not enough of them came free in time.
    """
    present = devices() if among is None else tuple(among)
    if present and count > len(present):
        raise InputError(f"expected {count} GPUs, got {len(present)}: {', '.join(present)}")
    with ExitStack() as held:
        names = _wait(held, count, present, timeout) if present and count else ()
        with visible(names):
            yield names


@contextmanager
def visible(names: Sequence[str]) -> Iterator[None]:
    """Let this process see these devices and no others, until the block ends."""
    before = os.environ.get(CUDA_DEVICES)
    os.environ[CUDA_DEVICES] = ",".join(names)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CUDA_DEVICES]
        else:
            os.environ[CUDA_DEVICES] = before


def _wait(held: ExitStack, count: int, present: tuple[str, ...], timeout: float | None) -> tuple[str, ...]:
    start = time.monotonic()
    names = _take(held, count, present)
    if not names:
        print(f"waiting for {count} of {len(present)} GPUs, all busy", file=sys.stderr, flush=True)
    while not names:
        if timeout is not None and time.monotonic() - start > timeout:
            raise TimeoutError(f"expected {count} free GPUs within {timeout:g} s, got fewer")
        time.sleep(POLL_SECONDS)
        names = _take(held, count, present)
    return names


def _take(held: ExitStack, count: int, present: tuple[str, ...]) -> tuple[str, ...]:
    """Lock `count` of the devices, or none: two processes holding half each would wait for ever."""
    with ExitStack() as tried:
        names: list[str] = []
        for name in present:
            file = _open(name)
            tried.callback(os.close, file)
            if not file_lock.taken(file):
                continue  # busy: the next device may be free
            names.append(name)
            if len(names) == count:
                held.push(tried.pop_all())
                return tuple(names)
    return ()


def _open(name: str) -> int:
    """A descriptor of the device's lock file that any user of the machine can get.

    Locking needs no right to write, and O_CREAT on another user's file in a sticky folder is refused:
    hence read-only first, and rights for everyone (past the umask) on what is created here.
    """
    path = lock_folder() / f"{name.replace('/', '_')}.lock"
    _make_lock_folder(path.parent)
    while True:
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass  # first use of this device
        try:
            file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            continue  # another process was quicker: open its file
        os.fchmod(file, 0o666)
        return file


def _make_lock_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return  # its rights are its maker's business
    folder.chmod(0o1777)
