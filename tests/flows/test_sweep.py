"""A sweep of the toy: experiments side by side, a table, the best one promoted."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.integration

ASKED = (
    "run",
    "lefts",
    "-S",
    "left=3,no,12",
    "--metric",
    "reports/left.json:value",
    "--direction",
    "maximize",
    "--stages",
    "total",
)
SCORE = '\nif name == "left":\n    value = float(re.search(r"left: (\\S+)", open("params.yaml").read())[1])\n'
SCORE += '    pathlib.Path("reports").mkdir(exist_ok=True)\n'
SCORE += '    pathlib.Path("reports/left.json").write_text(json.dumps({"value": value}))\n'


def test_the_best_of_a_sweep_is_promoted(kept_toy, prefect_server) -> None:
    root = kept_toy.root
    work = (root / "work.py").read_text()
    (root / "work.py").write_text(work.replace("import json,", "import json, re,") + SCORE)
    yaml = (root / "dvc.yaml").read_text()
    metrics = "outs: [left.txt]\n    metrics: [reports/left.json: {cache: false}]\n"
    (root / "dvc.yaml").write_text(yaml.replace("outs: [left.txt]\n", metrics))

    wrong = ["reports/right.json:value" if word.startswith("reports/") else word for word in ASKED]
    code, output = kept_toy.run(*wrong, module="flows.sweep")
    assert code == 1 and "reports/right.json is written by no stage that this sweep runs" in output, output
    assert "reports/left.json" in output.partition("there are:")[2] and kept_toy.started() == []

    code, output = kept_toy.run(*ASKED, "--at-once", "2", module="flows.sweep")  # "no" is no number: that stage fails

    assert code == 0, output
    assert "| 12 | 12 | complete |" in output and "| 3 | 3 | complete |" in output and "| no |  | fail |" in output
    assert kept_toy.started() == [], "the workspace itself is left alone"
    body = {"artifacts": {"key": {"any_": ["sweep"]}}, "sort": "CREATED_DESC", "limit": 1}
    table = json.loads(prefect_server.post("/artifacts/filter", body)[0]["data"])
    assert [row["value"] for row in table] == [12, 3, None]
    runs = prefect_server.post("/flow_runs/filter", {"flow_runs": {"tags": {"all_": ["sweep:lefts"]}}})
    assert sorted(run["state"]["type"] for run in runs) == ["COMPLETED", "COMPLETED", "FAILED"]

    code, output = kept_toy.run("promote", "lefts", module="flows.sweep")
    assert code == 0 and "is in the workspace now: reports/left.json:value 12" in output, output
    assert (root / "params.yaml").read_text() == "left: 12\n"
    assert json.loads((root / "reports" / "left.json").read_text()) == {"value": 12}
    code, output = kept_toy.run()
    assert code == 0 and kept_toy.started() == [], "nothing is left to be done"

    code, output = kept_toy.run("promote", "other", module="flows.sweep")
    assert code == 1 and "no sweep 'other'" in output and "there are: lefts" in output
