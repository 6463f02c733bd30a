"""The graph as plain values: what is stale, what a target means, and that DVC's own graph arrives whole."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.workspace.graph import PACKAGE_PARENT, Graph, PlanError, Stage, discover, reasons

pytestmark = pytest.mark.integration


def stage(name: str, *upstream: str, changed: bool = False) -> Stage:
    return Stage(
        name=name,
        desc="",
        cmd="",
        upstream=upstream,
        metrics=(),
        outs=(),
        uncached=(),
        meta={},
        frozen=False,
        always_changed=False,
        changed=("changed command",) if changed else (),
    )


DIAMOND = Graph(
    stages=(
        stage("prepare"),
        stage("left", "prepare", changed=True),
        stage("score@a", "prepare"),
        stage("score@b", "prepare"),
        stage("total", "left", "score@a", "score@b"),
    )
)


def names(stages: tuple[Stage, ...]) -> list[str]:
    return [stage.name for stage in stages]


def test_stale_is_what_changed_and_all_downstream() -> None:
    assert DIAMOND.stale() == {"left", "total"}


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (["score"], {"score@a", "score@b"}),
        (["score@b"], {"score@b"}),
        (["*@a", "left"], {"score@a", "left"}),
        ([], set()),
    ],
)
def test_a_target_is_a_stage_a_glob_or_a_word(targets: list[str], found: set[str]) -> None:
    assert DIAMOND.matching(targets) == found


def test_an_unknown_target_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(PlanError, match=r"no stage matches 'scor'; .*score@a"):
        DIAMOND.plan(["scor"])


def test_plans() -> None:
    assert names(DIAMOND.plan()) == ["left", "total"]
    assert names(DIAMOND.plan(["score"])) == []
    assert names(DIAMOND.plan(["score"], everything=True)) == ["prepare", "score@a", "score@b"]
    assert names(DIAMOND.plan(["score@a"], force=True)) == ["score@a"]
    assert names(DIAMOND.plan(["total"], force=True)) == ["left", "total"]
    assert names(DIAMOND.plan(force=True)) == list(DIAMOND.names)


@given(st.data())
def test_a_plan_is_in_order_and_closed_downstream(data: st.DataObject) -> None:
    """Of any graph: a planned stage's dependants are planned too, and come after it."""
    count = data.draw(st.integers(1, 8))
    stages = []
    for index in range(count):
        upstream = data.draw(st.sets(st.sampled_from(range(index)))) if index else set()
        stages.append(stage(str(index), *(str(up) for up in sorted(upstream)), changed=data.draw(st.booleans())))
    planned = names(Graph(stages=tuple(stages)).plan())
    assert planned == sorted(planned, key=int)
    for node in stages:
        expected = bool(node.changed) or not set(planned).isdisjoint(node.upstream)
        assert (node.name in planned) == expected


def test_json_round_trip() -> None:
    assert Graph.from_json(DIAMOND.to_json()) == DIAMOND
    assert json.loads(DIAMOND.to_json())["stale"] == ["left", "total"]


def test_reasons_are_flat() -> None:
    status = [{"changed deps": {"params.yaml": {"lr": "modified"}, "a.txt": "deleted"}}, "changed command"]
    assert reasons(status) == (
        "changed deps: params.yaml: lr: modified",
        "changed deps: a.txt: deleted",
        "changed command",
    )


def test_dvc_s_graph(toy) -> None:
    graph = discover(toy.root)
    assert graph.names == ("prepare", "left", "score@a", "score@b", "total")
    prepare, left, score, _, total = graph.stages
    assert (prepare.desc, prepare.upstream, prepare.gpus, left.gpus) == ("first", (), 0, 1)
    assert (score.metrics, score.upstream) == (("reports/a.json",), ("prepare",))
    assert score.cmd == "python work.py score@a prepared.txt score_a.txt reports/a.json"
    assert total.upstream == ("left", "score@a", "score@b")
    assert "changed outs: prepared.txt: deleted" in prepare.changed
    assert not prepare.frozen and not prepare.always_changed
    assert graph.stale() == set(graph.names)


def test_reading_changes_nothing(toy) -> None:
    before = sorted(path for path in toy.root.rglob("*") if ".dvc" not in path.parts)
    discover(toy.root)
    assert sorted(path for path in toy.root.rglob("*") if ".dvc" not in path.parts) == before


def test_a_folder_without_dvc_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="is not a DVC repository"):
        discover(tmp_path)


def test_a_broken_dvc_yaml_is_refused_in_one_piece(toy) -> None:
    (toy.root / "dvc.yaml").write_text("stages: {prepare: {cmd: true, depps: [x]}}")
    with pytest.raises(PlanError, match="DVC cannot read the pipeline") as refusal:
        discover(toy.root)
    assert "Traceback" not in str(refusal.value)


def test_a_running_stage_is_named_as_the_obstacle(toy, eventually) -> None:
    hang = toy.tell("hang-prepare")
    command = [sys.executable, "-m", "dvc", "repro", "-s", "prepare"]
    with subprocess.Popen(command, cwd=toy.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as dvc:
        try:
            eventually((toy.root / "pid-prepare").exists, "the stage runs")
            with pytest.raises(PlanError, match="another DVC or pipeline run is working"):
                discover(toy.root)
        finally:
            hang.unlink()
            dvc.wait(timeout=60)


def test_the_command_prints_json(toy) -> None:
    command = [sys.executable, "-m", "pipeline.workspace.graph", str(toy.root)]
    done = subprocess.run(command, cwd=PACKAGE_PARENT, capture_output=True, text=True, check=True)
    assert [entry["name"] for entry in json.loads(done.stdout)["stages"]][0] == "prepare"


def test_a_full_disk_under_dvcs_databases_is_one_line(toy) -> None:
    """As a shell's limit on the size of files has it: SQLite then speaks of an I/O error."""
    words = [sys.executable, "-m", "pipeline.workspace.graph", str(toy.root)]
    command = f"ulimit -f 8; exec {shlex.join(words)}"
    done = subprocess.run(["sh", "-c", command], cwd=PACKAGE_PARENT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"DVC cannot read the pipeline in {toy.root}: ") and done.stderr.count("\n") == 1
    assert done.stderr.endswith("(DVC_SITE_CACHE_DIR): is there room?\n")
