"""The stage runner every stage process goes through.

    with stage("pretrain") as job:
        import torch  # only now: the GPU lease comes first
        config = job.section(PretrainConfig)
        ...
        job.report({"loss": loss})

On the way in: to the workspace root, ready for signals, one trainer per fingerprint, a GPU leased if
dvc.yaml asks for one, tracking begun. On the way out: the report file last of all outputs, then the
checkpoint deleted. What a user can put right ends in one line; anything else keeps its traceback.

Two GPUs in dvc.yaml, or ROSPHERE_PROCESSES=2, make two processes that train together. The first goes all
of this way; the others run the same block up to the end of its training, where `fitting.fit` ends them.
"""

import csv
import fcntl
import json
import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.run import process_group
from pipeline.run import settings as config
from pipeline.run.identity import Identity, identify, stage_name
from pipeline.run.progress import Progress
from pipeline.run.signals import Stopped, StopRequests, die_with_parent, stop_requests
from pipeline.tracking import recording
from pipeline.workspace import paths
from pipeline.workspace.environment import DVC_ROOT, FLOW_RUN
from pipeline.workspace.exit_codes import AGAIN
from rosphere import files
from rosphere.errors import UNUSABLE, InputError, Interrupted, told

if TYPE_CHECKING:  # which imports torch, and that must wait for the lease of a GPU
    from rosphere.encoder.precision import Precision

__all__ = ["Job", "Stopped", "stage"]

T = TypeVar("T")

PARAMS = Path("params.yaml")
WORD_SECONDS = 120.0  # how long a request to stop counts for the stage after
HANDOVER_SECONDS = 10.0  # what a stopped trainer may need to save before its successor may begin


