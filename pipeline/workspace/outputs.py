"""What DVC emptied for a stage that did not come to its end comes back.

    python -m pipeline.workspace.outputs COMMAND ...

runs a command, such as `dvc repro`, and brings back what it emptied if it fails or is stopped; flows do the same. DVC
deletes a stage's outputs before it runs the stage: those that it caches come back from its cache, those that are left
to git (metrics, curves) from copies made before.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from pipeline.workspace import lockfile, paths
from pipeline.workspace.environment import DVC_STAGE, for_commands
from pipeline.workspace.graph import Graph, PlanError, Stage, discover

PUT = "`dvc commit -f` puts it there, or `dvc pull` fetches it"
ROOM = "make room on its disk, then `dvc commit -f`: else these stages run again"
SHOWN = 3
SAVING = 60.0  # seconds that a stage may need to save once its `dvc` is gone


class Kept:
    """The outputs of the stages of `root` before a run.

    Raises:
        PlanError: there is no room for the copies; nothing has been run.
    """

    def __init__(self, root: Path, graph: Graph) -> None:
        self._root = root
        self._whole = [stage for stage in graph.stages if stage.cmd and stage.outs and self._is_whole(stage)]
        self._copies: dict[str, Path] = {}
        try:
            self._keep(root)
        except OSError as error:
            raise PlanError(f"what DVC may empty cannot be copied to {paths.kept_outputs(root)}: {error}") from error

    def _keep(self, root: Path) -> None:
        place = paths.kept_outputs(root)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        self._began = place.stat().st_ctime_ns  # by the clock of that disk
        lockfile.keep(root)
        for path in (path for stage in self._whole for path in stage.uncached):
            self._copies[path] = place / str(len(self._copies))
            _copy(root / path, self._copies[path])

    def restore(self) -> list[str]:
        """Bring back the outputs of the stages that had all of theirs and now lack one; their names.

        A stage that has ended has all, so what it made stays, even where DVC could not write that down.
        """
        lockfile.mend(self._root)
        emptied = [stage for stage in self._whole if not self._is_whole(stage)]
        cached = [path for stage in emptied for path in stage.outs if path not in stage.uncached]
        if cached:
            self._check_out(cached)
        for path in (path for stage in emptied for path in stage.uncached):
            self._bring_back(path)
        return [stage.name for stage in emptied]

    def _bring_back(self, path: str) -> None:
        try:
            remove(self._root / path)
            _copy(self._copies[path], self._root / path)
        except OSError as error:  # as full as when the stage failed: no reason to leave out the others
            print(f"{path} could not be brought back from {self._copies[path]}: {error}", file=sys.stderr)

    def is_new(self, path: str) -> bool:
        """Whether the file, or anything in the folder, was made or changed since this was kept."""
        place = self._root / path
        return place.exists() and any(
            each.lstat().st_ctime_ns >= self._began for each in (place, *(place.rglob("*") if place.is_dir() else ()))
        )

    def _is_whole(self, stage: Stage) -> bool:
        return all((self._root / path).exists() for path in stage.outs)

    def _check_out(self, outs: list[str]) -> None:
        # By force: what a stage that failed has begun to write is in the way.
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "checkout", "--quiet", "--force", *outs]
        done = subprocess.run(
            command, cwd=self._root, env=for_commands(), capture_output=True, text=True, start_new_session=True
        )
        if done.returncode:
            said = " ".join(done.stderr.split())[-500:]
            print(f"not all of {', '.join(outs)} could be brought back: {said}", file=sys.stderr)


def not_cached(root: Path) -> list[str]:
    """What dvc.lock names and the cache has not: where that has no room, `dvc repro` says so and yet ends well."""
    command = [sys.executable, "-m", "dvc", "data", "status", "--json"]
    done = subprocess.run(command, cwd=root, env=for_commands(), capture_output=True, text=True)
    return sorted(json.loads(done.stdout).get("not_in_cache", [])) if done.returncode == 0 and done.stdout else []


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def remove(path: Path) -> None:
    """The file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _carry_out(command: list[str]) -> int:
    """Run a command in our process group to its end, whatever we are told: its exit code as a shell has it.

    Ctrl-C reaches it from the terminal. Other signals it is spared, since `dvc` would die of them and leave its locks:
    they become what Ctrl-C is, so that the stage saves and `dvc` ends after it.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        import psutil

        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(process.pid)
            for each in (*head.children(recursive=True), head):
                each.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # in a script's background job it is ignored, and would be there too
    process = subprocess.Popen(command)  # first: what is ignored here would be ignored there
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
        signal.signal(signal.SIGHUP, interrupt)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _await_stages() -> None:
    """Wait for stages of our process group: where `dvc` was killed they live on until they have saved."""
    import psutil

    def is_stage(process: psutil.Process) -> bool:
        with suppress(psutil.Error, ProcessLookupError):
            return os.getpgid(process.pid) == os.getpgrp() and DVC_STAGE in process.environ()
        return False

    me = os.getpid()
    psutil.wait_procs([each for each in psutil.process_iter() if each.pid != me and is_stage(each)], timeout=SAVING)


def main() -> int:
    command, root = sys.argv[1:], Path.cwd()
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        kept = Kept(root, discover(root))
    except PlanError as error:
        print(error, file=sys.stderr)
        return 1
    code = _carry_out(command)
    if code:
        _await_stages()
        back = kept.restore()
        print("stages that had finished stay so; the same command goes on after them", file=sys.stderr)
        if back:
            print(f"as they were before: the outputs of {', '.join(back)}", file=sys.stderr)
    else:
        lacking = not_cached(root)
        new = [path for path in lacking if kept.is_new(path)]
        older = [path for path in lacking if path not in new]
        if older:
            print(f"not in DVC's cache since before this run: {', '.join(older[:SHOWN])}; {PUT}", file=sys.stderr)
        if new:
            print(f"not in DVC's cache: {', '.join(new[:SHOWN])}; {ROOM}", file=sys.stderr)
            return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
