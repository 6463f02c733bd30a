"""Files as people look at them in MLflow: rows of JSON become tables, in the format of its `log_table`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere.text import reading

Table = tuple[list[str], list[list[Any]]]  # columns and rows
ROWS = 10_000  # of a table; the whole file lies beside it
HEADS = {"confusion": ["gold", "predicted", "count"]}  # of tables whose rows are lists


def tables(path: Path) -> Iterator[tuple[str, str]]:
    """(name, MLflow's JSON) of every table in the file `path`, or in the files of the folder `path`.

    A table is a list of mappings or, under a name in HEADS, of lists; a JSON-lines file is one. The name is the
    file's, and the place in it: "roformer_sim/paraphrases".
    """
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        for name, (columns, rows) in _found(file):
            table = {"columns": columns, "data": rows[:ROWS]}
            yield f"{file.stem}{name}", json.dumps(table, ensure_ascii=False)


def _found(file: Path) -> Iterator[tuple[str, Table]]:
    if file.suffix == ".jsonl":
        yield from _in([json.loads(line) for _, line in reading.lines(file) if line.strip()], "")
    elif file.suffix == ".json":
        yield from _in(json.loads(file.read_text(encoding="utf-8")), "")


def _in(value: Any, name: str) -> Iterator[tuple[str, Table]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _in(item, f"{name}/{key}")
    elif isinstance(value, list) and value:
        head = HEADS.get(name.rpartition("/")[2])
        if all(isinstance(row, Mapping) for row in value):
            columns = list(dict.fromkeys(key for row in value for key in row))
            yield name, (columns, [[_cell(row.get(column)) for column in columns] for row in value])
        elif head and all(isinstance(row, Sequence) and len(row) == len(head) for row in value):
            yield name, (head, [[_cell(item) for item in row] for row in value])


def _cell(value: Any) -> Any:
    """Numbers and texts as they are; lists of texts one under the other, anything else as JSON."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, Mapping)) else value