class Job:
    """One execution of one stage: what it asks and tells the house."""

    def __init__(
        self,
        *,
        name: str,
        checkpoint: Path,
        requests: StopRequests,
        tracker: recording.Tracker,
        run: str = "",
        main: bool = True,
    ) -> None:
        self.name = name  # "evaluate@sentiment"
        self.word, _, item = name.partition("@")  # "evaluate"
        self.item = item or None  # "sentiment", or None
        self.checkpoint = checkpoint  # a folder that survives kills and is deleted after success
        self.cache = checkpoint.parents[1] / "cache"  # what is named by its content, kept for later runs
        self.run = run  # the beginning of the tag `stage.fp` of its run in MLflow
        self.main = main  # False in a process that only helps to train: it shows and writes nothing
        self._requests = requests
        self._tracker = tracker
        self._progress = Progress(name)
        self._report: dict[str, Any] = {}
        self._precision: dict[str, str] = {}
        self._step = self._first = 0
        self._began = time.monotonic()
        self._first_at = self._step_at = self._began

    def section(self, cls: type[T], word: str | None = None) -> T:
        """The section `word` (this stage's own by default) of params.yaml as the dataclass `cls`."""
        return config.load(PARAMS, word or self.word, cls)

    def scalar(self, key: str, cls: type[T]) -> T:
        """The one value `key` of params.yaml, such as `seed` or `widen.size`."""
        return config.scalar(PARAMS, key, cls)

    def precision(self, width: int) -> "Precision":
        """What a model of the hidden size `width` is trained in here, by `precision` of params.yaml; told and kept."""
        from rosphere.encoder.precision import Requested, for_training  # imports torch

        requested: Requested = self.scalar("precision", Requested)  # type: ignore[arg-type]  # a Literal is no class
        decision = for_training(requested, width)
        told, self._precision = self._precision, {"precision": decision.precision, "precision_reason": decision.reason}
        if self.main and told != self._precision:
            print(f"{self.name}: training in {decision.precision} ({decision.reason})", flush=True)
        return decision.precision

    def stopping(self) -> bool:
        """Whether SIGINT or SIGTERM came: the loop then saves to `checkpoint` and raises Stopped."""
        return self._requests.pending()

    def progress(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """Show that `step` of `total` steps are done, and track `metrics` at that step."""
        if not self.main:
            return
        self._step = step
        self._step_at = time.monotonic()
        if not self._first:
            self._first, self._first_at = step, self._step_at
        self._tracker.metrics(step, metrics)
        self._progress.show(step, total, metrics)

    def curve(self, rows: Sequence[Mapping[str, float]]) -> Path:
        """Write `rows` to reports/curves/<stage>.csv, 6 significant digits, and track the file.

        Columns are the rows' keys in the order they first appear; a value a row lacks stays empty.
        """
        columns = list(dict.fromkeys(key for row in rows for key in row))
        if not columns:
            raise ValueError(f"{self.name}: curve: expected at least one row with values, got none")
        path = Path("reports/curves") / f"{self.name.replace('@', '-')}.csv"
        if not self.main:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _short(value) for key, value in row.items()} for row in rows)
        self.artifact(path)
        return path

    def artifact(self, path: Path) -> None:
        """Track the file or folder `path` as it is now."""
        self._tracker.artifact(path)

    def report(self, values: Mapping[str, Any]) -> None:
        """Remember `values` for the report file; later values replace earlier ones of the same key.

        Raises:
            ValueError: a number is NaN or infinite.
            TypeError: a value is no number, text, truth value, None, sequence or mapping.
        """
        self._report.update(_plain(values, self.name))

    def examples(self, values: Mapping[str, Any]) -> None:
        """Write texts to look at to reports/examples/<stage>.json, and track the file.

        Apart from the report, because DVC takes a file that begins with Chinese for binary and refuses it as metrics.
        """
        if not self.main:
            return
        path = self._beside("examples")
        text = json.dumps(_plain(values, self.name), indent=1, ensure_ascii=False, sort_keys=True)
        files.write_text(path, text + "\n")
        self.artifact(path)

    def _speed(self) -> dict[str, float | str]:
        """Of this process in the stage: wall seconds, memory, steps per second after the first progress, the precision
        of its training and why, its run."""
        speed: dict[str, float | str] = {"seconds": time.monotonic() - self._began, **_memory(), "run": self.run}
        speed |= self._precision
        if self._step > self._first:
            speed["steps_per_second"] = (self._step - self._first) / (self._step_at - self._first_at)
        return speed

    def _beside(self, folder: str) -> Path:
        return Path("reports") / folder / f"{self.name.replace('@', '-')}.json"

    @property
    def report_path(self) -> Path:
        return paths.report(self.name)

    def close(self) -> None:
        """End of the work: final metrics to the tracker, then the report file, atomically."""
        self._progress.close()
        text = json.dumps(self._report, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # The page depends on these files alone: they tell it of every stage's report, whatever stages there are.
        speed = _plain({**self._speed(), "report": files.text_hash(text)}, self.name)
        files.write_text(self._beside("speed"), json.dumps(speed, sort_keys=True, indent=1) + "\n")
        if self._report:
            self._tracker.final(self._step, self._report)
            files.write_text(self.report_path, text)
        self._tracker.models(Path("models"))


@contextmanager
def stage(default: str, *, divides: bool = False) -> Iterator[Job]:
    """Run the block as the stage DVC started, or as the stage `default` when started by hand.

    `divides` says that its batches have shares, so that several processes may train (`fitting.fit`).
    """
    name = stage_name(default)
    with _one_line_errors(name):
        place = process_group.place()
    os.chdir(paths.workspace(place.started_in))
    with _one_line_errors(name), stop_requests() as requests, die_with_parent(place.ending):
        identity = identify(Path.cwd(), name)
        _heed_word(identity)
        if place.count > 1 and not identity.gpus:
            raise InputError(f"expected one process, since dvc.yaml asks for no GPU to train on, got {place.count}")
        leading = partial(_leading, divides=divides)
        with (leading if place.rank == 0 else _following)(identity, place, requests) as job:
            try:
                yield job
            except Interrupted as interrupted:  # the training loop has saved its state
                raise Stopped from interrupted


@contextmanager
def _leading(identity: Identity, place: process_group.Place, requests: StopRequests, *, divides: bool) -> Iterator[Job]:
    """The way of the only process, or of the first of several: everything that must happen once."""
    with (
        _checkpoint(identity) as checkpoint,
        process_group.leased(identity.gpus, place, divides) as devices,
        recording.tracked(identity, devices) as tracker,
        _one_line_errors(identity.name),  # once more: said before the tracker takes its time
        process_group.followers(process_group.size(identity.gpus, place, devices, divides), place.started_in),
    ):
        run = identity.stage_fp[:16]
        job = Job(name=identity.name, checkpoint=checkpoint, requests=requests, tracker=tracker, run=run)
        job.report_path.unlink(missing_ok=True)  # as DVC does: a killed stage must leave none
        yield job
        late = requests.finish()
        job.close()
        if late and DVC_ROOT in os.environ:  # started by `dvc repro`, which would go on to the next stage
            _leave_word(identity)


@contextmanager
def _following(identity: Identity, place: process_group.Place, requests: StopRequests) -> Iterator[Job]:
    """The way of the others: no lock, no tracking, nothing written."""
    nothing = recording.Tracker(identity.name, None, None)
    with process_group.leased(identity.gpus, place):
        yield Job(name=identity.name, checkpoint=_folder(identity), requests=requests, tracker=nothing, main=False)


@contextmanager
def _one_line_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (InputError, *UNUSABLE) as error:
        if process_group.LEADER not in os.environ:  # who leads this process has met the same files and says it
            print(f"error: {name}: {told(error)}", file=sys.stderr, flush=True)
        raise SystemExit(1) from error


@contextmanager
def _checkpoint(identity: Identity) -> Iterator[Path]:
    """The checkpoint folder of this very configuration, locked; deleted if the block succeeds.

    Experiments that run at once share their first stages, and this folder. Who comes second waits, and if a flow
    started it, leaves with AGAIN: tried again, DVC takes what the first has made.
    """
    folder, here = _folder(identity), str(Path.cwd())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "a+", encoding="utf-8") as lock:  # beside the folder, since the folder gets deleted
        started = told = time.monotonic()
        while not _locked(lock.fileno()):
            if time.monotonic() - told > HANDOVER_SECONDS:
                lock.seek(0)
                holder = lock.read().strip()
                if holder == here:
                    raise InputError(f"expected to be the only one, but a process holds {lock.name}")
                if told == started:
                    print(f"{identity.name}: waiting for the same stage in {holder}", flush=True)
                told = time.monotonic()
            time.sleep(0.2)
        if told > started and FLOW_RUN in os.environ:
            raise SystemExit(AGAIN)
        lock.truncate(0)
        lock.write(f"{here}\n")
        lock.flush()
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)


