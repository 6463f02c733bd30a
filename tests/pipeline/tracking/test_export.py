"""Files become the tables that MLflow shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.tracking.export import ROWS, files, tables


def written(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_rows_of_a_report_become_tables_named_after_their_place(tmp_path: Path) -> None:
    report = {
        "paraphrases": [{"input": "怎么退货", "output": ["如何退货", "退货"]}, {"input": "卡"}],
        "vmf": {"neighbours": [{"near": {"a": 1}, "cosine": 0.5}]},
        "samples": ["no", "rows"],
        "nothing": [],
        "figures": {"recall": 0.5},
    }
    found = {name: json.loads(text) for name, text in tables(written(tmp_path / "sim.json", report))}
    assert found == {
        "sim/paraphrases": {"columns": ["input", "output"], "data": [["怎么退货", "如何退货\n退货"], ["卡", None]]},
        "sim/vmf/neighbours": {"columns": ["near", "cosine"], "data": [['{"a": 1}', 0.5]]},
    }


def test_predictions_and_their_confusion(tmp_path: Path) -> None:
    folder = tmp_path / "sentiment"
    folder.mkdir()
    (folder / "dev.jsonl").write_text('{"id": 0, "label": "1"}\n{"id": 1, "label": "0"}\n', encoding="utf-8")
    written(folder / "analysis.json", {"confusion": [["0", "1", 7]], "lengths": [[0, 16]]})
    found = {name: json.loads(text) for file in files(folder) for name, text in tables(file)}
    assert found == {
        "dev": {"columns": ["id", "label"], "data": [[0, "1"], [1, "0"]]},
        "analysis/confusion": {"columns": ["gold", "predicted", "count"], "data": [["0", "1", 7]]},
    }


def test_a_line_ends_where_json_lines_end(tmp_path: Path) -> None:
    """Not at a line separator, which JSON need not escape and str.splitlines takes for an end."""
    (tmp_path / "dev.jsonl").write_text('{"text": "你好\u2028世界"}\n\n{"text": "\x85"}\n', encoding="utf-8")
    [(name, table)] = tables(tmp_path / "dev.jsonl")
    assert (name, json.loads(table)["data"]) == ("dev", [["你好\u2028世界"], ["\x85"]])


def test_long_tables_are_cut_and_other_files_have_none(tmp_path: Path) -> None:
    [(_, text)] = tables(written(tmp_path / "long.json", [{"n": n} for n in range(ROWS + 5)]))
    assert len(json.loads(text)["data"]) == ROWS
    (tmp_path / "curve.csv").write_text("step,loss\n1,2\n")
    assert files(tmp_path / "curve.csv") == []


def test_a_submission_of_json_lines_is_a_table_whatever_its_name_ends_in(tmp_path: Path) -> None:
    (tmp_path / "c311_predict.json").write_text('{"id": 1, "label": 0}\n{"id": 2, "label": 3}\n', encoding="utf-8")
    (tmp_path / "one.json").write_text('{"id": 1, "label": 0}\n', encoding="utf-8")
    (tmp_path / "indented.json").write_text('{\n "rows": [\n  {"id": 1}\n ]\n}\n', encoding="utf-8")
    found = {name: json.loads(text) for file in files(tmp_path) for name, text in tables(file)}
    assert found == {
        "c311_predict": {"columns": ["id", "label"], "data": [[1, 0], [2, 3]]},
        "indented/rows": {"columns": ["id"], "data": [[1]]},
    }
