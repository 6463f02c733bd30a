"""dvc.yaml without DVC: what it says of a stage, and that this is what DVC says of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workspace import dvc_yaml
from pipeline.workspace.graph import discover
from pipeline.workspace.yaml_file import ConfigError
from rosphere.errors import InputError

REPOSITORY = Path(__file__).parents[3]
GRAPH = """
stages:
  one: {cmd: exec python one.py, deps: [one.py], outs: [models/one], metrics: [one.json: {cache: false}]}
  each:
    matrix: {task: [a, b]}
    cmd: python each.py ${item.task}
    deps: ["data/${item.task}"]
    outs: ["out/${item.task}": {persist: true}]
    plots: ["curve-${item.task}.csv": {cache: false}]
    meta: {resources: {gpu: 2}}
  many:
    foreach: [{task: a}]
    do: {cmd: "python many.py ${item.task}", deps: ["data/${item.task}"]}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    return tmp_path


def test_an_item_is_filled_in(root: Path) -> None:
    found = dvc_yaml.required(root, "each@b")
    assert (found.name, found.command, found.deps) == ("each@b", "python each.py b", ("data/b",))
    assert found.made == (Path("out/b"), Path("curve-b.csv")) and found.outs == (Path("out/b"),)
    assert found.gpus == 2
    assert dvc_yaml.declared(root, "each@b") == found
    assert dvc_yaml.declared(root, "many@a").deps == ("data/a",)


def test_what_is_not_declared_has_nothing_or_is_refused(root: Path, tmp_path: Path) -> None:
    assert dvc_yaml.declared(root, "tall@a") == dvc_yaml.Declared(name="tall@a")
    with pytest.raises(InputError, match="dvc.yaml: no stage 'tall'; there are one, each, many"):
        dvc_yaml.required(root, "tall")
    with pytest.raises(InputError, match="each: expected each@ITEM"):
        dvc_yaml.required(root, "each")
    with pytest.raises(InputError, match="one@a: expected one without an item"):
        dvc_yaml.required(root, "one@a")
    assert dvc_yaml.entries(tmp_path / "elsewhere") == {} == dict.fromkeys(dvc_yaml.outs(tmp_path / "elsewhere"))


def test_outs_are_those_of_all_stages_as_they_are_written(root: Path) -> None:
    assert dvc_yaml.outs(root) == [Path("models/one"), Path("out/${item.task}")]


@pytest.mark.parametrize("count", ["two", -1, True, 1.0])
def test_gpus_are_a_count(count: object) -> None:
    with pytest.raises(ConfigError, match=r"dvc.yaml: one: meta.resources.gpu: expected a count, got"):
        dvc_yaml.gpus({"resources": {"gpu": count}}, "one")
    assert dvc_yaml.gpus(None, "one") == dvc_yaml.gpus({"resources": None}, "one") == 0


def test_this_pipeline_is_read_as_dvc_reads_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for stage in discover(tmp_path).stages:
        read = dvc_yaml.required(tmp_path, stage.name)
        assert (read.command, read.gpus) == (stage.cmd, stage.gpus)
        assert sorted(map(str, read.made)) == sorted(stage.outs)
        assert sorted(map(str, read.metrics)) == sorted(stage.metrics)


def test_what_params_name_is_filled_in(root: Path) -> None:
    entry = 'stages: {distil: {cmd: x, deps: [data/a, "${distil.teacher}", "${distil.missing}", "${distil}"]}}'
    (root / "dvc.yaml").write_text(entry)
    (root / "params.yaml").write_text("distil: {teacher: models/simbert}")
    assert dvc_yaml.declared(root, "distil").deps == ("data/a", "models/simbert", "${distil.missing}", "${distil}")
    (root / "params.yaml").unlink()
    assert dvc_yaml.declared(root, "distil").deps[1] == "${distil.teacher}"
