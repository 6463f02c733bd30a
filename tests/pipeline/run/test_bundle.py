"""Stages in bundles: what one machine leaves unfinished the next one goes on with."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.run import archive, bundle
from rosphere.errors import InputError

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[3]
# Counts to its number, a file a count; asked to stop it keeps its count in a checkpoint.
COUNTER = """
import os, pathlib, signal, sys, time
name, goal = os.environ["DVC_STAGE"], int(sys.argv[1])
kept = pathlib.Path(".run/ckpt") / name / "count"
kept.parent.mkdir(parents=True, exist_ok=True)
count = int(kept.read_text()) if kept.exists() else 0
print(f"{name} begins at {count}, uploader {os.environ['ROSPHERE_UPLOADER']}", flush=True)
def stop(*_):
    kept.write_text(str(count))
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
while count < goal:
    time.sleep(0.05)
    count += 1
target = pathlib.Path("models") / name.partition("@")[0]
target.mkdir(parents=True, exist_ok=True)
(target / "count.bin").write_bytes(bytes(3 * 2**20))
pathlib.Path(f"{name}.json").write_text(str(count))
"""
GRAPH = """
stages:
  short: {cmd: python count.py 1, outs: [models/short], metrics: [short.json: {cache: false}]}
  long: {cmd: exec python count.py 60, outs: [models/long], metrics: [long.json: {cache: false}]}
  broken: {cmd: python -c "raise SystemExit(5)", outs: [models/broken]}
  each:
    matrix: {task: [a, b]}
    cmd: python count.py ${item.task}1
    metrics: ["each@${item.task}.json": {cache: false}]
"""


def machine(folder: Path) -> Path:
    (folder / ".dvc").mkdir(parents=True)
    (folder / "dvc.yaml").write_text(GRAPH)
    (folder / "count.py").write_text(COUNTER)
    (folder / "params.yaml").write_text("seed: 8\n")
    return folder


def start_bundle(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline.run.bundle", *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_bundle(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with start_bundle(folder, *arguments) as running:
        out, err = running.communicate(timeout=120)
    return subprocess.CompletedProcess(running.args, running.returncode, out, err)


def test_a_stage_goes_on_at_the_next_machine(tmp_path: Path) -> None:
    first, second, out = machine(tmp_path / "first"), machine(tmp_path / "second"), tmp_path / "out"
    asked = ("run", "short", "long", "--out", str(out), "--part", "1")

    done = run_bundle(first, *asked, "--minutes", "0.025")
    assert done.returncode == bundle.UNFINISHED, done.stderr
    assert "time was up" in done.stderr
    assert (first / "short.json").exists() and not (first / "long.json").exists()
    assert all(path.stat().st_size <= bundle.MEBI for path in out.iterdir())
    assert len(list(out.glob("bundle.tar.*"))) >= 3
    counted = int((first / ".run/ckpt/long/count").read_text())
    assert 0 < counted < 60

    assert run_bundle(second, "take", str(out)).returncode == 0
    assert (second / "models/short/count.bin").read_bytes() == (first / "models/short/count.bin").read_bytes()
    done = run_bundle(second, *asked, "--minutes", "1")
    assert done.returncode == 0, done.stderr
    assert "short: finished by an earlier bundle" in done.stdout
    assert f"long begins at {counted}" in done.stdout
    assert (second / "long.json").read_text() == "60"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_bundle_that_is_told_to_stop_packs_what_it_has(tmp_path: Path, number: signal.Signals) -> None:
    first, second, out = machine(tmp_path / "first"), machine(tmp_path / "second"), tmp_path / "out"
    asked = ("run", "short", "long", "--out", str(out), "--minutes", "5")
    with start_bundle(first, *asked) as running:
        assert running.stdout is not None
        while "long begins" not in running.stdout.readline():
            pass
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert running.returncode == bundle.UNFINISHED
    assert f"stopped by {number.name}: take this folder in" in said
    counted = (first / ".run/ckpt/long/count").read_text()

    assert run_bundle(second, "take", str(out)).returncode == 0
    assert (second / "short.json").exists() and not (second / "long.json").exists()
    assert (second / ".run/ckpt/long/count").read_text() == counted


def test_a_bundle_is_run_from_anywhere_in_the_workspace_and_nowhere_else(tmp_path: Path) -> None:
    folder = machine(tmp_path / "machine")
    (folder / "docs").mkdir()
    done = run_bundle(folder / "docs", "run", "short", "--minutes", "1", "--out", "carried")
    assert done.returncode == 0, done.stderr
    assert (folder / "short.json").exists()
    assert [path.name for path in (folder / "docs").iterdir()] == ["carried"]
    (tmp_path / "elsewhere").mkdir()
    done = run_bundle(tmp_path / "elsewhere", "run", "short", "--minutes", "1", "--out", "carried")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'elsewhere'} lies in no workspace: ")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_finished_stage_is_done_again_under_other_params(tmp_path: Path) -> None:
    folder = machine(tmp_path / "machine")
    asked = ("run", "short", "--minutes", "1", "--out", str(tmp_path / "out"))
    assert "short begins at 0, uploader 0" in run_bundle(folder, *asked).stdout
    assert "finished by an earlier bundle" in run_bundle(folder, *asked).stdout
    (folder / "params.yaml").write_text("seed: 9\n")
    assert "short begins at 0, uploader 0" in run_bundle(folder, *asked).stdout


def test_what_was_made_before_a_failure_is_packed(tmp_path: Path) -> None:
    folder, out = machine(tmp_path / "machine"), tmp_path / "out"
    done = run_bundle(folder, "run", "short", "broken", "--minutes", "1", "--out", str(out))
    assert done.returncode == 1
    assert "ended with exit code 5; what there is, is packed" in done.stderr
    other = machine(tmp_path / "other")
    assert run_bundle(other, "take", str(out)).returncode == 0
    assert (other / "models/short/count.bin").exists()


def test_the_item_of_a_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(machine(tmp_path / "machine"))
    [found] = bundle.declared(["each@b"])
    assert found.command == [sys.executable, "count.py", "b1"]
    assert found.made == [Path("each@b.json")]
    for wrong, message in [
        ("each", "each: expected each@ITEM"),
        ("short@a", "short@a: expected short without an item"),
        ("tall", "dvc.yaml: no stage 'tall'; there are short, long, broken, each"),
    ]:
        with pytest.raises(InputError, match=message):
            bundle.declared([wrong])


def test_the_stages_of_the_pipeline_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    [pretrain, evaluate] = bundle.declared(["pretrain", "evaluate@faq"])
    assert pretrain.command == [sys.executable, "-m", "stages.pretrain"]
    assert Path("models/pretrain") in pretrain.made and Path("reports/curves/pretrain.csv") in pretrain.made
    assert evaluate.command == [sys.executable, "-m", "stages.evaluate", "faq"]
    assert Path("reports/tasks/faq.json") in evaluate.made


def test_a_bundle_that_is_not_whole_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = machine(tmp_path / "machine"), tmp_path / "out"
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match="expected a bundle, there is no bundle.json"):
        archive.take(tmp_path)
    (folder / "short.json").write_text("1")
    [part] = bundle.pack(bundle.declared(["short"]), out, bundle.MEBI)
    whole = part.read_bytes()
    part.write_bytes(whole[:-1] + b"x")
    with pytest.raises(InputError, match="bundle.tar.000: not what was packed"):
        archive.take(out)
    part.unlink()
    with pytest.raises(InputError, match="a part of the bundle is missing"):
        archive.take(out)


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize(
    "entry", [{"name": "../escaped"}, {"name": "/escaped"}, {"type": tarfile.SYMTYPE, "linkname": "../escaped"}]
)
def test_nothing_is_unpacked_outside_the_workspace(
    entry: dict[str, Any], filters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a Python before 3.11.4, which has no filters."""
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    elif not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python has none")
    elif entry.get("name") == "/escaped":
        pytest.skip("filters make it relative")
    monkeypatch.chdir(machine(tmp_path / "machine"))
    out = tmp_path / "out"
    out.mkdir()
    packed, info = io.BytesIO(), tarfile.TarInfo("link")
    for name, value in entry.items():
        setattr(info, name, value)
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(info, io.BytesIO())
    (out / "bundle.tar.000").write_bytes(packed.getvalue())
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    (out / "bundle.json").write_text(json.dumps({"parts": {"bundle.tar.000": digest}}))
    with pytest.raises(InputError, match="outside"):
        archive.take(out)
    assert not (tmp_path / "escaped").exists() and not Path("link").is_symlink()


