"""A stage in several processes: who leads, who follows, which devices, and how such a group ends."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.run import process_group
from pipeline.run.lease import lease
from pipeline.run.process_group import LEADER, Place, leased, size
from pipeline.run.runner import stage
from rosphere.errors import InputError

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[3]

TOY = """
import os, time
from dataclasses import dataclass
import torch
from rosphere.training import loop
from rosphere.training.schedule import Schedule
from pipeline.run.runner import stage

@dataclass(frozen=True, kw_only=True)
class Config:
    steps: int
    seconds: float = 0.0
    shares: bool = True

class Rows:
    def __init__(self, x):
        self.x = x

class SharedRows(Rows):
    def share(self, rank, processes):
        return SharedRows(self.x.tensor_split(processes)[rank])

with stage("train", divides=True) as job:
    config = job.section(Config)
    with open(f"pid{os.environ.get('RANK', '')}", "w") as file:
        file.write(str(os.getpid()))
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)

    def batches(step):
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
        return SharedRows(x) if config.shares else Rows(x)

    def objective(model, batch, backward):
        time.sleep(config.seconds)
        loss = (model(batch.x) - 1).square().sum() / 5
        backward(loss)
        return {"loss": loss.detach()}

    schedule = Schedule(steps=config.steps, learning_rate=0.1, log_every=1, checkpoint_every=5)
    callbacks = loop.Callbacks(progress=job.progress, stopping=job.stopping)
    history = loop.fit(
        model, batches, objective, schedule, seed=1, folder=job.checkpoint, callbacks=callbacks
    )
    with open("written", "a") as file:
        file.write("once")
    job.curve(history)
    job.report({"loss": history[-1]["loss"], "threads": torch.get_num_threads()})
"""

PIPELINE = """
stages:
  train: {cmd: python toy.py, meta: {resources: {gpu: 1}}}
  tidy: {cmd: python toy.py}
"""


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without DVC, in which `train` trains and `tidy` does not, on a machine without a GPU."""
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    params(tmp_path, steps=12)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("ROSPHERE_TRACKING", "0")
    monkeypatch.setenv("ROSPHERE_GPUS", "")
    monkeypatch.setenv("ROSPHERE_GPU_LOCKS", str(tmp_path / "locks"))
    for name in ("DVC_STAGE", "ROSPHERE_PROCESSES", "CUDA_VISIBLE_DEVICES", "RANK", "WORLD_SIZE", LEADER):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def params(folder: Path, **train: object) -> None:
    (folder / "params.yaml").write_text(json.dumps({"train": train}))


