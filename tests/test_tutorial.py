"""docs/tutorial.md does what it says: its own commands, in a copy of the project, at a toy size.

Blocks marked ``bash`` are run one after another, each with ``text`` behind it that says what it prints. What is printed
before anything is trained is compared to the letter, what models say by its form.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from ruamel.yaml import YAML

from rosphere.errors import InputError
from rosphere.preparation import finding
from tests.project import ROOT, copied, dvc, environment
from tests.shrink import shrink

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL, REPRO, SHOW = "make install", "make repro", "rosphere try"
# What `make repro` runs once all is installed. The check is a step of the page by itself, and what the steps behind it
# use is made by these stages alone; the others come in the slow test.
RECIPE = (
    "python -m pipeline.run.check",
    "python -m pipeline.run.forecast",
    "ROSPHERE_FORECAST=$(CURDIR)/.run/forecast.json python -m pipeline.workspace.outputs dvc --wait-for-lock repro",
    "cat reports/summary.md",
)
USED = ("roformer_sim", "evaluate@topics")
# The command as it is installed is that of another folder; make knows the name of this one.
PRELUDE = 'set -euo pipefail\nCURDIR() { pwd; }\nrosphere() { python -m rosphere "$@"; }\n'
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


class Step(NamedTuple):
    commands: str
    printed: str


def steps() -> list[Step]:
    """The commands of the page, with what it says they print."""
    blocks = [*BLOCK.findall(PAGE.read_text(encoding="utf-8")), ("", "")]
    return [
        Step(body, after[1] if after[0] == "text" else "")
        for (kind, body), after in zip(blocks, blocks[1:], strict=False)
        if kind == "bash"
    ]


def step(words: str) -> Step:
    (found,) = (each for each in STEPS if words in each.commands)
    return found


STEPS = steps()


def run(folder: Path, commands: str) -> str:
    """What commands print, on both streams, in the order in which they print it."""
    done = subprocess.run(
        ["bash", "-c", PRELUDE + commands],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout


def small(params: Path) -> None:
    """Budgets of a test; the judged pairs that they name are those of the sample, which is not prepared."""
    shrink(params)
    yaml = YAML()
    document = yaml.load(params)
    document["roformer_sim"]["supervised"]["files"] = []
    yaml.dump(document, params)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The whole page, from its first command to its last; what each block printed."""
    folder = copied(tmp_path_factory.mktemp("tutorial") / "project")
    dvc(folder, "init", "--no-scm", "-q")
    printed = {}
    for each in STEPS:
        if each.commands.startswith((INSTALL, SHOW)):
            continue
        commands = f"{RECIPE[2]} {' '.join(USED)}" if each.commands.strip() == REPRO else each.commands
        printed[each.commands] = run(folder, commands)
        if "pipeline.run.preset" in commands:
            small(folder / "params.yaml")
    return folder, printed


def test_make_does_what_is_run_in_its_place() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nrepro-alone:")[2].partition("\nscm:")[0]
    run_by_make = re.findall(r"^\t@(?!#|echo)(.*)$", recipe, re.MULTILINE)
    assert tuple(run_by_make) == RECIPE


@pytest.mark.parametrize("words", ["mkdir", "pipeline.run.preset", "pipeline.run.check\n", "dvc status"])
def test_what_is_printed_before_training_is_as_shown(walked: tuple[Path, dict[str, str]], words: str) -> None:
    found = step(words) if not words.endswith("\n") else next(each for each in STEPS if each.commands.endswith(words))
    assert walked[1][found.commands] == found.printed


def test_a_wrong_path_is_refused_as_shown() -> None:
    (shown,) = re.findall(r"`error: (.*), \.\.\.`", PAGE.read_text(encoding="utf-8"))
    with pytest.raises(InputError, match=f"^{re.escape(shown)}, "):
        finding.files(["my/txt"], "prepare.local.text")


def form(line: str) -> list[str]:
    """Of each cell of a line whether it is a number."""
    return ["number" if NUMBER.fullmatch(cell) else "text" for cell in line.split("\t")]


@pytest.mark.parametrize("words", ["rosphere similar", "rosphere predict"])
def test_what_models_say_has_the_form_that_is_shown(walked: tuple[Path, dict[str, str]], words: str) -> None:
    said, shown = walked[1][step(words).commands].splitlines(), step(words).printed.splitlines()
    assert [*map(form, said)] == [*map(form, shown)] and len(shown[0].split("\t")) > 1


def rows(table: str) -> set[tuple[str, ...]]:
    """The names in the rows of a table, without what was measured and what it is compared with."""
    cells = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("|")]
    return {tuple(cell.partition("(")[0].strip() for cell in row) for row in cells}


@pytest.mark.slow
def test_the_run_ends_with_the_rows_that_are_shown(walked: tuple[Path, dict[str, str]]) -> None:
    shown = rows(step(REPRO).printed)
    assert len(shown) > 5 and shown == rows(run(walked[0], "\n".join(RECIPE[1:])))
    assert (walked[0] / "reports" / "index.html").is_file()


def test_the_search_page_answers(walked: tuple[Path, dict[str, str]]) -> None:
    command = [sys.executable, *"-m rosphere try --port 0".split()]
    with subprocess.Popen(command, cwd=walked[0], env=environment(), stdout=subprocess.PIPE, text=True) as process:
        late = threading.Timer(120, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert re.sub(r":\d+/", ":8765/", line) == step(SHOW).printed
            index = asked(line.split()[0], "index", {"lines": ["怎么挂失", "退房时间"], "encoder": "roformer_sim"})
            found = asked(line.split()[0], "search", {"index": index["index"], "query": "怎么挂失", "count": 1})
            assert found["results"][0]["line"] == "怎么挂失"  # type: ignore[index]
        finally:
            late.cancel()
            process.kill()


def asked(address: str, what: str, body: dict[str, object]) -> dict[str, object]:
    request = urllib.request.Request(
        f"{address}api/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return dict(json.load(response))
