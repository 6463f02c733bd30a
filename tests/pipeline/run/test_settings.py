"""params.yaml becomes typed values, or one line says what is wrong with it."""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.run import typed
from pipeline.run.settings import load, scalar
from pipeline.workspace import yaml_file
from pipeline.workspace.yaml_file import ConfigError
from rosphere.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Inner:
    width: int
    rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Section:
    steps: int
    lr: float
    kind: Literal["adam", "sgd"]
    limit: int | None
    inner: Inner
    tasks: list[str]
    span: tuple[int, int]
    sizes: dict[str, Inner]
    layers: tuple[int, ...] = ()
    shuffle: bool = True

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps: expected >= 0, got {self.steps}")


GOOD = """\
seed: 7
train:
  steps: 400
  lr: 5e-4
  kind: adam
  limit: null
  inner: {width: 3}
  tasks: [新闻, b]
  span: [4, 30]
  sizes: {tiny: {width: 1, rate: 1}}
  layers: [1, 2, 3]
  shuffle: false
"""
EXPECTED = Section(
    steps=400,
    lr=5e-4,
    kind="adam",
    limit=None,
    inner=Inner(width=3),
    tasks=["新闻", "b"],
    span=(4, 30),
    sizes={"tiny": Inner(width=1, rate=1.0)},
    layers=(1, 2, 3),
    shuffle=False,
)


def written(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_kind_of_field(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    section = load(path, "train", Section)
    assert section == EXPECTED
    assert type(section.sizes["tiny"].rate) is float
    assert scalar(path, "seed", int) == 7
    assert scalar(path, "train.inner.width", int) == 3


def test_pyyaml_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("yaml")
    path = written(tmp_path, GOOD + "no: no\nempty:\nhalf: .5\nbig: 1e3\n")
    with_ruamel = yaml_file.read(path)
    monkeypatch.setattr(yaml_file, "find_spec", lambda name: None)
    assert yaml_file.read(path) == with_ruamel
    assert load(path, "train", Section) == EXPECTED
    assert with_ruamel["no"] == "no" and with_ruamel["big"] == 1000.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 400", "steps: many", "train.steps: expected int, got 'many' (str)"),
        ("steps: 400", "steps: true", "train.steps: expected int, got True (bool)"),
        ("steps: 400", "steps: 4.0", "train.steps: expected int, got 4.0 (float)"),
        ("steps: 400", "steps:", "train.steps: expected int, got nothing (null)"),
        ("steps: 400", "stesp: 400", "train.stesp: unknown key; did you mean 'steps'?"),
        ("  steps: 400\n", "", "train.steps: missing, expected int"),
        ("steps: 400", "steps: -1", "train: steps: expected >= 0, got -1"),
        ("lr: 5e-4", "lr: fast", "train.lr: expected float, got 'fast' (str)"),
        ("lr: 5e-4", "lr: false", "train.lr: expected float, got False (bool)"),
        ("kind: adam", "kind: adm", "train.kind: expected one of 'adam', 'sgd', got 'adm' (str)"),
        ("limit: null", "limit: a", "train.limit: expected int | null, got 'a' (str)"),
        ("{width: 3}", "{width: x}", "train.inner.width: expected int, got 'x' (str)"),
        ("{width: 3}", "3", "train.inner: expected the keys of Inner, got 3 (int)"),
        ("[新闻, b]", "[新闻, 1]", "train.tasks[1]: expected str, got 1 (int)"),
        ("[新闻, b]", "b", "train.tasks: expected list[str], got 'b' (str)"),
        ("[4, 30]", "[4]", "train.span: expected tuple[int, int], got [4] (list)"),
        ("[1, 2, 3]", "[1, x]", "train.layers[1]: expected int, got 'x' (str)"),
        ("rate: 1}", "rat: 1}", "train.sizes.tiny.rat: unknown key; did you mean 'rate'?"),
        ("[4, 30]", "[4, 5, 6]", "train.span: expected tuple[int, int], got [4, 5, 6] (list)"),
        ("[4, 30]", "[x, 30]", "train.span[0]: expected int, got 'x' (str)"),
        ("steps: 400", "steps: '5'", "train.steps: expected int, got '5' (str)"),
        ("lr: 5e-4", "lr: '5'", "train.lr: expected float, got '5' (str)"),
        ("shuffle: false", "shuffle: 0", "train.shuffle: expected bool, got 0 (int)"),
        ("kind: adam", "kind: 1", "train.kind: expected one of 'adam', 'sgd', got 1 (int)"),
        ("{width: 3}", "{width: 3, 4: 5}", "train.inner: expected text as a key, got 4 (int)"),
        (
            "kind: adam",
            "kind: 2026-11-22",
            "train.kind: expected text, a number, true, false or null, got datetime.date(2026, 11, 22) (date)",
        ),
        ("train:", "trian:", "train: missing; did you mean 'trian'?"),
    ],
)
def test_refuses_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load(path, "train", Section)
    assert str(caught.value) == f"{path}: {message}"


