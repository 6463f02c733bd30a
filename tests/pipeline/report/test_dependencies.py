"""The page is a function of its dependencies in dvc.yaml: what it reads is one of them, or hashed in one of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pipeline.report import figures, html
from pipeline.workspace import dvc_yaml
from stages import report
from tests.pipeline.report import toy_reports

ROOT = Path(__file__).resolve().parents[3]


class Opened:
    """The files that are opened for reading while it is on; a hook of Python's cannot be taken off."""

    def __init__(self) -> None:
        self.on, self.files = False, set[Path]()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, given: tuple[Any, ...]) -> None:
        if self.on and event == "open" and isinstance(given[0], str) and "w" not in str(given[1]):
            self.files.add(Path(given[0]).absolute())


def test_what_it_reads(tmp_path: Path) -> None:
    run_data, opened = toy_reports.write(tmp_path / "reports"), Opened()
    opened.on = True
    drawn = figures.draw(run_data, tmp_path / "figures")
    html.page("title", report.sections(run_data, drawn))
    report.summary(run_data)
    report.scores(run_data)
    opened.on = False
    read = {path.relative_to(tmp_path) for path in opened.files if path.is_relative_to(tmp_path / "reports")}
    read |= {path.relative_to(ROOT) for path in opened.files if path.is_relative_to(ROOT / "pipeline")}
    deps = [Path(dep) for dep in dvc_yaml.declared(ROOT, "report").deps]
    hashed = {Path("reports") / toy_reports.report(name) for name in run_data.stages}  # by reports/speed
    known = {path for path in read if path in hashed or any(path.is_relative_to(dep) for dep in deps)}
    assert len(read) > 30 and read == known
    assert Path("reports/speed") in deps
