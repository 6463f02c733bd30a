"""Old keys of params.yaml are refused with the name they have now."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.run import check, preset
from pipeline.run import settings as config
from pipeline.run.renamed import OTHERWISE, RENAMED
from pipeline.workspace import yaml_file
from rosphere.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def document() -> dict[str, Any]:
    return yaml_file.read(ROOT / "params.yaml")


def found(words: list[str]) -> bool:
    value: Any = document()
    for word in words:
        if not isinstance(value, dict) or word not in value:
            return False
        value = value[word]
    return True


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_key_is_refused_with_its_new_name(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "params.yaml"
    lines = [f"{'  ' * depth}{word}:" for depth, word in enumerate(old.split("."))]
    path.write_text("\n".join(["seed: 1", *lines]) + " 3\n", encoding="utf-8")
    value = f" ({OTHERWISE[old]})" if old in OTHERWISE else ""
    message = f"^{re.escape(f'{path}: {old}: is called {new} now{value}')}$"
    with pytest.raises(config.ConfigError, match=message):
        config.scalar(path, "seed", int)
    with pytest.raises(InputError, match=message):
        check.check(path)
    with pytest.raises(InputError, match=message):
        preset.apply("cpu", [], path)
    before = shutil.copyfile(ROOT / "params.yaml", path).read_bytes()
    with pytest.raises(InputError, match=message):
        preset.apply("cpu", [f"{old}=3"], path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_new_name_is_there_and_the_old_one_is_not(old: str, new: str) -> None:
    assert found(new.split(".")) and not found(old.split("."))


def test_only_renamed_keys_have_a_word_more() -> None:
    assert set(OTHERWISE) <= set(RENAMED)


def test_other_keys_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("seed: 1\nvmf_vae: 3\nsimbert: [measured]\ntwins: 2\n", encoding="utf-8")
    assert config.scalar(path, "seed", int) == 1
