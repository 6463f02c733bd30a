"""With real servers: one that dies and comes back, many points at once, and, where they are given, PostgreSQL and S3.

ROSPHERE_TEST_POSTGRES=postgresql://user@host/db   a database these tests may write to (needs psycopg2)
ROSPHERE_TEST_S3=s3://bucket                       with MLFLOW_S3_ENDPOINT_URL and AWS_* where needed (needs boto3)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipeline.run.identity import Identity
from pipeline.tracking import recording, run_log, uploader
from pipeline.tracking.run_log import RunLog
from pipeline.workspace import paths

mlflow = pytest.importorskip("mlflow")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.integration,
]
REPOSITORY = Path(__file__).parents[3]
STEPS = 60
TRAINER = f"""
import sys, time
from pathlib import Path
import torch
from safetensors.torch import save_file
from pipeline.run.identity import Identity
from pipeline.tracking.recording import tracked

def wait(name):
    print(name, flush=True)
    while not Path(name).exists():
        time.sleep(0.1)

me = Identity(name="train", home=Path.cwd(), stage_fp="x", pipeline_fp="x", params={{}}, pipeline_params={{}},
              deps={{}}, upstream_metrics={{}}, gpus=0)
torch.manual_seed(0)
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.AdamW(model.parameters())
with tracked(me, ()) as tracker:
    for step in range({STEPS}):
        loss = model(torch.randn(16, 8)).square().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        tracker.metrics(step, {{"loss": float(loss)}})
        if step in ({STEPS} // 3, 2 * {STEPS} // 3) and len(sys.argv) > 1:
            wait(f"go{{step}}")
save_file(model.state_dict(), "model.safetensors")
"""
TELLER = """
import sys
from pathlib import Path
from pipeline.run.identity import Identity
from pipeline.tracking.recording import tracked

me = Identity(name=sys.argv[1], home=Path.cwd(), stage_fp=sys.argv[1], pipeline_fp="many", params={},
              pipeline_params={}, deps={}, upstream_metrics={}, gpus=0)
with tracked(me, ()) as tracker:
    for step in range(12500):
        tracker.metrics(step, {"value": step / 4})
"""


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")])))
    monkeypatch.setenv("ROSPHERE_UPLOADER_NICENESS", "0")
    monkeypatch.setenv("ROSPHERE_SYSTEM_METRICS", "0")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_DEFAULT_ARTIFACT_ROOT", "ROSPHERE_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in uploader.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@contextmanager
def server(place: Path, port: int) -> Iterator[None]:
    """MLflow's own, on loopback, until it is killed without a word."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{place}/server.db"]
    command += ["--artifacts-destination", f"{place}/artifacts"]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (place / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 240
        while not listening(port):
            assert process.poll() is None and time.monotonic() < deadline, (place / "server.log").read_text()
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def delivered_bytes(home: Path) -> int:
    return max((run_log.read_sent(path).offset for path in paths.run_logs(home).iterdir()), default=0)


def test_a_server_that_dies_in_mid_training_and_comes_back_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    subprocess.run(
        [sys.executable, "-c", TRAINER], cwd=undisturbed, env={**os.environ, "ROSPHERE_TRACKING": "0"}, check=True
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with server(tmp_path, port):
        trainer = subprocess.Popen([sys.executable, "-c", TRAINER, "wait"], stdout=subprocess.PIPE, text=True)
        assert trainer.stdout is not None and trainer.stdout.readline() == f"go{STEPS // 3}\n"
        until(lambda: delivered_bytes(tmp_path) > 0, "nothing was delivered while the server was up")
    Path(f"go{STEPS // 3}").touch()
    assert trainer.stdout.readline() == f"go{2 * STEPS // 3}\n"  # it trained on without a server
    before = delivered_bytes(tmp_path)
    with server(tmp_path, port):
        until(lambda: delivered_bytes(tmp_path) > before, "the uploader did not find the server again")
        Path(f"go{2 * STEPS // 3}").touch()
        assert trainer.wait(60) == 0
        until(lambda: not list(paths.run_logs(tmp_path).iterdir()), "the end was not delivered")
        client = mlflow.MlflowClient()
        [run] = client.search_runs(["1"], "tags.role = 'stage'")
        found = client.get_metric_history(run.info.run_id, "loss")
    assert run.info.status == "FINISHED"
    assert sorted(point.step for point in found) == list(range(STEPS))  # each exactly once
    assert Path("model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()


def test_fifty_thousand_points_of_four_processes_at_once_arrive(tmp_path: Path) -> None:
    many_points(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> str:
    uri = os.environ.get("ROSPHERE_TEST_POSTGRES")
    if not uri or not find_spec("psycopg2"):
        pytest.skip("ROSPHERE_TEST_POSTGRES names no database, or psycopg2 is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test {time.monotonic_ns()}")
    return uri


def test_so_they_do_in_postgresql(tmp_path: Path, postgres: str) -> None:
    many_points(tmp_path, postgres)


def many_points(home: Path, uri: str) -> None:
    team = [subprocess.Popen([sys.executable, "-c", TELLER, f"teller{n}"], stderr=subprocess.DEVNULL) for n in range(4)]
    assert [process.wait(120) for process in team] == [0, 0, 0, 0]
    until(lambda: not list(paths.run_logs(home).iterdir()), "not everything was delivered")
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(os.environ.get("MLFLOW_EXPERIMENT_NAME", "rosphere"))
    runs = client.search_runs([experiment.experiment_id], "tags.role = 'stage'")
    assert len(runs) == 4
    for run in runs:
        found = sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, "value"))
        assert found == [(step, step / 4) for step in range(12500)]


def test_artifacts_and_models_in_an_s3_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str, request: pytest.FixtureRequest
) -> None:
    bucket = os.environ.get("ROSPHERE_TEST_S3")
    if not bucket or not find_spec("boto3"):
        pytest.skip("ROSPHERE_TEST_S3 names no bucket, or boto3 is not installed")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", f"{bucket}/{time.monotonic_ns()}")
    from pipeline.tracking.mlflow.runs import Store
    from pipeline.tracking.promotion import Champion

    name = f"model{time.monotonic_ns()}"
    folder = tmp_path / "models" / name
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]")
    me = Identity(
        name="train",
        home=tmp_path,
        stage_fp=name,
        pipeline_fp=name,
        params={},
        pipeline_params={},
        deps={},
        upstream_metrics={},
        gpus=0,
    )
    told = RunLog(paths.run_logs(tmp_path) / "one")
    told.write("start", **recording._introduction(me, (), {}))
    told.artifact(folder / "modules.json")
    told.write("final", step=1, values={"recall": 0.5})
    rule = Champion(measured_by="train", folder=folder.name, metric="recall", better="higher", spread=0.1)
    recording.Tracker("train", told, None, {folder.name: rule}).models(folder.parent)
    told.write("end", status="FINISHED")
    assert Store(tmp_path).deliver(told.path, over=True)
    client = mlflow.MlflowClient(postgres)
    champion = client.get_model_version_by_alias(name, "champion")
    assert [file.path for file in client.list_artifacts(champion.run_id)] == ["modules.json"]
    assert client.get_run(champion.run_id).info.artifact_uri.startswith(bucket)
    mlflow.set_tracking_uri(postgres)
    request.addfinalizer(lambda: mlflow.set_tracking_uri(None))
    place = Path(mlflow.artifacts.download_artifacts(f"models:/{name}@champion", dst_path=str(tmp_path / "down")))
    assert (place / "artifacts" / name / "modules.json").read_text() == "[]"
