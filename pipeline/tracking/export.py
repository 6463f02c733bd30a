"""Files as people look at them in MLflow: rows of JSON become tables, in the format of its `log_table`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere.text import reading

Table = tuple[list[str], list[list[Any]]]  # columns and rows
ROWS = 10_000  # of a table; the whole file lies beside it
HEADS = {"confusion": ["gold", "predicted", "count"]}  # of tables whose rows are lists


def files(kept: Path) -> list[Path]:
    """The files in which there may be tables: `kept`, or those in the folder `kept`."""
    found = sorted(kept.rglob("*")) if kept.is_dir() else [kept]
    return [file for file in found if file.suffix in (".json", ".jsonl")]


def tables(file: Path) -> Iterator[tuple[str, str]]:
    """(name, MLflow's JSON) of every table in a file.

    A table is a list of mappings or, under a name in HEADS, of lists; a JSON-lines file is one. The name is the
    file's, and the place in it: "roformer_sim/paraphrases".

    Raises:
        ValueError: it is no JSON, or no UTF-8.
    """
    for name, (columns, rows) in _in(_value(file), ""):
        table = {"columns": columns, "data": rows[:ROWS]}
        yield f"{file.stem}{name}", json.dumps(table, ensure_ascii=False)


def _value(file: Path) -> Any:
    """What the file holds. CLUE wants JSON lines in submissions that are called `.json`: then a list of them."""
    lines = [line for _, line in reading.lines(file) if line.strip()]
    if file.suffix == ".jsonl" or _several(lines):
        return [json.loads(line) for line in lines]
    return json.loads("\n".join(lines))


def _several(lines: list[str]) -> bool:
    """Whether each line is a value of its own: then the first is one already, and another follows."""
    if len(lines) < 2:
        return False
    try:
        json.loads(lines[0])
    except ValueError:
        return False
    return True


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
