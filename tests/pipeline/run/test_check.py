"""What is refused before DVC empties a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.run import check
from rosphere.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """params.yaml with parts of its text replaced, as seen from the project's folder."""
    monkeypatch.chdir(ROOT)

    def write(*changes: tuple[str, str]) -> Path:
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_defaults_pass(changed: Callable[..., Path]) -> None:
    check.check(changed())


NO_CONTROL = ("pretrain_scratch:\n  enabled: true", "pretrain_scratch:\n  enabled: false")


@pytest.mark.parametrize(
    "change", [("  init: null", "  init: someone/small-bert"), ("  size: tiny-wide  #", "  size: null  #")]
)
def test_published_weights_and_unchanged_sizes_have_no_control(
    changed: Callable[..., Path], change: tuple[str, str]
) -> None:
    with pytest.raises(InputError, match="pretrain_scratch.enabled: there is no control for"):
        check.check(changed(change))
    check.check(changed(change, NO_CONTROL))


@pytest.mark.parametrize("path", ["data", "someone/small-bert"])
def test_a_vocabulary_may_be_a_folder_or_a_hub_name(changed: Callable[..., Path], path: str) -> None:
    check.check(changed(("vocabulary: {path: null", f"vocabulary: {{path: {path}")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("vocabulary: {path: null", "vocabulary: {path: no/such/file"), "no such file or folder, nor a hub name"),
        (("  size: tiny\n", "  size: huge\n"), "sizes: no size is called 'huge'"),
        (("seed: 8", "seed: 8\nsede: 9"), "sede: no stage reads this section"),
        (("  size: tiny-wide  #", "  size: base  #"), "widen.size: tiny to base: layers 12: LayerNorm"),
        (("tasks: [sentiment", "tasks: [afqmc, sentiment"), "the source sample has no task 'afqmc'; it has sentiment"),
        (("teacher: models/simbert", "teacher: my/typo"), "roformer_sim.teacher: no such file or folder: my/typo"),
        (("files: []", "files: [my/typo.jsonl]"), "roformer_sim.supervised.files: no such file or folder: my/typo"),
        (("  batch_size: 8 ", "  batch_size: 0 "), "pretrain: batch_size: expected 1 or more, got 0"),
        (
            ("  mask_rate: 0.3 ", "  mask_rate: 1.5 "),
            "pretrain: mask_rate: expected a share above 0 and at most 1, got 1.5",
        ),
        (("log_every: 25, evaluate_every: 250", "log_every: 0, evaluate_every: 250"), "log_every: expected 1 or more"),
        (("counts: [", "counts: [0, "), "counts: expected 1 or more, got \\[0, "),
    ],
)
def test_refuses(changed: Callable[..., Path], change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check.check(changed(change))


def test_a_control_is_named_with_its_key(changed: Callable[..., Path]) -> None:
    expected = re.escape(
        "there is no control for pretrain.init: someone/small-bert; set pretrain_scratch.enabled: false"
    )
    with pytest.raises(InputError, match=expected):
        check.check(changed(("  init: null", "  init: someone/small-bert")))


def test_the_beginning_of_every_local_file_is_read(changed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("今天天气不错\n", encoding="utf-8")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"text": "好"}\n{"content": "坏"}\n', encoding="utf-8")
    source = ("source: sample  #", "source: local  #")
    text = ("local: {text: []", f"local: {{text: [{tmp_path}/good.txt, {wrong}]")
    rest = ("tasks: [sentiment, entities, faq]", "tasks: []")
    with pytest.raises(InputError, match="prepare.local.pairs: expected files of similar sentences, .* got neither"):
        check.check(changed(source, text, rest))
    with pytest.raises(InputError, match=re.escape(f"{wrong}:2: expected text under 'text', got nothing")):
        check.check(changed(source, text, rest), everything=False)
    wrong.write_text('{"text": "好"}\n', encoding="utf-8")
    check.check(changed(source, text, rest), everything=False)


def test_a_changed_source_is_told_to_dvc(changed: Callable[..., Path], tmp_path: Path) -> None:
    folder, file = tmp_path / "texts", tmp_path / "pairs.jsonl"
    folder.mkdir()
    (folder / "a.txt").write_text("今天天气不错\n", encoding="utf-8")
    file.write_text('{"text": "好", "synonyms": ["很好"]}\n', encoding="utf-8")
    path = changed(
        ("source: sample  #", "source: local  #"),
        ("local: {text: [], pairs: []", f"local: {{text: [{folder}], pairs: ['{tmp_path}/p*.jsonl']"),
        ("tasks: [sentiment, entities, faq]", "tasks: []"),
        ("files: []", f"files: ['{file}']"),
    )

    def held() -> dict[str, dict[str, str]]:
        return check.sources(check.check(path))

    before = held()
    assert list(before["prepare"]) == [str(folder), f"{tmp_path}/p*.jsonl"] and before["pretrain"] == {}
    assert held() == before
    (folder / "b.txt").write_text("好\n", encoding="utf-8")
    more = held()
    assert [key for key in more["prepare"] if more["prepare"][key] != before["prepare"][key]] == [str(folder)]
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (folder / "linked").symlink_to(outside)
    (outside / "c.txt").write_text("好\n", encoding="utf-8")
    linked = held()
    assert linked["prepare"] != more["prepare"]
    (tmp_path / "p.jsonl").mkdir()  # a folder that the pattern matches
    assert held() == linked
    file.write_text('{"text": "好", "synonyms": ["不错"]}\n', encoding="utf-8")
    assert held()["roformer_sim"] != more["roformer_sim"]


def test_what_a_stage_makes_is_no_source(
    changed: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a dependency in dvc.yaml; before the first run it is not there, and after it the stage would run again."""
    made = "data/tasks/faq/train.jsonl"
    sections = check.check(changed(("files: []", f"files: [{made}, data/own.jsonl]")))
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    for name in (made, "data/own.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    assert list(check.sources(sections)["roformer_sim"]) == ["data/own.jsonl"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "params.yaml").chmod(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["check"])
    with pytest.raises(SystemExit, match=r"error: params\.yaml: permission denied"):
        check.main()


def test_a_folder_instead_of_params_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["check"])
    with pytest.raises(SystemExit, match=r"error: params\.yaml: is a directory"):
        check.main()


def test_the_default_has_no_sources_of_its_own(changed: Callable[..., Path]) -> None:
    """What is committed is what the check writes: a fresh clone has nothing to commit after its first run."""
    for stage, held in check.sources(check.check(changed())).items():
        assert json.loads((ROOT / check.SOURCES / f"{stage}.json").read_text()) == held == {}
