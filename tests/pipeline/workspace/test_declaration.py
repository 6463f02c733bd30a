"""What a stage declares, read from the text of its script."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.workspace import declaration
from pipeline.workspace.declaration import Declaration, Lines, Metric, Rival
from pipeline.workspace.yaml_file import ConfigError

SCRIPT = """
import a_library_that_is_not_installed

DECLARATION = Declaration(
    title="Toys",
    settings=Anything,
    items="toys",
    metrics=(
        Metric(key="table.ours.mrr", label="MRR" ", of all", better="higher", rivals=(Rival(key="b", name="c"),)),
        Metric(key="loss", label="loss", better="lower", headline="{item}"),
        Metric(key="size", label="size"),
    ),
    figures=("own", Lines(name="n", title="t", x="step", y="loss", x_label="x", y_label="y")),
    others=("TF-IDF",),
)
raise SystemExit("nobody runs this")
"""


def written(folder: Path, text: str) -> Path:
    (folder / "toy.py").write_text(text, encoding="utf-8")
    return folder


def test_it_is_read_without_running_anything(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text("X = 1\n", encoding="utf-8")
    metrics = (
        Metric(key="table.ours.mrr", label="MRR, of all", better="higher", rivals=(Rival(key="b", name="c"),)),
        Metric(key="loss", label="loss", better="lower", headline="{item}"),
        Metric(key="size", label="size"),
    )
    lines = Lines(name="n", title="t", x="step", y="loss", x_label="x", y_label="y")
    expected = Declaration(title="Toys", items="toys", metrics=metrics, figures=("own", lines), others=("TF-IDF",))
    assert declaration.read(written(tmp_path, SCRIPT)) == {"toy": expected}
    assert declaration.read(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("key", "better", "main"),
    [
        ("loss", "lower", True),
        ("table/ours/mrr", "higher", False),  # as MLflow writes it
        ("table.teacher.mrr", "higher", False),
        ("table.TF-IDF whitened.mrr", None, False),  # not the model's own
        ("size", None, False),
        ("unknown", None, False),
    ],
)
def test_a_metric_is_known_by_the_last_word_of_its_key(
    tmp_path: Path, key: str, better: str | None, main: bool
) -> None:
    found = declaration.read(written(tmp_path, SCRIPT))["toy"]
    assert (found.better(key), found.main(key)) == (better, main)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('DECLARATION = Declaration(title=f"{x}")', r"toy\.py:1: DECLARATION: expected a literal, .* got f'\{x\}'"),
        ('DECLARATION = Declaration("x")', "expected a literal, a tuple or one of Declaration, .* with names"),
        ('DECLARATION = Declaration(title="x", wrong=1)', "toy.py:1: DECLARATION: .*'wrong'"),
        ('\nDECLARATION = Declaration(title="x"', r"toy\.py:2: "),
    ],
)
def test_what_only_running_it_could_tell_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        declaration.read(written(tmp_path, text))


def test_a_metric_is_read_by_its_path_and_written_in_its_format() -> None:
    assert Metric(key="a.b", label="x", format=".0%").text({"a": {"b": 0.25}}) == "25%"
    assert Metric(key="a", label="x").text({"a": 1234567.0}) == "1.235e+06"
    with pytest.raises(KeyError, match="b"):
        Metric(key="a.b", label="x").text({"a": {}})
