"""Whatever happens to the tracker or the trainer, the run goes on and its points arrive once."""

import json
import math
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.run.identity import Identity
from pipeline.tracking import headline, recording, run_log, uploader
from pipeline.tracking.run_log import RunLog
from pipeline.workspace import links, paths
from rosphere import files

pytestmark = pytest.mark.integration

mlflow = pytest.importorskip("mlflow")
psutil = pytest.importorskip("psutil")

from pipeline.tracking.mlflow.values import key  # noqa: E402  # imports MLflow

REPOSITORY = Path(__file__).parents[3]
TRAINER = """
import sys, time
from pathlib import Path
from pipeline.run.identity import Identity
from pipeline.tracking.recording import tracked

me = Identity(name="train", home=Path.cwd(), stage_fp=sys.argv[1], pipeline_fp=sys.argv[1], params={},
              pipeline_params={}, deps={}, upstream_metrics={}, gpus=0)
with tracked(me, ()) as tracker:
    for step in range(1, 6):
        tracker.metrics(step, {"loss": step / 10, "third": step / 3})
    print("told", flush=True)
    time.sleep(float(sys.argv[2]))
    tracker.final(5, {"loss": 0.25, "third": 1.66667, "of": {"体育": 1}})
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace, with one SQLite store, for the whole module: creating a store takes seconds."""
    return tmp_path_factory.mktemp("a home")  # with a space, which MLflow itself loses at times


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[Any]:
    from pipeline.tracking.mlflow.runs import Store

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Store(home)


@pytest.fixture(autouse=True)
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("ROSPHERE_UPLOADER_NICENESS", "0")  # these tests wait for it
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "ROSPHERE_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in uploader.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def me(home: Path, name: str, pipeline: str, **changed: Any) -> Identity:
    told: dict[str, Any] = {
        "stage_fp": f"{pipeline}-{name}",
        "params": {name: {"lr": 0.1}},
        "pipeline_params": {"seed": 1, "train": {"lr": 0.1}, "evaluate": {"tasks": ["a", "b"]}},
        "deps": {"data/raw.txt": "abc"},
        "upstream_metrics": {},
        "gpus": 0,
    }
    return Identity(name=name, home=home, pipeline_fp=pipeline, **(told | changed))


def begun(who: Identity, pid: int | None = None) -> RunLog:
    """The run log of a run that has begun, of another process if `pid` is given."""
    told = RunLog(paths.run_logs(who.home) / f"{time.monotonic_ns()}-{who.name}")
    introduction = recording._introduction(who, ("3",), {})
    if pid is not None:
        introduction["tags"]["pid"] = str(pid)
    told.write("start", **introduction)
    return told


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def runs(home: Path, query: str) -> list[Any]:
    client = mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, query))


def points(home: Path, run: Any, key: str) -> list[tuple[int, float]]:
    client = mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db")
    return sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, key))


def test_stages_of_one_configuration_share_a_parent(home: Path, store: Any, tmp_path: Path) -> None:
    figure = tmp_path / "figure.txt"
    figure.write_text("a curve")
    upstream = tmp_path / "prepare.json"
    upstream.write_text('{"rows": {"kept": 9}, "source": "sample"}')
    train = begun(me(home, "train", "shared", upstream_metrics={"prepare": (str(upstream),)}))
    one = begun(me(home, "evaluate@one", "shared"))
    for told in (train, one):
        told.write("metrics", step=1, values={"loss": 2.0})
        assert not store.deliver(told.path, over=False)
    [parent] = runs(home, "tags.`pipeline.fp` = 'shared'")
    assert parent.info.status == "RUNNING"
    train.artifact(figure)
    figure.unlink()  # what was logged is what was there
    train.write("final", step=1, values={"loss": 2.0})
    train.write("end", status="FINISHED")
    one.write("final", step=1, values={"accuracy": 0.75})
    one.write("end", status="FINISHED")
    assert store.deliver(train.path, over=True)
    assert runs(home, "tags.`pipeline.fp` = 'shared'")[0].info.status == "RUNNING"
    assert store.deliver(one.path, over=True)

    [parent] = runs(home, "tags.`pipeline.fp` = 'shared'")
    children = runs(home, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert {run.info.run_name: run.info.status for run in children} == {
        "train": "FINISHED",
        "evaluate@one": "FINISHED",
    }
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"seed": "1", "train.lr": "0.1", "evaluate.tasks": '["a", "b"]'}
    assert parent.data.metrics == {"train/loss": 2.0, "evaluate/one/accuracy": 0.75, "prepare/rows/kept": 9.0}
    [child] = [run for run in children if run.info.run_name == "train"]
    assert child.data.params == {"train.lr": "0.1"}
    expected = {"stage": "train", "stage.fp": "shared-train", "device": "cuda:3", "dep.data/raw.txt": "abc"}
    assert expected.items() <= child.data.tags.items()
    assert child.data.tags["host"] == socket.gethostname()
    assert "mlflow.source.git.commit" not in child.data.tags  # the workspace is no git repository
    client = mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db")
    assert [file.path for file in client.list_artifacts(child.info.run_id)] == ["figure.txt"]
    assert (home / "mlartifacts").is_dir()


