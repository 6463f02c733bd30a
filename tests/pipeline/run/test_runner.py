"""A toy stage walks through the stage runner: killed, stopped, misled and let through."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.run import checkpoint_folder, identity
from pipeline.run.identity import Identity, identify
from pipeline.run.job import Job
from pipeline.run.progress import Progress
from pipeline.run.runner import stage
from rosphere.errors import InputError

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc"), pytest.mark.integration]

REPOSITORY = Path(__file__).parents[3]
SHELLS = [shell for shell in ("/bin/sh", "/bin/bash") if Path(shell).exists()]  # dash forks where bash execs

TOY = """
import errno, os, signal, sys, time
from dataclasses import dataclass
from safetensors import SafetensorError
from pipeline.run.runner import Stopped, stage

@dataclass(frozen=True, kw_only=True)
class Config:
    steps: int
    seconds: float = 0.0
    end: str = "well"

def main(name):
    with stage(name) as job:
        config = job.section(Config)
        state = job.checkpoint / "step"
        first = int(state.read_text()) if state.exists() else 0
        print("begins at", first, flush=True)
        for step in range(first + 1, config.steps + 1):
            time.sleep(config.seconds)
            draft = state.with_suffix(".part")
            draft.write_text(str(step))
            draft.replace(state)
            job.progress(step, config.steps, {"loss": 1 / step})
            if config.end != "deaf" and job.stopping():
                raise Stopped
        job.report({"loss": 1 / 3, "steps": config.steps, "of": {"体育": 0.5}})
        if config.end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if config.end == "bug":
            raise ZeroDivisionError("a bug")
        if config.end == "diverged":
            raise FloatingPointError("step 3: the loss is not finite")
        if config.end == "full":
            raise SafetensorError("Error while serializing: No space left on device")
        if config.end == "no room":
            raise OSError(errno.ENOSPC, "No space left on device", "reports/train.json")
        if config.end == "memory":
            raise MemoryError
        if config.end == "onednn":
            raise RuntimeError("could not create a primitive")
        if config.end == "missing":
            open("data/absent.txt")

main(sys.argv[1])
"""

PIPELINE = """
stages:
  train:
    cmd: exec python toy.py train
    deps: [toy.py, data/raw.txt]
    params: [seed, train]
    metrics: [{reports/train.json: {cache: false}}]
    meta: {resources: {gpu: 1}}
  evaluate:
    matrix: {task: [one, two]}
    cmd: exec python toy.py evaluate@${item.task}
    deps: [toy.py, reports/train.json]
    params: [evaluate]
    metrics: [{"reports/tasks/${item.task}.json": {cache: false}}]
"""


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without DVC: a toy stage and its numbers."""
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "raw.txt").write_text("raw")
    params(tmp_path, steps=3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("ROSPHERE_TRACKING", "0")
    monkeypatch.setenv("ROSPHERE_GPUS", "")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def dvc_house(house: Path) -> Path:
    """The same workspace under DVC, with a pipeline of two stages, the second for two tasks."""
    from dvc.repo import Repo

    (house / "dvc.yaml").write_text(PIPELINE)
    with Repo.init(str(house), no_scm=True):
        pass
    return house


def params(folder: Path, **train: Any) -> None:
    text = f"seed: 1\ntrain: {json.dumps(train)}\nevaluate: {{steps: 2}}\n"
    (folder / "params.yaml").write_text(text)


def start(name: str = "train") -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "toy.py", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def lines_until(process: "subprocess.Popen[str]", beginning: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"the stage ended without saying {beginning!r}")


def saved(house: Path) -> list[int]:
    return [int(path.read_text()) for path in house.glob(".run/ckpt/train/*/step")]


def first_step(out: str) -> int:
    found = re.search(r"^begins at (\d+)$", out, re.M)
    assert found
    return int(found[1])


def test_plain_run_writes_its_report_and_drops_its_checkpoint(house: Path) -> None:
    code, out, err = finish(start())
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["begins at 0", "::progress train 1/3 loss=1"]
    assert re.fullmatch(r"::progress train 3/3 loss=0.3333 \S+ step/s eta 00:00", out.splitlines()[-1])
    report = (house / "reports/train.json").read_text()
    assert report == '{\n "loss": 0.333333,\n "of": {\n  "体育": 0.5\n },\n "steps": 3\n}\n'
    assert sorted(path.name for path in (house / "reports").iterdir()) == ["speed", "train.json"]
    speed = json.loads((house / "reports/speed/train.json").read_text())
    assert speed["seconds"] > 0 and 5 < speed["peak_memory_mib"] < 2000
    assert re.fullmatch("[0-9a-f]{16}", speed["run"])
    assert [path.suffix for path in (house / ".run/ckpt/train").iterdir()] == [".lock"]


def test_resumes_after_kill_9_and_only_the_same_configuration(house: Path) -> None:
    params(house, steps=2000, seconds=0.02)
    process = start()
    lines_until(process, "::progress")
    process.kill()
    finish(process)
    [step] = saved(house)
    assert step >= 1
    params(house, steps=step + 1, seconds=0.02)
    _, out, _ = finish(start())
    assert first_step(out) == 0  # other numbers, other work
    params(house, steps=2000, seconds=0.02)
    process = start()
    assert process.stdout is not None
    assert first_step(process.stdout.readline()) == step
    process.kill()
    finish(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_saves_and_leaves_without_a_report(house: Path, number: signal.Signals) -> None:
    params(house, steps=2000, seconds=0.02)
    (house / "reports").mkdir()
    (house / "reports/train.json").write_text("of the run before")
    process = start()
    lines_until(process, "::progress")
    process.send_signal(number)
    code, _, err = finish(process)
    assert (code, err) == (143, f"{number.name}: stopping; once more after 5 s to leave at once\n")
    assert saved(house)[0] >= 1
    assert not list((house / "reports").iterdir())


def test_a_closed_terminal_saves_too(house: Path) -> None:
    """Every line that is written there from now on is an error, which must not keep the stage from saving."""
    params(house, steps=2000, seconds=0.02)
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "toy.py", "train"])
    while not saved(house):
        time.sleep(0.05)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 143
    assert saved(house)[0] >= 1