@dataclass(frozen=True, kw_only=True)
class Choices:
    latent: int | Literal["rule"] = "rule"
    kappa: float | Literal["learned"] = "learned"
    either: Inner | int = 0
    inner: Inner | None = None
    folder: Path = Path()
    inners: list[Inner] = field(default_factory=list)


def test_reads_one_of_several_types(tmp_path: Path) -> None:
    text = "a: {latent: 8, kappa: 50, either: {width: 1}, inner: {width: 2}, folder: x/y, inners: [{width: 3}]}"
    read = load(written(tmp_path, text), "a", Choices)
    three = [Inner(width=3)]
    assert read == Choices(
        latent=8, kappa=50.0, either=Inner(width=1), inner=Inner(width=2), folder=Path("x/y"), inners=three
    )
    assert type(read.kappa) is float and type(read.inner) is Inner
    assert load(written(tmp_path, "a: {latent: rule, inner: null}"), "a", Choices) == Choices()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latent: rules", "a.latent: expected int | one of 'rule', got 'rules' (str)"),
        ("latent: true", "a.latent: expected int | one of 'rule', got True (bool)"),
        ("either: x", "a.either: expected Inner | int, got 'x' (str)"),
        ("either: [1]", "a.either: expected Inner | int, got [1] (list)"),
        ("either: {widht: 1}", "a.either.widht: unknown key; did you mean 'width'?"),
        ("either: {}", "a.either.width: missing, expected int"),
        ("either: {width: x}", "a.either.width: expected int, got 'x' (str)"),
        ("either: {width: {}}", "a.either.width: expected int, got {} (dict)"),
        ("inner: 3", "a.inner: expected the keys of Inner, got 3 (int)"),
        ("inner: {widht: 1}", "a.inner.widht: unknown key; did you mean 'width'?"),
        ("inner: {}", "a.inner.width: missing, expected int"),
        ("folder: 3", "a.folder: expected Path, got 3 (int)"),
        ("inners: [{width: 1}, {width: x}]", "a.inners[1].width: expected int, got 'x' (str)"),
        ("inners: [{width: 1}, {}]", "a.inners[1].width: missing, expected int"),
    ],
)
def test_names_all_types_that_would_do(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, f"a: {{{text}}}")
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{path}: {message}')}$"):
        load(path, "a", Choices)


def test_a_machine_without_pydantic_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, GOOD)
    typed._adapter.cache_clear()
    monkeypatch.setitem(sys.modules, "pydantic", None)
    assert yaml_file.read(path)["seed"] == 7
    with pytest.raises(ConfigError, match=r"^[^\n]+params.yaml: [^\n]*pydantic, which is not installed[^\n]*$"):
        load(path, "train", Section)


@pytest.mark.parametrize("text", ["a: [1\n", "a: 1\na: 2\n", "a: b: c\n"])
def test_refuses_broken_yaml_with_its_place(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(path))}:\d+:\d+: not valid YAML: [^\n]+$"):
        load(path, "a", Section)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a: \xff", r"not UTF-8 \(byte 3\)$"),
        (b"a: " + b"[" * 20_000, "not valid YAML: "),
        (b"a: " + b"9" * 5_000, "not valid YAML: "),
        (b"a: 2023-02-31", "not valid YAML: "),
    ],
)
def test_refuses_what_python_cannot_hold(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}: {message}"):
        load(path, "a", Section)


def test_what_is_read_twice_is_not_shared(tmp_path: Path) -> None:
    path = written(tmp_path, "a: [1]\n")
    yaml_file.read(path)["a"].append(2)
    assert yaml_file.read(path) == {"a": [1]}


def test_refuses_a_file_without_sections(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a mapping of sections, got nothing"):
        scalar(written(tmp_path, ""), "seed", int)
    with pytest.raises(InputError, match=r"params.yaml: train.lrr: missing; did you mean 'lr'\?$"):
        scalar(written(tmp_path, GOOD), "train.lrr", float)
    with pytest.raises(FileNotFoundError):
        scalar(tmp_path / "absent.yaml", "seed", int)


@dataclass(frozen=True, kw_only=True)
class Loose:
    number: float
    maybe: str | None
    count: int


@given(
    number=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9),
    maybe=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])),
    count=st.integers(-(10**9), 10**9),
)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, number: float, maybe: str | None, count: int
) -> None:
    values: dict[str, Any] = {"number": number, "maybe": maybe, "count": count}
    path = tmp_path_factory.getbasetemp() / "property.yaml"
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False  # inside braces ruamel writes ':0' bare, and no reader takes it
    with open(path, "w", encoding="utf-8") as file:
        yaml.dump({"word": values}, file)
    assert load(path, "word", Loose) == Loose(**values)