def test_data_tables_and_samples_of_the_machine_are_told(home: Path, store: Any, tmp_path: Path) -> None:
    report = tmp_path / "examples.json"
    report.write_text('{"paraphrases": [{"input": "卡", "output": ["银行卡", "借记卡"]}]}')
    deps = {"data/pairs": "0123456789abcdef0123456789abcdef.dir", "stages/train.py": "9"}
    told = begun(me(home, "train", "rich", deps=deps))
    for _ in range(2):  # logged twice, as after a lost answer
        told.artifact(report)
    samples = run_log.open_end(told.path / run_log.SYSTEM)
    for step in range(3):
        run_log.append(samples, "metrics", {"step": step, "values": {"system/cpu_utilization_percentage": 50.0 + step}})
    os.close(samples)
    told.write("end", status="FINISHED")
    assert store.deliver(told.path, over=True)

    [run] = runs(home, "tags.`stage.fp` = 'rich-train'")
    for each in (run, *runs(home, "tags.`pipeline.fp` = 'rich'")):
        assert [(one.dataset.name, one.dataset.digest) for one in each.inputs.dataset_inputs] == [*deps.items()][:1]
    assert len(run.data.tags["dataset.hash"]) == 32
    assert points(home, run, "system/cpu_utilization_percentage") == [(0, 50.0), (1, 51.0), (2, 52.0)]
    client = mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db")
    with store._store.as_default():
        table = client.load_table(run.info.experiment_id, "tables/examples/paraphrases.json", [run.info.run_id])
    assert table.values.tolist() == [["卡", "银行卡\n借记卡"]]


def test_stages_restored_from_the_cache_are_linked(home: Path, store: Any) -> None:
    earlier = begun(me(home, "train", "before"))
    earlier.write("end", status="FINISHED")
    assert store.deliver(earlier.path, over=True)
    [source] = runs(home, "tags.`stage.fp` = 'before-train'")
    upstream = {"train": "before-train", "never": "before-never", "prepare": "after-prepare"}
    prepare = begun(me(home, "prepare", "after"))  # runs in the pipeline itself
    assert not store.deliver(prepare.path, over=False)
    assert not store.deliver(begun(me(home, "evaluate@one", "after", upstream=upstream)).path, over=False)
    [parent] = runs(home, "tags.`pipeline.fp` = 'after'")
    links = {key: value for key, value in parent.data.tags.items() if key.startswith("reused.")}
    assert links == {"reused.train": source.info.run_id}
    link = f"- [train](#/experiments/{source.info.experiment_id}/runs/{source.info.run_id})"
    assert parent.data.tags["mlflow.note.content"].endswith("\n" + link)

    again = begun(me(home, "train", "after", stage_fp="before-train"))  # then somebody forces it
    assert not store.deliver(again.path, over=False)
    [parent] = runs(home, "tags.`pipeline.fp` = 'after'")
    assert not [key for key in parent.data.tags if key.startswith("reused.")]
    assert link not in parent.data.tags["mlflow.note.content"]