def test_nohup_is_respected(house: Path) -> None:
    params(house, steps=40, seconds=0.02)
    process = subprocess.Popen(
        ["nohup", sys.executable, "toy.py", "train"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines_until(process, "::progress")
    process.send_signal(signal.SIGHUP)
    assert finish(process)[0] == 0


def test_a_stage_that_never_asks_is_stopped_at_once(house: Path) -> None:
    params(house, steps=2000, seconds=0.02, end="deaf")
    process = start()
    lines_until(process, "::progress")
    process.terminate()
    assert finish(process)[0] == 143


def test_the_death_of_the_parent_stops_the_stage(house: Path) -> None:
    params(house, steps=2000, seconds=0.02)
    parent = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, 'toy.py', 'train'])"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines_until(parent, "::progress")
    parent.kill()
    _, err = parent.communicate(timeout=60)  # ends when the stage, which shares the pipe, is gone
    assert err == "SIGTERM: stopping; once more after 5 s to leave at once\n"
    assert saved(house)[0] >= 1


def test_a_kill_after_the_work_leaves_no_report(house: Path) -> None:
    params(house, steps=2, end="killed")
    assert finish(start())[0] == -signal.SIGKILL
    assert not list(house.glob("reports/*"))
    assert saved(house) == [2]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"steps": "many"}, "params.yaml: train.steps: expected int, got 'many' (str)"),
        ({"step": 3}, "params.yaml: train.step: unknown key; did you mean 'steps'?"),
        ({"steps": 3, "end": "diverged"}, "step 3: the loss is not finite"),
        ({"steps": 1, "end": "missing"}, "data/absent.txt: no such file or folder"),
        ({"steps": 1, "end": "full"}, "Error while serializing: No space left on device"),
        ({"steps": 1, "end": "no room"}, "reports/train.json: no space left on device"),
        ({"steps": 1, "end": "memory"}, "not enough memory: MemoryError"),
        ({"steps": 1, "end": "onednn"}, "not enough memory: could not create a primitive"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(house: Path, train: dict[str, Any], message: str) -> None:
    params(house, **train)
    code, _, err = finish(start())
    assert (code, err) == (1, f"error: train: {message}\n")
    assert not list(house.glob("reports/*"))


def test_a_variable_by_its_former_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_COURIER", "0")
    code, _, err = finish(start())
    assert (code, err) == (1, "error: train: ROSPHERE_COURIER: is called ROSPHERE_UPLOADER now\n")


def test_a_bug_keeps_its_traceback(house: Path) -> None:
    params(house, steps=1, end="bug")
    code, _, err = finish(start())
    assert code == 1
    assert err.startswith("Traceback") and err.endswith("ZeroDivisionError: a bug\n")


def test_a_second_trainer_of_the_same_configuration_is_refused(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_folder, "HANDOVER_SECONDS", 0.0)
    me = identify(house, "train")
    with checkpoint_folder.locked(me) as folder:
        with pytest.raises(InputError, match="expected to be the only one"), checkpoint_folder.locked(me):
            pass
        assert folder.is_dir()
    assert not folder.exists()


def test_who_holds_it_elsewhere_is_waited_for(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two experiments with a stage in common; in a flow the second is tried again, to take what the first has made."""
    monkeypatch.setattr(checkpoint_folder, "HANDOVER_SECONDS", 0.1)
    me, begun = identify(house, "train"), threading.Event()
    (house / "elsewhere").mkdir()

    def first() -> None:
        with checkpoint_folder.locked(me) as folder:
            (folder.parent / f"{folder.name}.lock").write_text("/their/copy\n")
            begun.set()
            time.sleep(1.0)

    for flow, code in ((None, None), ("id", 75)):
        if flow:
            monkeypatch.setenv("ROSPHERE_FLOW_RUN", flow)
        begun.clear()
        holder = threading.Thread(target=first)
        holder.start()
        assert begun.wait(10)
        if code:
            with pytest.raises(SystemExit) as left, checkpoint_folder.locked(me):
                pass
            assert left.value.code == code
        else:
            with checkpoint_folder.locked(me) as folder:
                assert folder.is_dir()
        holder.join()
        assert capsys.readouterr().out == "train: waiting for the same stage in /their/copy\n"


def repro(monkeypatch: pytest.MonkeyPatch, shell: str) -> "subprocess.Popen[str]":
    """`dvc repro`, whose commands `shell` runs."""
    monkeypatch.setenv("SHELL", shell)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_a_stop_that_comes_too_late_keeps_the_stage_and_ends_the_run(
    dvc_house: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    params(dvc_house, steps=2, seconds=0.5, end="deaf")  # a stage that has asked once and then measures for long
    toy = (dvc_house / "toy.py").read_text()
    (dvc_house / "toy.py").write_text(toy.replace("first = int(", "job.stopping(); first = int("))
    process = repro(monkeypatch, shell)
    lines_until(process, "::progress")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "not begun, train was told to stop" in err
    assert json.loads((dvc_house / "reports" / "train.json").read_text())["steps"] == 2
    assert "train:" in (dvc_house / "dvc.lock").read_text() and not (dvc_house / "reports" / "tasks").exists()
    assert not list((dvc_house / ".run").glob("stop-*"))


@pytest.mark.parametrize("shell", SHELLS)
def test_no_stage_outlives_a_killed_dvc(dvc_house: Path, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    params(dvc_house, steps=600, seconds=0.1)
    process = repro(monkeypatch, shell)
    lines_until(process, "::progress")
    process.kill()
    out, err = process.communicate(timeout=30)  # ends when the last of them has closed its ends of the pipes
    assert "SIGTERM: stopping" in err and "600/600" not in out
    assert saved(dvc_house)[0] < 600


@pytest.fixture
def job(house: Path) -> Iterator[Job]:
    with stage("evaluate@one") as job:
        yield job


def test_a_job_knows_its_stage_and_item(job: Job) -> None:
    assert (job.name, job.stage, job.item) == ("evaluate@one", "evaluate", "one")
    assert job.report_path == Path("reports/tasks/one.json")
    assert job.scalar("seed", int) == 1
    assert not job.stopping()


def test_a_curve_is_a_table_of_all_keys(job: Job) -> None:
    path = job.curve([{"step": 1, "loss": 1 / 3}, {"step": 2000000, "loss": 0.25, "accuracy": 1.0}])
    assert path == Path("reports/curves/evaluate-one.csv")
    assert path.read_text() == "step,loss,accuracy\n1,0.333333,\n2000000,0.25,1.0\n"
    with pytest.raises(ValueError, match="at least one row"):
        job.curve([])


def test_a_report_takes_numpy_numbers_and_refuses_what_json_cannot_hold(job: Job) -> None:
    numpy = pytest.importorskip("numpy")
    job.report({"a": numpy.float32(0.1), "b": numpy.int64(3), "c": [True, None, "x", 123456789]})
    assert job._report == {"a": 0.1, "b": 3, "c": [True, None, "x", 123456789]}
    with pytest.raises(ValueError, match=r"evaluate@one: deep: x\[1\]: expected a finite number .* got nan"):
        job.report({"deep": {"x": [1.0, float("nan")]}})
    with pytest.raises(TypeError, match="evaluate@one: o: expected a plain value .* got object"):
        job.report({"o": object()})


def test_progress_lines_are_few_and_restart_with_a_new_loop(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000, 2000))
    monkeypatch.setattr("pipeline.run.progress.time.monotonic", lambda: float(next(clock)))
    progress = Progress("vmf_vae")
    for step in range(41, 51):  # resumed at 40: one step a second
        progress.show(step, 100, {"loss": 0.5})
    progress.show(1, 2, {})
    assert capsys.readouterr().out.splitlines() == [
        "::progress vmf_vae 41/100 loss=0.5",
        "::progress vmf_vae 46/100 loss=0.5 1 step/s eta 00:54",
        "::progress vmf_vae 1/2",
    ]


def test_plain_mode_reads_gpus_and_params_without_dvc(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (house / "dvc.yaml").write_text(PIPELINE)
    (house / ".dvc").mkdir()
    monkeypatch.setattr(identity, "find_spec", lambda name: None)
    train, one = identify(house, "train"), identify(house, "evaluate@one")
    assert (train.gpus, one.gpus) == (1, 0)
    assert train.pipeline_fp == one.pipeline_fp
    assert train.stage_fp != one.stage_fp
    assert train.pipeline_params["train"] == {"steps": 3}


def test_fingerprints_follow_dvc(dvc_house: Path) -> None:
    def both() -> tuple[Identity, Identity]:
        return identify(dvc_house, "train"), identify(dvc_house, "evaluate@two")

    train, two = both()
    assert train.pipeline_fp == two.pipeline_fp
    assert (train.gpus, two.gpus) == (1, 0)
    assert train.params == {"seed": 1, "train": {"steps": 3}}
    assert set(train.deps) == {"toy.py", "data/raw.txt"}
    assert two.upstream_metrics == {"train": ("reports/train.json",)}
    assert (two.upstream, train.upstream) == ({"train": train.stage_fp}, {})

    (dvc_house / "reports").mkdir()
    (dvc_house / "reports/train.json").write_text("{}")  # made by a stage: not a new configuration
    train_after, two_after = both()
    assert train_after == train
    assert two_after.pipeline_fp == two.pipeline_fp and two_after.stage_fp != two.stage_fp

    params(dvc_house, steps=4)
    train_other, two_other = both()
    assert train_other.stage_fp != train.stage_fp and two_other.stage_fp == two_after.stage_fp
    assert train_other.pipeline_fp == two_other.pipeline_fp != train.pipeline_fp

    with pytest.raises(InputError, match=r"dvc.yaml: expected a stage named 'trian', got evaluate@one"):
        identify(dvc_house, "trian")


def test_dvc_repro_names_the_stage_and_finds_nothing_left_to_do(dvc_house: Path) -> None:
    dvc = [sys.executable, "-m", "dvc", "repro", "evaluate@one"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    first = subprocess.run(dvc, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert "::progress train 3/3" in first.stdout and "::progress evaluate@one 2/2" in first.stdout
    assert json.loads((dvc_house / "reports/tasks/one.json").read_text())["steps"] == 2
    two, one = identify(dvc_house, "evaluate@two"), identify(dvc_house, "evaluate@one")
    assert (two.beside, one.beside) == ({"evaluate@one": one.stage_fp}, {})  # evaluate@two never ran
    assert two.upstream_metrics["evaluate@one"] == ("reports/tasks/one.json",)
    assert set(two.sources) == {"toy.py", "data/raw.txt"}
    params(dvc_house, steps=4)
    assert identify(dvc_house, "evaluate@two").beside == {}  # its upstream stage is to be run again
    params(dvc_house, steps=3)
    again = subprocess.run(dvc, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert "::progress" not in again.stdout and "up to date" in again.stdout


@pytest.mark.parametrize("what", ["params.yaml", "data/raw.txt"])
def test_what_is_edited_in_mid_run_is_not_taken_for_what_the_result_was_made_from(dvc_house: Path, what: str) -> None:
    params(dvc_house, steps=4, seconds=0.5)
    command = [sys.executable, "-m", "dvc", "repro", "train"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        lines_until(run, "begins at 0")
        before = (dvc_house / what).read_text()
        if what == "params.yaml":
            params(dvc_house, steps=5, seconds=0.5)
        else:
            (dvc_house / what).write_text("another")
        output, _ = run.communicate(timeout=120)
    said = "train.steps" if what == "params.yaml" else "data/raw.txt"
    assert f"error: train: changed while this ran: {said}; run again, or put it back" in output
    assert run.returncode != 0 and not (dvc_house / "dvc.lock").exists()

    (dvc_house / what).write_text(before)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and first_step(done.stdout) == 4, done.stdout + done.stderr
    assert json.loads((dvc_house / "reports" / "train.json").read_text())["steps"] == 4


def test_what_changed_is_named() -> None:
    common: dict[str, Any] = {"name": "x", "home": Path(), "stage_fp": "", "pipeline_fp": "", "pipeline_params": {}}
    before, now = (
        Identity(**common, params=params, deps=deps, upstream_metrics={}, gpus=0)
        for params, deps in (
            ({"seed": 1, "train": {"rate": 1, "of": {}}}, {"a.py": "1", "b.py": "1"}),
            ({"seed": 1, "train": {"rate": 2, "of": {}}}, {"a.py": "2", "c.py": "1"}),
        )
    )
    assert identity.changed(before, before) == []
    assert identity.changed(before, now) == ["a.py", "b.py", "c.py", "train.rate"]
