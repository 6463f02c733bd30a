"""params.schema.json says what the declarations say, and what we ship is valid by it."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.run import preset, schema, typed
from pipeline.run import settings as config
from tests.pipeline.run.test_preset import beginning, own
from tests.shrink import shrink

ROOT = Path(__file__).resolve().parents[3]
FIRST = "# yaml-language-server: $schema=params.schema.json\n"


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of params.yaml, as seen from the project's folder."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "texts.jsonl").write_text(
        "".join(f'{{"text": "第{n}天的天气不错"}}\n' for n in range(300)), encoding="utf-8"
    )
    return Path(shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml"))


def committed() -> dict[str, Any]:
    return dict(json.loads((ROOT / schema.PATH).read_text(encoding="utf-8")))


def faults(document: dict[str, Any]) -> list[str]:
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    validator.check_schema(committed())
    return [error.json_path for error in validator(committed()).iter_errors(document)]


def test_the_committed_schema_is_the_current_one() -> None:
    assert committed() == schema.schema(), "python -m pipeline.run.schema"


def test_it_is_written_as_it_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    schema.main()
    assert (tmp_path / schema.PATH).read_bytes() == (ROOT / schema.PATH).read_bytes()


def test_editors_find_it(params: Path) -> None:
    name = params.read_text(encoding="utf-8").splitlines(keepends=True)[0].strip().rpartition("=")[2]
    assert params.read_text(encoding="utf-8").startswith(FIRST) and (ROOT / name).is_file()


def test_params_are_valid(params: Path) -> None:
    assert faults(config.read(params)) == []


@pytest.mark.parametrize("name", preset.names())
def test_a_preset_is_valid_and_keeps_the_first_line(params: Path, name: str) -> None:
    preset.apply(name, [*own(params), *(beginning(params) if name == "published" else [])], params)
    assert faults(config.read(params)) == []
    assert params.read_text(encoding="utf-8").startswith(FIRST)


def test_shrinking_keeps_the_first_line(params: Path) -> None:
    shrink(params)
    assert faults(config.read(params)) == []
    assert params.read_text(encoding="utf-8").startswith(FIRST)


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("pretrain.steps", 3, "$.pretrain"),
        ("pretrain.schedule.steps", "many", "$.pretrain.schedule.steps"),
        ("sizes.tiny.embedding_size", "ruler", "$.sizes.tiny.embedding_size"),
        ("vmf_vae.variants", ["vmf", "gauss"], "$.vmf_vae.variants[1]"),
        ("sede", 3, "$"),
    ],
)
def test_an_editor_marks_what_a_stage_refuses(params: Path, key: str, value: object, place: str) -> None:
    document = copy.deepcopy(config.read(params))
    section = document
    *words, last = key.split(".")
    for word in words:
        section = section[word]
    section[last] = value
    assert faults(document) == [place]


def test_without_pydantic_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    typed._adapter.cache_clear()
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(SystemExit, match=r"^error: params\.schema\.json: [^\n]*pydantic[^\n]*$"):
        schema.main()