def test_pipelines_compare_without_gaps_and_are_called_by_what_differs(
    home: Path, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipeline(name: str, kappa: int, **changed: Any) -> Any:
        params = {"vmf_vae": {"kappa": kappa}, "seed": 1}
        who = me(home, "train", name, pipeline_params=params, sources={"data/raw": "1", "x.py": name}, **changed)
        told = begun(who)
        told.write("final", step=1, values={"loss": float(kappa)})
        told.write("end", status="FINISHED")
        assert store.deliver(told.path, over=True)
        [run] = runs(home, f"tags.`pipeline.fp` = '{name}'")
        return run

    report = tmp_path / "one.json"
    report.write_text('{"accuracy": 0.75}')
    beside: dict[str, Any] = {"upstream_metrics": {"evaluate@one": (str(report),)}, "beside": {"evaluate@one": "e1"}}
    first, second = pipeline("compared1", 100, **beside), pipeline("compared2", 50, **beside)
    assert first.data.metrics.keys() == second.data.metrics.keys() == {"train/loss", "evaluate/one/accuracy"}
    assert second.data.tags["reused.evaluate/one"] == "not in MLflow"
    assert second.data.tags["mlflow.note.content"].endswith("\n- evaluate/one")
    assert second.info.run_name == "kappa=50"
    assert second.data.tags["mlflow.source.name"] == "dvc.yaml"

    mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db").set_tag(second.info.run_id, "mlflow.runName", "mine")
    assert pipeline("compared2", 50).info.run_name == "mine"
    page = links.comparison(home)
    assert page and page.index(first.info.run_id) < page.index(second.info.run_id)
    assert pipeline("compared3", 50).info.run_name == "new code"
    monkeypatch.setenv("MLFLOW_RUN_NAME", "the best so far")
    assert pipeline("compared4", 70).info.run_name == "the best so far"


def test_what_all_stages_took_stands_among_the_headline_metrics(
    home: Path, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what each stage left of its last run, whether it ran for this pipeline or stands; and what this one took."""
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("a", '{"seconds": 90}'),
        ("e-one", '{"seconds": 30.0, "run": "x"}'),
        ("broken", '{"seconds": '),
    ):
        files.write_text(Path("reports/speed") / f"{name}.json", text)
    files.write_text(Path("reports/a.json"), '{"seconds": 5000}')
    left = {"a": ("reports/a.json", "reports/speed/a.json"), "e@one": ("reports/speed/e-one.json",)}
    left |= {"broken": ("reports/speed/broken.json",), "gone": ("reports/speed/gone.json",)}
    told = begun(me(home, "report", "minutes", upstream_metrics=left))
    tracker = recording.Tracker("report", told, None)
    tracker.final(0, {}, 60.0)
    tracker.end("KILLED")  # which waits for no uploader
    store.deliver(told.path, over=True)
    [parent] = runs(home, "tags.`pipeline.fp` = 'minutes'")
    assert parent.data.metrics[headline.MINUTES] == 3.0


def test_what_was_turned_is_told_from_what_is_committed(
    home: Path, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 1\ntrain: {lr: 0.5}\nevaluate: {tasks: [a, b]}\nother: 1\n")
    for command in ("init --quiet", "add .", "-c user.name=n -c user.email=n@localhost commit --quiet -m one"):
        subprocess.run(["git", *command.split()], check=True)
    store.deliver(begun(me(home, "train", "turned")).path, over=True)
    [parent] = runs(home, "tags.`pipeline.fp` = 'turned'")
    assert parent.data.tags["params.changed"] == "train.lr=0.1 (committed: 0.5)"
    assert parent.data.tags["git.dirty"] == "false" and len(parent.data.tags["mlflow.source.git.commit"]) == 40


def test_foreign_names_and_values_arrive(home: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deps with spaces and brackets, stages of a matrix, emoji, what is too long, what is no number."""
    monkeypatch.setenv("ROSPHERE_SWEEP", "网格 🎲 (mine)")
    earlier = begun(me(home, "evaluate@entities", "foreign0"))
    earlier.write("end", status="FINISHED")
    assert store.deliver(earlier.path, over=True)
    [source] = runs(home, "tags.`stage.fp` = 'foreign0-evaluate@entities'")
    deps = {
        "teacher+v2 (mine)": "1",
        "teacher_v2 _mine_": "2",
        "长" * 300: "3",
        "undecodable\udc80": "4",
        "a//../b": "5",
    }
    who = me(
        home,
        "evaluate@c3",
        "foreign",
        deps=deps,
        params={"teacher": "教" * 10_000, "名字@": "a\0b", "none": {}},
        pipeline_params={f"p{number}": "教" * 6000 for number in range(70)},  # more than one request takes
        upstream={"evaluate@entities": "foreign0-evaluate@entities"},
    )
    told = begun(who)
    told.write("metrics", step=1, values={"F1@10%": 0.5, "F1_10_": 0.25, "全 部/体育": 1.0, "low": -math.inf})
    told.write("metrics", step=1, values={"nan": math.nan, "high": math.inf})
    told.write("final", step=1, values={"F1@10%": 0.5, "nan": math.nan})
    told.write("end", status="FINISHED")
    assert store.deliver(told.path, over=True)

    [run] = runs(home, "tags.`stage.fp` = 'foreign-evaluate@c3'")
    [parent] = runs(home, "tags.`pipeline.fp` = 'foreign'")
    [sweep] = runs(home, f"tags.sweep = '{key('网格 🎲 (mine)')}' and tags.role = 'sweep'")
    assert [each.info.status for each in (run, parent, sweep)] == ["FINISHED"] * 3
    assert sweep.info.run_name == "网格 🎲 (mine)"
    assert parent.data.tags["reused.evaluate/entities"] == source.info.run_id
    assert not any("left_out" in each.data.tags for each in (run, parent, sweep))
    assert {name: run.data.tags[key(f"dep.{name}")] for name in deps} == deps
    assert len({key(f"dep.{name}") for name in deps}) == len(deps)
    assert {"F1_10_": 0.25, key("F1@10%"): 0.5, "全 部/体育": 1.0}.items() <= run.data.metrics.items()
    assert run.data.metrics["high"] > 1e308 and run.data.metrics["low"] < -1e308
    assert math.isnan(run.data.metrics["nan"])
    assert run.data.params["teacher"].endswith("… (cut, 10000 characters)") and len(run.data.params["teacher"]) == 6000
    assert run.data.params[key("名字@")] == "a\\0b" and run.data.params["none"] == "{}"
    assert len(parent.data.params) == 70


def test_what_cannot_be_shown_is_named_and_keeps_no_run_from_ending(home: Path, store: Any, tmp_path: Path) -> None:
    folder = tmp_path / "c3"
    folder.mkdir()
    (folder / "c311_predict.json").write_text('{"id": 1, "label": 0}\n{"id": 2, "label": 3}\n')  # as CLUE wants it
    (folder / "broken.json").write_text('{"id": 1')
    (folder / "latin.jsonl").write_bytes(b'{"id": "\xff"}\n')
    report = tmp_path / "torn.json"
    report.write_text("{")
    told = begun(me(home, "evaluate@c3", "unshown", upstream_metrics={"prepare": (str(report),)}))
    for _ in range(2):  # as after a lost answer
        told.artifact(folder)
    told.write("final", step=1, values={"accuracy": 0.5})
    told.write("end", status="FINISHED")
    assert store.deliver(told.path, over=True)
    [run] = runs(home, "tags.`stage.fp` = 'unshown-evaluate@c3'")
    [parent] = runs(home, "tags.`pipeline.fp` = 'unshown'")
    assert (run.info.status, parent.info.status, run.data.metrics["accuracy"]) == ("FINISHED", "FINISHED", 0.5)
    count, *lines = run.data.tags["left_out"].splitlines()
    assert count == "3"
    assert [line.split(": ")[0] for line in lines] == [
        f"- {report}",
        "- tables of broken.json",
        "- tables of latin.jsonl",
    ]
    artifacts = home / "mlartifacts" / run.info.run_id / "artifacts"
    assert (artifacts / "c3" / "broken.json").read_text() == '{"id": 1'
    table = json.loads((artifacts / "tables" / "c311_predict.json").read_text())
    assert table == {"columns": ["id", "label"], "data": [[1, 0], [2, 3]]}


def test_a_run_ends_before_its_artifacts_have_a_place(
    home: Path, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "note.txt").write_text("a note")
    told = begun(me(home, "train", "bucketless"))
    told.artifact(tmp_path / "note.txt")
    told.write("metrics", step=1, values={"loss": 1.0})
    told.write("end", status="FINISHED")
    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(type(store), "_log_artifact", raising)
        store.deliver(told.path, over=True)
    [run] = runs(home, "tags.`stage.fp` = 'bucketless-train'")
    assert (run.info.status, points(home, run, "loss")) == ("FINISHED", [(1, 1.0)])
    assert store.deliver(told.path, over=True)
    assert (home / "mlartifacts" / run.info.run_id / "artifacts" / "note.txt").read_text() == "a note"


def test_a_run_that_was_deleted_is_not_waited_for(home: Path, store: Any) -> None:
    told = begun(me(home, "train", "deleted"))
    assert not store.deliver(told.path, over=False)
    [run] = runs(home, "tags.`stage.fp` = 'deleted-train'")
    mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db").delete_run(run.info.run_id)
    told.write("metrics", step=1, values={"loss": 1.0})
    told.write("end", status="FINISHED")
    assert store.deliver(told.path, over=True)


def test_opening_that_broke_off_goes_on_in_the_same_run(
    home: Path, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.tracking.mlflow.store import Connection

    told = begun(me(home, "train", "broke off"))
    told.write("end", status="FINISHED")
    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(Connection, "log_tags", raising)  # the run is there by then
        store.deliver(told.path, over=True)
    assert store.deliver(told.path, over=True)
    [run] = runs(home, "tags.`stage.fp` = 'broke off-train'")
    assert (run.info.status, run.data.tags["dep.data/raw.txt"]) == ("FINISHED", "abc")


def test_what_mlflow_refuses_is_left_out_alone(home: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.tracking.mlflow import values

    monkeypatch.setattr(values, "as_tags", dict)  # as if a rule of MLflow's were unknown to us
    told = begun(me(home, "train", "refused", deps={"good": "1", "bad@": "2"}))
    told.write("end", status="FINISHED")
    assert store.deliver(told.path, over=True)
    [run] = runs(home, "tags.`stage.fp` = 'refused-train'")
    assert (run.info.status, run.data.tags["dep.good"]) == ("FINISHED", "1")
    assert run.data.tags["left_out"].startswith("1\n- tags dep.bad@: MlflowException: ")


def test_states_come_after_what_is_sure(home: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that cannot be opened leaves neither a parent nor a sweep running, and `sync` ends what was left so."""
    from pipeline.tracking.mlflow import parents
    from pipeline.tracking.mlflow.store import Connection

    monkeypatch.setenv("ROSPHERE_SWEEP", "sure")
    first = begun(me(home, "train", "sure"))
    first.write("end", status="FINISHED")
    assert store.deliver(first.path, over=True)
    told = begun(me(home, "evaluate@one", "sure"))
    told.write("end", status="FINISHED")
    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(Connection, "log_data", raising)
        store.deliver(told.path, over=True)
    states = {run.data.tags["role"]: run.info.status for run in runs(home, "tags.sweep = 'sure'")}
    assert states == {"pipeline": "FINISHED", "sweep": "FINISHED"}

    [parent] = runs(home, "tags.`pipeline.fp` = 'sure'")
    parents.begin(store._store, parent.info.run_id)  # as an earlier version left it
    assert uploader.sync(home) == 0
    assert {run.info.status for run in runs(home, "tags.sweep = 'sure'")} == {"FINISHED"}


def raising(*_: object) -> None:
    raise ConnectionError("the server is away")


def test_the_pipelines_of_a_sweep_lie_below_its_run(home: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_SWEEP", "kappa's grid")
    monkeypatch.setenv("ROSPHERE_FLOW_RUN", "0a1b")
    members = [begun(me(home, "train", name)) for name in ("swept1", "swept2")]
    for told in members:
        assert not store.deliver(told.path, over=False)
    name = key("kappa's grid")
    named = f"tags.role = 'sweep' and tags.sweep = '{name}'"
    [sweep] = runs(home, named)
    assert (sweep.info.run_name, sweep.info.status) == ("kappa's grid", "RUNNING")
    below = runs(home, f"tags.`mlflow.parentRunId` = '{sweep.info.run_id}'")
    assert {run.data.tags["pipeline.fp"] for run in below} == {"swept1", "swept2"}
    assert {run.data.tags["sweep"] for run in below} == {key("kappa's grid")}
    assert len(runs(home, "tags.`prefect.flow_run` = '0a1b' and tags.role = 'stage'")) == 2
    for number, told in enumerate(members):
        told.write("end", status="FINISHED")
        assert store.deliver(told.path, over=True)
        assert runs(home, named)[0].info.status == ("RUNNING", "FINISHED")[number]


def test_a_killed_stage_is_resumed_as_the_same_run(home: Path, store: Any) -> None:
    killed = begun(me(home, "train", "resumed"))
    killed.write("metrics", step=1, values={"loss": 2.0})
    with open(killed.path / "events.jsonl", "ab") as file:
        file.write(b'{"kind": "metrics", "st')  # the kill came in mid-line
    assert store.deliver(killed.path, over=True)
    [before] = runs(home, "tags.`stage.fp` = 'resumed-train'")
    assert before.info.status == "FAILED"

    again = begun(me(home, "train", "resumed"))
    again.write("metrics", step=2, values={"loss": 1.0})
    again.write("end", status="FINISHED")
    assert store.deliver(again.path, over=True)
    [after] = runs(home, "tags.`stage.fp` = 'resumed-train'")
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FINISHED")
    assert after.data.tags["resumed"] == "1"
    assert points(home, after, "loss") == [(1, 2.0), (2, 1.0)]

    anew = begun(me(home, "train", "resumed"))  # a finished run is not continued
    assert store.deliver(anew.path, over=True)
    assert len(runs(home, "tags.`stage.fp` = 'resumed-train'")) == 2


def test_runs_left_by_dead_processes_are_closed(home: Path, store: Any) -> None:
    left = begun(me(home, "train", "left"), pid=dead_pid())
    alive = begun(me(home, "train", "alive"))
    store.deliver(alive.path, over=False)
    store.deliver(left.path, over=False)  # and then its uploader died as well
    assert runs(home, "tags.`stage.fp` = 'left-train'")[0].info.status == "RUNNING"
    store.deliver(begun(me(home, "train", "next")).path, over=True)
    assert runs(home, "tags.`stage.fp` = 'left-train'")[0].info.status == "FAILED"
    assert runs(home, "tags.`pipeline.fp` = 'left'")[0].info.status == "FAILED"
    assert runs(home, "tags.`stage.fp` = 'alive-train'")[0].info.status == "RUNNING"


def test_runs_last_until_they_ended_however_late_they_are_delivered(home: Path, store: Any) -> None:
    first, second = (begun(me(home, name, "late")) for name in ("train", "evaluate"))
    for told, hours in ((first, 2), (second, 1)):
        backdate(told, start=hours + 1, end=hours)
        assert store.deliver(told.path, over=True)
    [train] = runs(home, "tags.`stage.fp` = 'late-train'")
    [evaluate] = runs(home, "tags.`stage.fp` = 'late-evaluate'")
    [parent] = runs(home, "tags.`pipeline.fp` = 'late'")
    assert abs(train.info.end_time - train.info.start_time - 3_600_000) < 2
    assert parent.info.start_time == train.info.start_time
    assert parent.info.end_time == evaluate.info.end_time < time.time() * 1000 - 3_500_000


def test_a_run_that_was_left_lasts_until_it_was_last_heard_of(home: Path, store: Any) -> None:
    left = begun(me(home, "train", "unheard"), pid=dead_pid())
    left.write("metrics", step=1, values={"loss": 2.0})
    backdate(left, start=3, end=2)
    store.deliver(left.path, over=False)
    store.deliver(begun(me(home, "train", "heard")).path, over=True)
    [run] = runs(home, "tags.`stage.fp` = 'unheard-train'")
    [parent] = runs(home, "tags.`pipeline.fp` = 'unheard'")
    assert abs(run.info.end_time - run.info.start_time - 3_600_000) < 2
    assert parent.info.end_time == run.info.end_time


def backdate(told: RunLog, *, start: float, end: float) -> None:
    """The run began and ended so many hours ago."""
    now = time.time()
    if not any(event["kind"] == "metrics" for event in run_log.read_events(told.path, 0)[0]):
        told.write("end", status="FINISHED")
    events, _ = run_log.read_events(told.path, 0)
    times = [now - 3600 * start, *[now - 3600 * end] * (len(events) - 1)]
    lines = [json.dumps(event | {"time": moment}) for event, moment in zip(events, times, strict=True)]
    (told.path / run_log.EVENTS).write_text("\n".join(lines) + "\n")


def test_what_is_sent_twice_is_kept_once(home: Path, store: Any) -> None:
    told = begun(me(home, "train", "twice"))
    for step in range(2500):  # more than MLflow takes in one batch
        told.write("metrics", step=step, values={"loss": step / 4, "rate": 1.0})
    store.deliver(told.path, over=False)
    sent = run_log.read_sent(told.path)
    assert sent.offset == (told.path / "events.jsonl").stat().st_size
    run_log.write_sent(told.path, run_log.Sent(uri=sent.uri, run=sent.run, parent=sent.parent))
    assert store.deliver(told.path, over=True)
    [run] = runs(home, "tags.`stage.fp` = 'twice-train'")
    assert points(home, run, "loss") == [(step, step / 4) for step in range(2500)]


def run_trainer(home: Path, fingerprint: str, seconds: float, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TRAINER, fingerprint, str(seconds)],
        env={**os.environ, **environment},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_logs(home: Path, fingerprint: str) -> list[Path]:
    return [path for path in paths.run_logs(home).iterdir() if fingerprint in path.name]


def wait_until_delivered(home: Path, fingerprint: str) -> None:
    deadline = time.monotonic() + 120  # the uploader is nice to whatever else this machine does
    while run_logs(home, fingerprint):
        assert time.monotonic() < deadline, "the uploader did not deliver"
        time.sleep(0.1)


def test_the_uploader_closes_the_run_of_a_trainer_killed_with_9(home: Path, store: Any) -> None:
    trainer = run_trainer(home, "kill9", 60)
    assert trainer.stdout is not None and trainer.stdout.readline() == "told\n"
    trainer.send_signal(signal.SIGKILL)
    trainer.communicate()
    wait_until_delivered(home, "kill9")
    [run] = runs(home, "tags.`stage.fp` = 'kill9'")
    assert run.info.status == "FAILED"
    assert points(home, run, "loss") == [(step, step / 10) for step in range(1, 6)]


def test_runs_left_by_a_kill_of_trainer_and_uploader_are_closed_at_the_next_start(home: Path, store: Any) -> None:
    trainer = run_trainer(home, "kill99", 60)
    assert trainer.stdout is not None and trainer.stdout.readline() == "told\n"
    deadline = time.monotonic() + 120
    while not runs(home, "tags.`stage.fp` = 'kill99' and attributes.status = 'RUNNING'"):
        assert time.monotonic() < deadline, "the uploader did not open the run"
        time.sleep(0.2)
    [uploader_] = [
        process
        for process in psutil.Process(trainer.pid).children()
        if "pipeline.tracking.uploader" in process.cmdline()
    ]
    for process in (uploader_, trainer):
        process.send_signal(signal.SIGKILL)
    trainer.communicate()
    uploader_.wait()
    assert runs(home, "tags.`stage.fp` = 'kill99'")[0].info.status == "RUNNING"
    store.deliver(begun(me(home, "train", "successor")).path, over=True)
    assert runs(home, "tags.`stage.fp` = 'kill99'")[0].info.status == "FAILED"
    uploader.sync(home)  # and what the dead could not send is not lost
    [run] = runs(home, "tags.`stage.fp` = 'kill99'")
    assert (run.info.status, len(points(home, run, "loss"))) == ("FAILED", 5)


def test_without_a_server_the_run_is_kept_and_sync_delivers_it(
    home: Path, store: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    trainer = run_trainer(home, "absent", 0, MLFLOW_TRACKING_URI=nowhere)
    out, err = trainer.communicate(timeout=60)
    assert (trainer.returncode, out) == (0, "told\n")
    # On a machine with no time for the uploader that has not even asked the server yet, and so has met no error.
    assert err == "" or one_warning(err, "python -m pipeline.tracking sync")
    [kept] = run_logs(home, "absent")
    deadline = time.monotonic() + 60
    while uploader.sync(home):  # on a slow machine the uploader may still be at its last attempt
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert f"{kept.name}: delivered" in capsys.readouterr().out
    assert not kept.exists()
    [run] = runs(home, "tags.`stage.fp` = 'absent'")
    assert run.info.status == "FINISHED"
    expected = [(step, step / 10) for step in range(1, 5)]
    expected += [(5, 0.25), (5, 0.5)]  # the result beside the last of the series
    assert points(home, run, "loss") == expected
    assert points(home, run, "third") == [(step, step / 3) for step in range(1, 6)]  # the same, but for its rounding
    assert run.data.metrics["of/体育"] == 1.0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_two_processes_may_create_the_store_at_once(tmp_path: Path, store: Any) -> None:
    for name in ("train", "evaluate@one", "evaluate@two", "report"):
        told = begun(me(tmp_path, name, "race"))
        told.write("end", status="FINISHED")
    fork = multiprocessing.get_context("fork")  # this process has MLflow imported already
    both = [fork.Process(target=uploader.sync, args=(tmp_path,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert not list(paths.run_logs(tmp_path).iterdir())
    [parent] = runs(tmp_path, "tags.role = 'pipeline'")
    children = runs(tmp_path, "tags.role = 'stage'")
    assert len(children) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}


def test_a_copied_workspace_writes_into_itself(home: Path, store: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy %"
    shutil.copytree(home, copy)
    before = (home / "mlflow.db").read_bytes()
    (tmp_path / "note.txt").write_text("a note")
    told = begun(me(copy, "train", "copied"))
    told.artifact(tmp_path / "note.txt")
    told.write("end", status="FINISHED")
    trainer = run_trainer(copy, "another", 0)
    assert trainer.communicate(timeout=120)[0] == "told\n"
    wait_until_delivered(copy, "another")  # by a process that has never seen the first place
    assert uploader.sync(copy) == 0
    [run] = runs(copy, "tags.`stage.fp` = 'copied-train'")
    assert (copy / "mlartifacts" / run.info.run_id / "artifacts" / "note.txt").read_text() == "a note"
    assert (home / "mlflow.db").read_bytes() == before


def test_what_was_half_delivered_before_a_move_goes_on_in_the_same_run(tmp_path: Path) -> None:
    from pipeline.tracking.mlflow.runs import Store

    first = tmp_path / "first"
    told = begun(me(first, "train", "halfway"), pid=dead_pid())
    told.write("metrics", step=1, values={"loss": 1.0})
    assert not Store(first).deliver(told.path, over=False)
    second = first.rename(tmp_path / "second")
    assert uploader.sync(second) == 0
    [run] = runs(second, "tags.`stage.fp` = 'halfway-train'")
    assert run.info.status == "FAILED" and points(second, run, "loss") == [(1, 1.0)]


def test_sync_leaves_the_living_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = begun(me(home, "train", "living"))
    told.write("metrics", step=1, values={"loss": 1.0})
    assert run_log.running(told.path)
    assert uploader.sync(home) == 0
    assert "still running" in capsys.readouterr().out
    told.write("end", status="KILLED")
    assert not run_log.running(told.path)


def test_switched_off_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_TRACKING", "0")
    with recording.tracked(me(tmp_path, "train", "off"), ()) as tracker:
        tracker.metrics(1, {"loss": 1.0})
    assert not list(tmp_path.iterdir())


def test_without_mlflow_the_run_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recording, "find_spec", lambda name: None)
    with (
        pytest.raises(ZeroDivisionError),
        recording.tracked(me(tmp_path, "train", "bare"), ("0", "1")) as tracker,
    ):
        tracker.metrics(7, {"loss": 1.0})
        raise ZeroDivisionError
    assert one_warning(capsys.readouterr().err, "mlflow is not installed")
    [path] = paths.run_logs(tmp_path).iterdir()
    events, _ = run_log.read_events(path, 0)
    assert [event["kind"] for event in events] == ["start", "metrics", "end"]
    assert (events[0]["tags"]["device"], events[1]["step"], events[2]["status"]) == ("cuda:0,1", 7, "FAILED")


def one_warning(text: str, part: str) -> bool:
    return text.startswith("warning: train: tracking: ") and part in text and text.count("\n") == 1


def test_a_full_disk_costs_points_but_neither_the_run_nor_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recording, "find_spec", lambda name: None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with recording.tracked(me(tmp_path, "train", "full"), ()) as tracker:
        [path] = paths.run_logs(tmp_path).iterdir()
        size = (path / "events.jsonl").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
        try:
            for step in range(5):
                tracker.metrics(step, {"loss": 0.5})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    events, end = run_log.read_events(path, 0)
    assert end == (path / "events.jsonl").stat().st_size  # no half line
    assert [event["kind"] for event in events] == ["start", "metrics", "end"]
    assert one_warning(capsys.readouterr().err, "not recorded: ")


@given(st.lists(st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text(), max_size=3), max_size=8))
def test_events_are_read_as_written_whatever_the_block_size(
    tmp_path_factory: pytest.TempPathFactory, contents: list[dict[str, Any]]
) -> None:
    told = RunLog(tmp_path_factory.getbasetemp() / "run_logs" / str(time.monotonic_ns()))
    for content in contents:
        told.write("metrics", values=content)
    told.close()
    read, offset = [], 0
    while True:
        events, offset = run_log.read_events(told.path, offset, limit=7)
        if not events:
            break
        read += events
    assert json.dumps([event["values"] for event in read]) == json.dumps(contents)
