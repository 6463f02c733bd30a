"""The command line in the surroundings it may find: other locales, pipes that close, no standard input."""

from __future__ import annotations

import locale
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rosphere.cli.app import decoded

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "rosphere")
SHOW = """
import sys
from unittest import mock
from rosphere.cli import app, similar
def show(query, *_, **__): print(query)
with mock.patch.object(similar, "compare", show):
    app.main()
"""


def run(*arguments: str | bytes, **variables: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(arguments, env=env, cwd=ROOT, capture_output=True)


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}])
@pytest.mark.parametrize("mode", ["0", "1"])
def test_files_and_pipes_are_utf_8(variables: dict[str, str], mode: str) -> None:
    shown = run(sys.executable, "-c", SHOW, "similar", "怎么退货", **variables, PYTHONUTF8=mode)
    assert shown.stdout == "怎么退货\n".encode(), shown.stderr


def test_an_argument_is_read_as_utf_8_where_the_locale_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("iso-8859-1", "gbk"):
        monkeypatch.setattr(os, "fsencode", lambda text, encoding=encoding: text.encode(encoding, "surrogateescape"))
        taken = "怎么退货".encode().decode(encoding, "surrogateescape")  # as Python takes it in such a locale
        assert taken != "怎么退货" and decoded(taken) == "怎么退货"
    assert decoded("怎么退货") == "怎么退货"  # typed on a terminal in GBK
    assert decoded("abc") == "abc"


def test_an_argument_that_is_no_text_is_refused() -> None:
    if locale.getpreferredencoding(False).lower() not in ("utf-8", "utf8"):
        pytest.skip("the locale here is not UTF-8")
    refused = run(*COMMAND, "similar", b"\xd4\xf5\xc3\xb4")
    assert refused.returncode == 1
    assert refused.stderr.startswith(b"error: expected an argument in UTF-8, got the bytes b'")


@pytest.mark.parametrize("words", ["dimension --items 9 --table", "--help", "similar --help"])
def test_a_closed_pipe_is_no_traceback(words: str) -> None:
    script = f"{sys.executable} -m rosphere {words} | true; echo ${{PIPESTATUS[0]}}"
    ended = run("bash", "-c", script)
    assert (ended.stdout, ended.stderr) == (f"{128 + signal.SIGPIPE}\n".encode(), b"")


def test_a_closed_standard_input_is_named() -> None:
    ended = run("sh", "-c", f"{sys.executable} -m rosphere similar 你好 --file - <&-")
    assert (ended.returncode, ended.stderr.decode()) == (1, "error: -: standard input is closed\n")