def _word(identity: Identity) -> Path:
    """Where a stage that was told to stop too late to heed it passes the word on to the next one of its `dvc repro`."""
    return paths.stop_word(identity.home, os.getpgrp())


def _leave_word(identity: Identity) -> None:
    """What this stage made is whole and stays; what would come now was not wanted."""
    files.write_text(_word(identity), f"{identity.name}\n")


def _heed_word(identity: Identity) -> None:
    path = _word(identity)
    if not path.is_file():
        return
    meant = time.time() - path.stat().st_mtime < WORD_SECONDS  # else another `dvc repro` of the same number
    after = path.read_text(encoding="utf-8").strip()
    path.unlink(missing_ok=True)
    if meant:
        print(f"{identity.name}: not begun, {after} was told to stop", file=sys.stderr, flush=True)
        raise Stopped


def _memory() -> dict[str, float]:
    """MiB this process held at most, and MiB of its tensors on the GPU if it used one."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    found = {"peak_memory_mib": kilobytes / 1024}
    torch = sys.modules.get("torch")  # a stage that did not import it used no GPU
    if torch is not None and torch.cuda.is_initialized():
        found["peak_gpu_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return found


def _folder(identity: Identity) -> Path:
    """Where checkpoints of this configuration lie: outside DVC's outs.

    DVC deletes those before a run, and with `persist: true` the next run would resume another configuration's.
    """
    return paths.checkpoints(identity.home) / identity.name.replace("@", "_") / identity.stage_fp[:16]


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _plain(value: Any, where: str) -> Any:
    """`value` as JSON can hold it, numbers rounded to 6 significant digits."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _finite(float(value), where)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}: {key}") for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where}: expected a plain value for the report, got {type(value).__name__}")


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number for the report, got {value}")
    return _short(value)


def _short(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.6g}")