def test_without_filters_a_bundle_is_unpacked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(  # a newer Python warns of what an older one has no other way to do
        tarfile.TarFile, "extraction_filter", staticmethod(lambda entry, path: entry), raising=False
    )
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("models/weights").write_text("1")
    archive.pack([Path("models")], tmp_path / "out", 1 << 20)
    (tmp_path / "other" / ".run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "other")
    assert archive.take(tmp_path / "out") == 2
    assert Path("models/weights").read_text() == "1"


def test_what_an_older_version_packed_is_taken_and_finished(tmp_path: Path) -> None:
    first, second, out = machine(tmp_path / "first"), machine(tmp_path / "second"), tmp_path / "out"
    asked = ("run", "short", "--minutes", "1", "--out", str(out))
    assert run_bundle(first, *asked).returncode == 0
    [part] = out.glob("bundle.tar.*")
    with tarfile.open(part) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # which a Python before 3.11.4 has not
        tar.extractall(tmp_path / "packed")
    (tmp_path / "packed/.run/finished.json").rename(tmp_path / "packed/.run/pieces.json")
    (out / "bundle.json").unlink()
    part.unlink()
    with tarfile.open(out / "piece.tar.000", "w") as tar:
        for path in sorted((tmp_path / "packed").iterdir()):
            tar.add(path, path.name)
    digest = hashlib.sha256((out / "piece.tar.000").read_bytes()).hexdigest()
    (out / "piece.json").write_text(json.dumps({"parts": {"piece.tar.000": digest}}))
    assert run_bundle(second, "take", str(out)).returncode == 0
    assert "short: finished by an earlier bundle" in run_bundle(second, *asked).stdout
    assert sorted(path.name for path in out.iterdir()) == ["bundle.json", "bundle.tar.000"]
