"""The state of a training run in one safetensors file, written so that a kill at any moment loses nothing.

Weights and optimizer moments are tensors; the step and the history are JSON in the header. No pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rosphere import files
from rosphere.errors import InputError

FILE = "state.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")
MOMENTS_FILE = "moments.safetensors"  # Adam's state, in a finished model's folder
History = list[dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come."""

    step: int
    history: History
    window: History  # metrics of the steps since the last row of the history


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Writes the state of a run, whole or not at all."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors.update(_moments(optimizer))
    header = {
        "step": str(progress.step),
        "history": json.dumps(progress.history),
        "window": json.dumps(progress.window),
    }
    with files.replacing(folder / FILE) as fresh:
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(whole, fresh, metadata=header)


def load(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Puts the saved state into model and optimizer; None where nothing was saved."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise InputError(f"{path}: the checkpoint is damaged ({error}); delete it to start over") from error
    for key in ("step", "history", "window"):
        if key not in header:
            raise InputError(f"{path}: not the state of a run, its header has no {key!r}; delete it to start over")
    weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    model.load_state_dict(weights)
    _restore(optimizer, tensors)
    return Progress(
        step=int(header["step"]), history=json.loads(header["history"]), window=json.loads(header["window"])
    )


def save_moments(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """What Adam has learnt of the gradients, under the parameters' names: for training to go on, not to begin again."""
    found = {name: optimizer.state[p] for name, p in model.named_parameters() if p in optimizer.state}
    steps = max((int(state["step"]) for state in found.values()), default=0)
    write_moments(path, {name: {key: state[key] for key in MOMENTS} for name, state in found.items()}, steps)


def write_moments(path: Path, moments: Mapping[str, Mapping[str, Tensor]], steps: int) -> None:
    flat = {f"{name}.{key}": t.detach().cpu().contiguous() for name, pair in moments.items() for key, t in pair.items()}
    save_file(flat, path, metadata={"step": str(steps)})


def read_moments(path: Path) -> tuple[dict[str, dict[str, Tensor]], int]:
    """{parameter: {"exp_avg": ..., "exp_avg_sq": ...}} and the number of steps they come from."""
    found: dict[str, dict[str, Tensor]] = {}
    with safe_open(path, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 - not a dict
            name, _, kind = key.rpartition(".")
            found.setdefault(name, {})[kind] = file.get_tensor(key)
        return found, int(file.metadata()["step"])


def load_moments(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Gives ``optimizer`` the state in ``path``; a parameter that never had a gradient has none."""
    moments, steps = read_moments(path)
    for name, parameter in model.named_parameters():
        if name in moments:
            found = {key: tensor.to(parameter) for key, tensor in moments[name].items()}
            if found[MOMENTS[0]].shape != parameter.shape:
                got = tuple(found[MOMENTS[0]].shape)
                raise InputError(f"{path}: {name} has shape {got}, the model's has {tuple(parameter.shape)}")
            optimizer.state[parameter] = {"step": torch.tensor(float(steps)), **found}


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"optimizer.{index}.{key}": torch.as_tensor(value)
        for index, values in state.items()
        for key, value in values.items()
    }


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