def start(processes: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "toy.py"],
        env={**os.environ, "ROSPHERE_PROCESSES": str(processes)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    # torch's own warning where a machine's address has no name, as in a network of loopback alone
    ours = [line for line in err.splitlines(keepends=True) if "[c10d] The hostname of the client" not in line]
    return process.returncode, out, "".join(ours)


def underway(processes: int) -> "subprocess.Popen[str]":
    """A long run whose training has begun."""
    params(Path.cwd(), steps=100000, seconds=0.01)
    process = start(processes)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("::progress"):
            return process
    raise AssertionError(f"ended before it trained: {finish(process)}")


def awaited(file: Path) -> int:
    """The number that a process writes there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_text()):
            return int(text)
        time.sleep(0.05)
    raise AssertionError(f"{file} was not written")


def gone(pid: int) -> bool:
    """Within the moment that the kernel needs; a process that nobody has waited for yet counts as gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def a_place(**changes: int) -> Place:
    return Place(**{"rank": 0, "count": 1, "local_rank": 0, "local_count": 1, **changes}, started_in=Path.cwd())  # type: ignore[arg-type]


# --- a stage in two processes


def test_two_processes_report_once_what_one_reports(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runpy.run_path("toy.py")
    one = json.loads((house / "reports/train.json").read_text())
    (house / "written").unlink()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    code, out, err = finish(start(2))
    assert (code, err) == (0, "")
    assert [line.split()[2] for line in out.splitlines()] == ["1/12", "12/12"]
    two = json.loads((house / "reports/train.json").read_text())
    assert two == {"loss": pytest.approx(one["loss"], rel=1e-5), "threads": process_group.threads(2)}
    assert (house / "written").read_text() == "once"
    assert [path.suffix for path in (house / ".run/ckpt/train").iterdir()] == [".lock"]
    assert gone(int((house / "pid1").read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_stop_saves_and_ends_all(house: Path, number: signal.Signals) -> None:
    process = underway(2)
    process.send_signal(number)
    code, _, err = finish(process)
    assert (code, err) == (143, f"{number.name}: stopping; once more after 5 s to leave at once\n")
    assert len(list(house.glob(".run/ckpt/train/*/state.safetensors"))) == 1
    assert gone(int((house / "pid1").read_text()))
    assert not (house / "reports/train.json").exists()


@pytest.mark.slow
def test_a_leader_in_training_ends_when_its_follower_is_killed(house: Path) -> None:
    process = underway(2)
    os.kill(int((house / "pid1").read_text()), signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 1
    assert "error: process 1 of 2 was ended by SIGKILL" in err
    assert not (house / "written").exists()


def test_batches_that_cannot_be_shared_are_one_line(house: Path) -> None:
    params(house, steps=12, shares=False)
    code, _, err = finish(start(2))
    message = "this stage trains in one process, its batches (Rows) have no shares; got 2"
    assert (code, err) == (1, f"error: train: {message}\n")


def test_a_stage_that_does_not_divide_its_batches_is_spared_the_wish(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROSPHERE_PROCESSES", "2")
    place = process_group.place()
    assert (process_group.size(1, place, (), divides=True), process_group.size(1, place, (), divides=False)) == (2, 1)
    with process_group.leased(1, place, divides=False) as names:
        assert names == ()
    with stage("train") as job:
        job.report({"loss": 1.0})
    assert json.loads((house / "reports/train.json").read_text()) == {"loss": 1.0}


@pytest.mark.parametrize("wish", ["two", "0", "-1", ""])
def test_refuses_what_is_no_number_of_processes(
    wish: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROSPHERE_PROCESSES", wish)
    with pytest.raises(SystemExit), stage("train", divides=True):
        pass
    message = f"ROSPHERE_PROCESSES: expected a number of processes, 1 or more, got {wish!r}"
    assert capsys.readouterr().err == f"error: train: {message}\n"


LEAD = """
import os, time
from pathlib import Path
from pipeline.run import process_group
from pipeline.run.runner import stage

process_group.LAST_WORDS_SECONDS = 0.1
with stage("train", divides=True):
    if "{follower}" == "fails" and os.environ["RANK"] == "1":
        os._exit(3)
    Path("pid" + os.environ["RANK"]).write_text(str(os.getpid()))
    print("::progress", flush=True)
    time.sleep(60)
"""


def test_a_leader_that_waits_for_a_failed_follower_ends(house: Path) -> None:
    (house / "toy.py").write_text(LEAD.format(follower="fails"))
    code, _, err = finish(start(2))
    assert (code, err) == (1, "error: process 1 of 2 is gone, exit code 3\n")


@pytest.mark.parametrize("killed", [0, 1])
def test_leader_and_follower_die_with_one_another(killed: int, house: Path) -> None:
    (house / "toy.py").write_text(LEAD.format(follower="waits"))
    process = start(2)
    pids = [awaited(house / f"pid{rank}") for rank in (0, 1)]
    os.kill(pids[killed], signal.SIGKILL)
    code, _, err = finish(process)
    assert gone(pids[1])
    assert (code, err) == (
        (-signal.SIGKILL, "")
        if killed == 0
        else (1, "error: process 1 of 2 was ended by SIGKILL\nerror: process 1 of 2 is gone, exit code -9\n")
    )


# --- places in a group


def torchrun(monkeypatch: pytest.MonkeyPatch, rank: int, count: int = 2) -> None:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, str(rank))
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, str(count))


def test_a_process_that_follows_shows_and_writes_nothing(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (house / "reports").mkdir()
    (house / "reports/train.json").write_text("of process 0")
    with stage("train") as first:
        (house / "reports/train.json").write_text("of process 0")
        torchrun(monkeypatch, 1)
        with stage("train") as job:
            assert (first.main, job.main) == (True, False)
            assert job.checkpoint == first.checkpoint
            assert job.curve([{"step": 1}]) == Path("reports/curves/train.csv")
            job.progress(1, 2, {"loss": 1.0})
            job.report({"loss": 1.0})
            job.examples({"text": "体育"})
    assert capsys.readouterr() == ("", "")
    assert sorted(str(path.relative_to("reports")) for path in Path("reports").rglob("*.*")) == [
        "speed/train.json",
        "train.json",
    ]


def test_what_another_program_left_behind_is_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    for count in (None, "", "1"):
        if count is not None:
            monkeypatch.setenv("WORLD_SIZE", count)
        alone = process_group.place()
        assert (alone.rank, alone.count, alone.local_rank, alone.local_count) == (0, 1, 0, 1)


def test_a_place_that_is_no_number_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torchrun(monkeypatch, 1)
    monkeypatch.setenv("LOCAL_RANK", "x")
    with pytest.raises(SystemExit), stage("train"):
        pass
    assert capsys.readouterr().err == "error: train: LOCAL_RANK: expected a number, got 'x'\n"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_stage_without_training_is_refused_in_a_group(
    rank: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torchrun(monkeypatch, rank)
    with pytest.raises(SystemExit) as end, stage("tidy"):
        pass
    assert end.value.code == 1
    message = "expected one process, since dvc.yaml asks for no GPU to train on, got 2"
    assert capsys.readouterr().err == f"error: tidy: {message}\n"


@pytest.mark.parametrize(
    ("gpus", "wish", "devices", "expected"),
    [
        (1, None, ("3",), 1),
        (2, None, ("0", "3"), 2),
        (2, None, (), 1),  # no GPU here
        (1, "4", (), 4),
        (2, "1", ("0",), 1),
        (0, "4", (), 1),  # does not train
    ],
)
def test_as_many_processes_as_devices_or_as_asked_for(
    gpus: int, wish: str | None, devices: tuple[str, ...], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wish:
        monkeypatch.setenv("ROSPHERE_PROCESSES", wish)
    assert size(gpus, a_place(), devices) == expected
    assert size(gpus, a_place(count=2, local_count=2), devices) == 1  # torchrun has started the others


def test_a_leader_leases_for_its_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_GPUS", "0,2,5")
    with leased(2, a_place()) as names:
        assert names == ("0", "2") and os.environ["CUDA_VISIBLE_DEVICES"] == "0,2"
        monkeypatch.setenv(LEADER, "1")
        with leased(2, a_place(rank=1, count=2, local_rank=1, local_count=2)) as theirs:
            assert theirs == () and os.environ["CUDA_VISIBLE_DEVICES"] == "0,2"
    monkeypatch.delenv(LEADER)
    monkeypatch.setenv("ROSPHERE_PROCESSES", "3")
    with leased(1, a_place()) as names:
        assert names == ("0", "2", "5")
    monkeypatch.setenv("ROSPHERE_PROCESSES", "4")
    with pytest.raises(InputError, match="expected 4 GPUs, got 3: 0, 2, 5"), leased(1, a_place()):
        pass


def test_under_torchrun_the_first_process_leases_the_first_devices_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_GPUS", "4,2,5")
    pair = {"count": 4, "local_count": 2}  # on the second of two machines
    zero, one = a_place(rank=2, local_rank=0, **pair), a_place(rank=3, local_rank=1, **pair)
    with leased(1, zero) as first, leased(1, one) as second:
        assert first == second == ("4", "2")
        with lease(1) as other:
            assert other == ("5",)
        with pytest.raises(TimeoutError), lease(2, timeout=0):
            pass


def test_a_led_follower_is_killed_and_a_torchrun_process_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert a_place().ending == signal.SIGTERM
    monkeypatch.setenv(LEADER, "1")
    assert a_place().ending == signal.SIGKILL


def test_what_a_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "7")
    chosen = process_group._variables(2, 1234)
    assert {chosen[name] for name in ("OMP_NUM_THREADS", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")} == {"7"}
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert process_group._variables(10**6, 1234)["OMP_NUM_THREADS"] == "1"
