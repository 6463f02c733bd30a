"""A stage's model becomes a version, and the champion moves when it should."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from pipeline.run.identity import Identity
from pipeline.tracking import recording, run_log, uploader
from pipeline.tracking.promotion import Champion
from pipeline.tracking.run_log import RunLog
from pipeline.workspace import paths
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from tests import tiny

mlflow = pytest.importorskip("mlflow")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.integration]  # of MLflow
REPOSITORY = Path(__file__).parents[3]
ROOT = Path(__file__).resolve().parents[3]
RULE = Champion(
    measured_by="evaluate_similarity", metric="recall", better="higher", spread=0.05, measured_on=["data/pairs"]
)
EXAMPLE = pandas.DataFrame({"text": ["怎么退货", "怎么退货"], "other": ["如何退货", "今天天气不错"]})
LOADED_ELSEWHERE = """
import sys
import numpy, pandas
from mlflow import pyfunc
model = pyfunc.load_model(sys.argv[1])
import rosphere
assert rosphere.__file__.startswith(sys.argv[1]), rosphere.__file__
found = model.predict(pandas.read_json(sys.argv[2]))
numpy.save(sys.argv[3], numpy.asarray(found["cosine"]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a model and its certificate; everything here happens in it."""
    home = tmp_path_factory.mktemp("a home")
    pieces, folder = home / "pieces", home / "models" / "roformer_sim"
    words = tiny.tokenizer(pieces, ["怎么如何退货今天天气不错"])
    model = SimilarityModel(tiny.language(len(words), **tiny.ONE_BLOCK))
    similarity.save(model, folder, tokenizer=pieces)
    (home / "reports").mkdir()
    (home / "stages").mkdir()
    shutil.copy(ROOT / "stages" / "widen.py", home / "stages")  # it declares what goes along with a model
    (home / "reports" / "widen.json").write_text('{"max_logit_gap": 1e-14}')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for name, value in uploader.ENVIRONMENT.items():
            patch.setenv(name, value)
        yield home


@pytest.fixture(scope="module")
def store(home: Path) -> Any:
    from pipeline.tracking.mlflow.runs import Store

    return Store(home)


def trained(home: Path, name: str, recall: float, data: str = "a") -> RunLog:
    """The run log of a finished run."""
    me = Identity(
        name="evaluate_similarity",
        home=home,
        stage_fp=name,
        pipeline_fp=f"pipeline of {name}",
        params={},
        pipeline_params={},
        deps={"data/pairs": data},
        upstream_metrics={},
        gpus=0,
        upstream={"widen": "w"},
    )
    told = RunLog(paths.run_logs(home) / f"{time.monotonic_ns()}")
    told.write("start", **recording._introduction(me, (), {}))
    told.write("final", step=1, values={"recall": recall})
    tracker = recording.Tracker(
        me.name,
        told,
        None,
        {"roformer_sim": RULE},
        recording._certificates(me, recording.declaration.read(recording.STAGES)),
    )
    tracker.models(home / "models")
    told.write("end", status="FINISHED")
    return told


def client(home: Path) -> Any:
    return mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db")


def champion(home: Path) -> str:
    return str(client(home).get_model_version_by_alias("roformer_sim", "champion").version)


def test_versions_link_their_run_and_the_champion_moves_beyond_the_spread(home: Path, store: Any) -> None:
    expected = []
    for name, recall, data, holder, decision in [
        ("first", 0.25, "a", "1", "yes: recall 0.25, the first"),
        ("same", 0.28125, "a", "1", "no: recall 0.28125 after 0.25, a gain of 0.03125, not more than the spread 0.05"),
        ("better", 0.375, "a", "3", "yes: recall 0.375 after 0.25, a gain of 0.125, more than the spread 0.05"),
        ("elsewhere", 0.9, "b", "3", "no: measured on another data/pairs than the champion: choose by hand"),
    ]:
        assert store.deliver(trained(home, name, recall, data).path, over=True)
        assert champion(home) == holder, name
        expected.append((name, decision))
    versions = sorted(client(home).search_model_versions("name = 'roformer_sim'"), key=lambda each: int(each.version))
    assert [(each.tags["stage.fp"], each.tags["champion"]) for each in versions] == expected
    for each in versions:
        run = client(home).get_run(each.run_id)
        assert run.data.tags["stage.fp"] == each.tags["stage.fp"]
        assert each.tags["run"] == each.run_id
        assert [output.model_id for output in run.outputs.model_outputs] == [each.source.rpartition("/")[2]]


def test_a_model_delivered_twice_is_one_version(home: Path, store: Any) -> None:
    """Also where an older version of ours had made it."""
    before = len(client(home).search_model_versions("name = 'roformer_sim'"))
    told = trained(home, "twice", 0.0)
    for _ in range(2):  # the answer to the first attempt was lost
        assert store.deliver(told.path, over=True)
    [made] = client(home).search_model_versions(f"name = 'roformer_sim' and tags.run_log = '{told.path.name}'")
    client(home).delete_model_version_tag("roformer_sim", made.version, "run_log")
    client(home).set_model_version_tag("roformer_sim", made.version, "spool", told.path.name)
    assert store.deliver(told.path, over=True)
    assert len(client(home).search_model_versions("name = 'roformer_sim'")) == before + 1


def test_large_files_are_linked_and_a_file_written_into_is_not_registered(
    home: Path, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "LINKED_BYTES", 100)
    told = trained(home, "linked", 0.0)
    weights = home / "models" / "roformer_sim" / "model.safetensors"
    [kept] = told.path.rglob("roformer_sim/model.safetensors")
    assert kept.samefile(weights)
    copy = home / "copy"
    shutil.copyfile(weights, copy)
    copy.replace(weights)  # as the next run would, and DVC
    before = len(client(home).search_model_versions("name = 'roformer_sim'"))
    assert store.deliver(told.path, over=True)
    assert len(client(home).search_model_versions("name = 'roformer_sim'")) == before + 1

    told = trained(home, "spoilt", 0.0)
    with weights.open("r+b") as file:
        file.write(b"\0")
    try:
        assert store.deliver(told.path, over=True)
    finally:
        with weights.open("r+b") as file, kept.open("rb") as good:
            file.write(good.read())
    assert len(client(home).search_model_versions("name = 'roformer_sim'")) == before + 1
    [run] = client(home).search_runs(["1"], "tags.`stage.fp` = 'spoilt'")
    assert run.data.tags["model.roformer_sim"].startswith("not registered: its files were written to")


def test_only_what_params_want_is_registered_and_only_of_runs_that_finished(home: Path, store: Any) -> None:
    told = trained(home, "killed", 0.5)
    text = (told.path / "events.jsonl").read_text().replace('"FINISHED"', '"KILLED"')
    (told.path / "events.jsonl").write_text(text)
    before = len(client(home).search_model_versions("name = 'roformer_sim'"))
    assert store.deliver(told.path, over=True)
    assert len(client(home).search_model_versions("name = 'roformer_sim'")) == before
    unwanted = RunLog(paths.run_logs(home) / "unwanted")
    recording.Tracker("evaluate_similarity", unwanted, None).models(home / "models")
    assert (unwanted.path / "events.jsonl").stat().st_size == 0


PREDICTED = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model("models:/roformer_sim@champion")
print(json.dumps(list(map(float, model.predict(pandas.read_json(sys.argv[1]))["cosine"]))))
"""


def champion_predicts(workspace: Path, elsewhere: Path) -> list[float]:
    """What the champion says to somebody who only has MLflow, this package installed, and the address of the store."""
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = elsewhere / "site" / "rosphere-0.dist-info"
    installed.mkdir(parents=True, exist_ok=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: rosphere\nVersion: 0\n")
    [(group, [*points])] = [(group, points.items()) for group, points in declared.items()]
    (installed / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{key} = {at}\n" for key, at in points))
    EXAMPLE.to_json(elsewhere / "example.json")
    search = os.pathsep.join([str(installed.parent), str(REPOSITORY)])
    store = f"sqlite:///{workspace}/mlflow.db"
    done = subprocess.run(
        [sys.executable, "-c", PREDICTED, elsewhere / "example.json"],
        env={**os.environ, "PYTHONPATH": search, "MLFLOW_TRACKING_URI": store},
        cwd=elsewhere,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise FileNotFoundError(done.stderr)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def workspace_with_models(home: Path, place: Path) -> Path:
    shutil.copytree(home / "models", place / "models")
    return place


def test_a_moved_workspace_serves_its_champion(home: Path, tmp_path: Path) -> None:
    from pipeline.tracking.mlflow.runs import Store

    first = workspace_with_models(home, tmp_path / "first place")
    assert Store(first).deliver(trained(first, "before", 0.5).path, over=True)
    text = (first / "mlflow.db").read_bytes()
    assert b"mlflow-artifacts:/" in text and str(first).encode() not in text  # nothing in it leads to a folder
    expected = mlflow.pyfunc.load_model(str(next((first / "mlartifacts").glob("models/*/artifacts")))).predict(EXAMPLE)
    second = first.rename(tmp_path / "搬 家")
    np.testing.assert_allclose(champion_predicts(second, tmp_path), expected["cosine"], atol=1e-6)


def test_a_store_of_an_earlier_version_stays_open_and_is_mended_after_a_move(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Earlier versions gave the experiment the absolute place of the workspace's own folder, and nothing else apart."""
    from pipeline.tracking.mlflow.runs import Store

    first = workspace_with_models(home, tmp_path / "first")
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", (first / "mlartifacts").as_uri())
        assert Store(first).deliver(trained(first, "before", 0.5).path, over=True)
    assert Store(first).deliver(trained(first, "same place", 0.5).path, over=True)
    [experiment] = client(first).search_experiments(filter_string="name = 'rosphere'")
    assert len(client(first).search_runs([experiment.experiment_id], "tags.role = 'stage'")) == 2

    second = first.rename(tmp_path / "second")
    assert Store(second).deliver(trained(second, "moved", 0.5).path, over=True)
    assert not first.exists()
    experiments = {each.name.partition(" (")[0]: each for each in client(second).search_experiments()}
    for name, place, count in [
        ("rosphere", "mlflow-artifacts:/", 1),
        ("rosphere, before it was moved", (first / "mlartifacts").as_uri(), 2),
    ]:
        assert experiments[name].artifact_location == place
        assert len(client(second).search_runs([experiments[name].experiment_id], "tags.role = 'stage'")) == count
    with pytest.raises(FileNotFoundError, match="No such artifact"):
        champion_predicts(second, tmp_path)
    assert uploader.sync(second) == 0
    assert "roformer_sim@champion" in capsys.readouterr().out
    assert len(champion_predicts(second, tmp_path)) == 2
    newest = client(second).get_model_version_by_alias("roformer_sim", "champion")
    assert newest.tags["moved_from"] == "1" and newest.tags["stage.fp"] == "before"
    assert uploader.sync(second) == 0 and "champion" not in capsys.readouterr().out  # once is enough


def downloaded(home: Path, store: Any, tmp_path: Path) -> Path:
    """The folder of a registered model."""
    assert store.deliver(trained(home, tmp_path.name, 0.0).path, over=True)
    [version] = client(home).search_model_versions(f"name = 'roformer_sim' and tags.`stage.fp` = '{tmp_path.name}'")
    [place] = (home / "mlartifacts" / "models").glob(version.source.rpartition("/")[2])
    return place / "artifacts"


def test_a_registered_model_has_all_that_it_needs(home: Path, store: Any, tmp_path: Path) -> None:
    from mlflow.models import Model

    model = downloaded(home, store, tmp_path)
    about = Model.load(str(model))
    assert about.signature is not None and about.load_input_example(str(model)).equals(EXAMPLE)
    pins = (model / "requirements.txt").read_text().splitlines()
    assert "mlflow" in [pin.split("==")[0] for pin in pins] and not any("+" in pin for pin in pins)
    assert (model / "artifacts" / "widen.json").read_text() == '{"max_logit_gap": 1e-14}'
    assert (model / "code" / "rosphere" / "similarity" / "model.py").is_file()
    assert not [path for path in model.rglob("*") if path.suffix in (".pkl", ".pickle", ".pyc")]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_fresh_environment_with_the_logged_requirements_reproduces_the_example(
    home: Path, store: Any, tmp_path: Path
) -> None:
    """Needs the network; ROSPHERE_TEST_VENV names an environment of an earlier time to use instead of a new one."""
    model = downloaded(home, store, tmp_path)
    python = Path(os.environ.get("ROSPHERE_TEST_VENV", tmp_path / "venv")) / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        install = [python, "-m", "pip", "install", "-q", "-r", model / "requirements.txt"]
        if subprocess.run(install).returncode:
            pytest.skip("the requirements cannot be installed here: no network?")
    EXAMPLE.to_json(tmp_path / "example.json")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [python, "-c", LOADED_ELSEWHERE, model, tmp_path / "example.json", tmp_path / "found.npy"]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    expected = mlflow.pyfunc.load_model(str(model)).predict(EXAMPLE)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected["cosine"], atol=1e-6)
