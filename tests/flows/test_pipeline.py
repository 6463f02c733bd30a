"""The flow on a toy repository, run from the command line as a person would."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.server.api.server import SubprocessASGIServer

from flows import ephemeral_server

pytestmark = pytest.mark.integration

HOUSE = Path(__file__).resolve().parents[2]


def task_runs(server, newest: int) -> dict[str, dict]:
    """The newest task runs by name."""
    body = {"sort": "EXPECTED_START_TIME_DESC", "limit": newest}
    return {run["name"]: run for run in server.post("/task_runs/filter", body)}


def artifact(server, key: str) -> dict:
    """The newest artifact under a key."""
    body = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
    return server.post("/artifacts/filter", body)[0]


def test_only_what_is_stale_runs_in_order_and_at_once(served_toy, prefect_server) -> None:
    toy = served_toy
    meeting = [toy.tell("meet-left", "score@a"), toy.tell("meet-score@a", "left")]  # each waits for the other

    code, output = toy.run()
    for peer in meeting:
        peer.unlink()
    assert code == 0, output
    order = toy.started()
    assert order[0] == "prepare" and order[-1] == "total"
    assert sorted(order) == ["left", "prepare", "score@a", "score@b", "total"]
    assert f"interpreter {sys.executable}" in output
    assert "::progress" not in output

    runs = task_runs(prefect_server, 5)
    assert {name: run["state"]["type"] for name, run in runs.items()} == dict.fromkeys(order, "COMPLETED")
    assert [name for name, run in runs.items() if "gpu" in run["tags"]] == ["left"]
    table = json.loads(artifact(prefect_server, "stages")["data"])
    assert {row["stage"]: row["how"] for row in table} == dict.fromkeys(order, "ran")
    assert "| reports/a.json: size.characters |  | 20 | new |" in artifact(prefect_server, "metrics")["data"]
    assert artifact(prefect_server, "score-a")["data"] == 100

    code, output = toy.run()
    assert (code, toy.started()) == (0, []), output
    assert "none, all up to date" in output

    (toy.root / "params.yaml").write_text("left: 2\n")
    code, output = toy.run()
    assert (code, toy.started()) == (0, ["left"]), output  # with the same bytes as before, so total is not run
    table = json.loads(artifact(prefect_server, "stages")["data"])
    assert {row["stage"]: row["how"] for row in table} == {"left": "ran", "total": "unchanged"}

    code, output = toy.run("score", "--force")
    assert (code, sorted(toy.started())) == (0, ["score@a", "score@b"]), output
    assert "| reports/a.json: size.characters | 20 | 20 | = |" in artifact(prefect_server, "metrics")["data"]


def test_a_failing_stage_costs_only_what_needs_it(served_toy, prefect_server) -> None:
    toy = served_toy
    toy.tell("fail-left")
    code, output = toy.run()
    assert code == 1
    assert sorted(toy.started()) == ["left", "prepare", "score@a", "score@b"]
    assert "Traceback" not in output
    message = output[output.index("\nfailed: ") :]
    assert message.startswith("\nfailed: left; not run: total\n--- left: exit code 1\n")
    assert "there is no such corpus" in message
    assert task_runs(prefect_server, 5)["total"]["state"]["name"] == "NotReady"


def test_a_killed_stage_is_tried_again(served_toy) -> None:
    toy = served_toy
    toy.tell("kill-prepare")
    code, output = toy.run("prepare")
    assert (code, toy.started()) == (0, ["prepare", "prepare"]), output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_nothing(served_toy, eventually, number: int, code: int) -> None:
    toy = served_toy
    toy.tell("hang-prepare")
    with toy.start("prepare") as run:
        eventually((toy.root / "pid-prepare").exists, "the stage runs")
        family = psutil.Process(run.pid).children(recursive=True)
        assert int((toy.root / "pid-prepare").read_text()) in {process.pid for process in family}
        os.kill(run.pid, number)
        output, _ = run.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert run.returncode == code, output
    assert (toy.root / ".dvc/tmp/rwlock").read_text() == "{}"
    assert toy.started() == ["prepare"], "stopped, not tried again"


def test_an_unknown_target_is_one_clear_line(served_toy) -> None:
    code, output = served_toy.run("prepar")
    assert code == 1 and "Traceback" not in output
    assert "\nno stage matches 'prepar'; the stages are: prepare, left, score@a, score@b, total\n" in output


def test_a_second_run_in_the_same_workspace_is_refused(served_toy) -> None:
    lock = served_toy.root / ".run" / "pipeline.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        print("4711", file=handle, flush=True)
        code, output = served_toy.run()
    assert code == 1 and "Traceback" not in output
    assert f"\nanother pipeline run (process 4711) is working in {served_toy.root}\n" in output


def test_other_commands_keep_flows_and_one_another_away(served_toy) -> None:
    """As `make repro` does: the command becomes the holder, and lets go when it ends, however it does."""
    command = [sys.executable, "-m", "pipeline.workspace.lock", sys.executable, "-c"]
    env = {**os.environ, "PYTHONPATH": str(HOUSE)}
    with subprocess.Popen([*command, "print(1, flush=True); input()"], cwd=served_toy.root, env=env,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:  # fmt: skip
        assert first.stdout is not None and first.stdout.readline() == b"1\n"
        second = subprocess.run([*command, "print(2)"], cwd=served_toy.root, env=env, capture_output=True, text=True)
        said = f"another pipeline run (process {first.pid}) is working in {served_toy.root}\n"
        assert (second.returncode, second.stdout, second.stderr) == (1, "", said)
        code, output = served_toy.run()
        assert code == 1 and said in output and served_toy.started() == []
        first.kill()
    third = subprocess.run([*command, "import sys; sys.exit(7)"], cwd=served_toy.root, env=env)
    assert third.returncode == 7


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (lambda run: os.killpg(run.pid, signal.SIGINT), 130),  # Ctrl-C in a terminal: to all that share our group
        (lambda run: run.kill(), -9),
    ],
    ids=["ctrl-c", "kill -9"],
)
def test_no_server_is_needed_and_its_stand_in_does_not_stay(toy, eventually, stop, code: int) -> None:
    hang = toy.tell("hang-prepare")
    with toy.start("prepare") as run:
        eventually((toy.root / "pid-prepare").exists, "the stage runs", 180)
        family = psutil.Process(run.pid).children(recursive=True)
        assert any("uvicorn" in process.cmdline() for process in family), "the temporary server runs"
        stop(run)
        output, _ = run.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert run.returncode == code, output

    hang.unlink()
    toy.started()
    code, output = toy.run("prepare")
    assert (code, toy.started()) == (0, ["prepare"]), output
    assert (toy.root / ".run" / "prefect" / "prefect.db").exists()
    assert "View at" not in output, "it serves no pages"


def test_the_stand_in_is_the_one_that_prefect_would_start(monkeypatch) -> None:
    started: list[Any] = []

    class Server:
        def __init__(self, args: list[str], env: dict[str, str]) -> None:
            started.extend((args, env))

    monkeypatch.setattr(subprocess, "Popen", Server)
    prefects = SubprocessASGIServer(4711)
    prefects._run_uvicorn_command()
    ours = ephemeral_server.service(4711)
    command, env = started
    assert [sys.executable, "-m", *ours.arguments] == command
    assert {key: env[key] for key in ours.env} == ours.env
    told = {key for key in env if key not in os.environ}
    assert {key for key in told if key.startswith("PREFECT__")} <= set(ours.env)
