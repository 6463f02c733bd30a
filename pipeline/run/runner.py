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
of this way; the others run the same block up to the end of its training, where `loop.fit` ends them.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from safetensors import SafetensorError

from pipeline.run import checkpoint_folder, process_group, stop_flag
from pipeline.run.identity import Identity, changed, identify, stage_name
from pipeline.run.job import Job
from pipeline.run.signals import Stopped, StopRequests, die_with_parent, stop_requests
from pipeline.tracking import recording
from pipeline.workspace import environment, paths
from pipeline.workspace.environment import DVC_ROOT
from rosphere.errors import UNUSABLE, InputError, Interrupted, first_line, message

__all__ = ["Job", "Stopped", "stage"]
# How torch, oneDNN (which has this one sentence for it), the loader of libraries and the system say that memory is out.
NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "could not create a primitive",
    "bad_alloc",
    "failed to map segment",
    "Cannot allocate memory",
)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # of a disk: full, or not to be written on
SHOWN = 5  # of what was edited in mid-run, in the message


@contextmanager
def stage(default: str, *, divides: bool = False) -> Iterator[Job]:
    """Run the block as the stage DVC started, or as the stage `default` when started by hand.

    `divides` says that its batches have shares, so that several processes may train (`loop.fit`).
    """
    name = stage_name(default)
    with _one_line_errors(name):
        environment.refuse_renamed()
        place = process_group.place()
    os.chdir(paths.workspace(place.started_in))
    with _one_line_errors(name), stop_requests() as requests, die_with_parent(place.ending):
        identity = identify(Path.cwd(), name)
        stop_flag.check(identity)
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
        checkpoint_folder.locked(identity) as checkpoint,
        process_group.leased(identity.gpus, place, divides) as devices,
        recording.tracked(identity, devices) as tracker,
        _one_line_errors(identity.name),  # once more: printed before the tracker takes its time
        process_group.followers(process_group.size(identity.gpus, place, devices, divides), place.started_in),
    ):
        run = identity.stage_fp[:16]
        job = Job(name=identity.name, checkpoint=checkpoint, requests=requests, tracker=tracker, run=run)
        job.report_path.unlink(missing_ok=True)  # as DVC does: a killed stage must leave none
        yield job
        _require_unchanged(identity)
        late = requests.finish()
        job.close()
        if late and DVC_ROOT in os.environ:  # started by `dvc repro`, which would go on to the next stage
            stop_flag.put(identity)


def _require_unchanged(identity: Identity) -> None:
    """DVC hashes what a stage reads when the stage has ended: it would take this result for one of what is there now.

    Raises:
        InputError: somebody has edited that meanwhile. The checkpoint stays.
    """
    if DVC_ROOT in os.environ and (edited := changed(identity, identify(Path.cwd(), identity.name))):
        shown = ", ".join(edited[:SHOWN]) + (f" and {len(edited) - SHOWN} more" if len(edited) > SHOWN else "")
        raise InputError(f"changed while this ran: {shown}; run again, or put it back: then the checkpoint counts")


@contextmanager
def _following(identity: Identity, place: process_group.Place, requests: StopRequests) -> Iterator[Job]:
    """The way of the others: no lock, no tracking, nothing written."""
    nothing = recording.Tracker(identity.name, None, None)
    with process_group.leased(identity.gpus, place):
        yield Job(
            name=identity.name,
            checkpoint=checkpoint_folder.place(identity),
            requests=requests,
            tracker=nothing,
            main=False,
        )


@contextmanager
def _one_line_errors(name: str) -> Iterator[None]:
    try:
        yield
    # The second of a loss that is no number any more, the third of a checkpoint that finds a full disk.
    except (InputError, FloatingPointError, SafetensorError, *UNUSABLE) as error:
        if process_group.LEADER not in os.environ:  # the leader has met the same files and prints it
            print(f"error: {name}: {message(error)}", file=sys.stderr, flush=True)
        raise SystemExit(1) from error
    except (MemoryError, RuntimeError, ImportError, OSError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            said = message(error)
        elif _lacks_memory(error):
            said = f"not enough memory: {first_line(error)}"
        else:
            raise
        print(f"error: {name}: {said}", file=sys.stderr, flush=True)
        raise SystemExit(1) from error


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(text in str(error) for text in NO_MEMORY)
