"""The state file: exact, whole or not there at all, and without pickle."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rosphere.errors import InputError
from rosphere.training import checkpoint
from rosphere.training.checkpoint import FILE, Progress
from rosphere.training.optimizers import adamw
from rosphere.training.schedule import Schedule

HISTORY = [{"step": 1.0, "loss": 0.1 + 0.2}, {"step": 2.0, "loss": 1e-300}]


def trained(steps: int) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    advance(model, optimizer, steps)
    return model, optimizer


def advance(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        model(torch.randn(5, 3, generator=torch.Generator().manual_seed(1))).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def saved(folder: Path, steps: int = 3) -> Path:
    checkpoint.save(folder, *trained(steps), Progress(step=steps, history=HISTORY, window=[{"loss": 0.3}]))
    return folder / FILE


def test_a_restored_run_goes_on_bit_by_bit(tmp_path: Path) -> None:
    saved(tmp_path)
    model, optimizer = trained(0)
    progress = checkpoint.load(tmp_path, model, optimizer)
    assert progress == Progress(step=3, history=HISTORY, window=[{"loss": 0.3}])
    advance(model, optimizer, 2)
    expected = trained(5)[0].state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_the_learning_rate_is_the_callers(tmp_path: Path) -> None:
    saved(tmp_path)
    model, _ = trained(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.007, weight_decay=0.5)
    checkpoint.load(tmp_path, model, optimizer)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (0.007, 0.5)


def test_nothing_is_found_where_nothing_was_saved(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "nowhere", *trained(0)) is None


@pytest.mark.parametrize("failing", ["training.checkpoint.save_file", "files.os.fsync", "files.os.replace"])
def test_a_write_that_fails_leaves_the_old_state(failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = saved(tmp_path, 1).read_bytes()

    def fail(*arguments: Any, **options: Any) -> None:
        if failing == "training.checkpoint.save_file":
            Path(arguments[1]).write_bytes(old[: len(old) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(f"rosphere.{failing}", fail)
    with pytest.raises(OSError, match="No space left"):
        saved(tmp_path, 2)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).read_bytes() == old
    progress = checkpoint.load(tmp_path, *trained(0))
    assert progress is not None and progress.step == 1


def test_a_write_that_succeeds_leaves_one_file(tmp_path: Path) -> None:
    for steps in (1, 2):
        saved(tmp_path, steps)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    progress = checkpoint.load(tmp_path, *trained(0))
    assert progress is not None and progress.step == 2


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_named(share: float, tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=rf"{path}: the checkpoint is damaged .*delete it"):
        checkpoint.load(tmp_path, *trained(0))


def test_a_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"\x80\x04\x95 not a safetensors file at all")
    with pytest.raises(InputError, match=rf"{path}: the checkpoint is damaged"):
        checkpoint.load(tmp_path, *trained(0))
    save_file({"weights": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=rf"{path}: not the state of a run, its header has no 'step'"):
        checkpoint.load(tmp_path, *trained(0))


def test_a_damaged_file_changes_neither_model_nor_optimizer(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    model, optimizer = trained(1)
    with pytest.raises(InputError):
        checkpoint.load(tmp_path, model, optimizer)
    advance(model, optimizer, 1)
    expected = trained(2)[0].state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_the_file_is_safetensors_to_the_last_byte(tmp_path: Path) -> None:
    """Eight bytes of length, a JSON header and the tensors it lists: no room for a pickle."""
    path = saved(tmp_path)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    text = header.pop("__metadata__")
    assert set(text) == {"step", "history", "window"}
    assert json.loads(text["history"]) == HISTORY
    assert max(entry["data_offsets"][1] for entry in header.values()) == len(raw) - 8 - length
    assert {name.split(".")[0] for name in load_file(path)} == {"model", "optimizer"}


def test_moments_carry_training_on(tmp_path: Path) -> None:
    """Ten steps are five steps, saved by name, and five more in another optimizer."""
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    parts = copy.deepcopy(whole)
    inputs = torch.randn(10, 16, 4)
    pace = Schedule(steps=10, learning_rate=1e-2)

    def train(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Tensor) -> None:
        for batch in batches:
            model(batch).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

    train(whole, adamw(whole, pace), inputs)
    first = adamw(parts, pace)
    train(parts, first, inputs[:5])
    checkpoint.save_moments(tmp_path / "moments.safetensors", parts, first)
    second = adamw(parts, pace)
    checkpoint.load_moments(tmp_path / "moments.safetensors", parts, second)
    train(parts, second, inputs[5:])
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), parts.parameters(), strict=True))


def test_moments_of_another_shape_are_refused(tmp_path: Path) -> None:
    small, large = nn.Linear(2, 3), nn.Linear(2, 4)
    pace = Schedule(steps=10, learning_rate=1e-2)
    trained = adamw(small, pace)
    small(torch.ones(1, 2)).sum().backward()
    trained.step()
    checkpoint.save_moments(tmp_path / "moments.safetensors", small, trained)
    with pytest.raises(InputError, match=r"moments.safetensors: weight has shape \(3, 2\), the model's has \(4, 2\)"):
        checkpoint.load_moments(tmp_path / "moments.safetensors", large, adamw(large, pace))
