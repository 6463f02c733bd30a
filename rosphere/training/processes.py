"""The processes that train one model together: each takes a share of every batch, and what they find adds up.

DistributedDataParallel is not used. It wraps the model, and an objective may use the bare one; it expects one backward
pass a step, and an objective may take several; and it averages over processes, where uneven shares must be added.
Here every process works out its part of a sum over the whole batch, and one exchange a step adds up the gradients:
the numbers are those of one process with the same batch, but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rosphere.errors import InputError

Batch = TypeVar("Batch")


class Released(SystemExit):
    """The training is over and this process, not being the first, has nothing left to do: exit code 0.

    Measuring, saving and reporting must happen once, so process 0 goes on alone. A SystemExit, because a script that
    knows nothing of processes then ends well in all of them.
    """

    def __init__(self) -> None:
        super().__init__(0)


@dataclass(frozen=True, kw_only=True)
class Processes:
    """``count`` processes, of which this is number ``rank``. Every method but ``share`` and ``leave`` waits for all."""

    rank: int = 0
    count: int = 1

    def share(self, batch: Batch) -> Batch:
        """What ``batch.share(rank, count)`` gives; the whole batch where there is one process.

        Raises:
            InputError: the batch has no method ``share``.
        """
        if self.count == 1:
            return batch
        if not hasattr(batch, "share"):
            kind = type(batch).__name__
            raise InputError(f"this stage trains in one process, its batches ({kind}) have no shares; got {self.count}")
        mine: Batch = batch.share(self.rank, self.count)
        return mine

    def add(self, parameters: Sequence[nn.Parameter], stopping: bool) -> bool:
        """Adds up the gradients and says whether any process is ``stopping``.

        One exchange of one flat buffer: the gradients, then per parameter how many processes had one, then how many
        are stopping. A parameter that has a gradient nowhere is left without, as the optimizer would find it in one
        process: a gradient of zero would still let it decay.
        """
        if self.count == 1:
            return stopping
        found = [parameter.grad is not None for parameter in parameters]
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flags = torch.tensor([*found, stopping], dtype=gradients[0].dtype, device=gradients[0].device)
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), flags])
        dist.all_reduce(flat)
        *present, stop = (flat[-len(flags) :] > 0).tolist()
        parts = torch.split(flat[: -len(flags)], [parameter.numel() for parameter in parameters])
        for parameter, part, there in zip(parameters, parts, present, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype) if there else None
        return bool(stop)

    def gather(self, rows_ND: Tensor) -> tuple[Tensor, int]:
        """The rows of all processes [sum of N, D] by rank, without a graph, and where this one's begin.

        Shares may be of unlike sizes, which all_gather refuses: every process adds its rows to a field of zeros.
        """
        if self.count == 1:
            return rows_ND, 0
        sizes = torch.zeros(self.count, dtype=torch.long, device=rows_ND.device)
        sizes[self.rank] = len(rows_ND)
        dist.all_reduce(sizes)
        first = int(sizes[: self.rank].sum())
        whole = rows_ND.new_zeros(int(sizes.sum()), *rows_ND.shape[1:])
        whole[first : first + len(rows_ND)] = rows_ND.detach()
        dist.all_reduce(whole)
        return whole, first

    def sums(self, rows: Sequence[Mapping[str, Tensor | float]]) -> Sequence[Mapping[str, Tensor | float]]:
        """Rows of shares of metrics, the same keys everywhere, as rows of whole metrics."""
        if self.count == 1 or not rows:
            return rows
        flat = [float(value) for row in rows for value in row.values()]
        whole = torch.tensor(flat, dtype=torch.float64, device=_device())
        dist.all_reduce(whole)
        values = iter(whole.tolist())
        return [{key: next(values) for key in row} for row in rows]

    def meet(self, step: int = 0) -> None:
        """Waits for all processes.

        Raises:
            InputError: they stand at different steps, for instance because they do not see the same checkpoint.
        """
        if self.count == 1:
            return
        extremes = torch.tensor([step, -step], device=_device())
        dist.all_reduce(extremes, dist.ReduceOp.MAX)
        last, first = int(extremes[0]), -int(extremes[1])
        if first != last:
            raise InputError(f"expected one checkpoint folder for all processes, got states of steps {first} to {last}")

    def align(self, model: nn.Module) -> None:
        """Gives every process the parameters and buffers of process 0."""
        if self.count > 1:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)

    def leave(self) -> None:
        """Dissolves the group: what this process trains from here on, it trains alone."""
        if self.count > 1:
            dist.destroy_process_group()
            os.environ["WORLD_SIZE"] = "1"


def join() -> Processes:
    """The group that WORLD_SIZE, RANK, LOCAL_RANK and MASTER_ADDR speak of, as torchrun sets them; else one process.

    NCCL where there is CUDA, a device for each process of the machine; else Gloo.
    """
    if not dist.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Processes()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Processes(rank=dist.get_rank(), count=dist.get_world_size())


def device() -> torch.device:
    """What this process trains and encodes on: its GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
