"""Rows of Apache Parquet files, some thousand at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rosphere.errors import InputError, first_line
from rosphere.text.reading import Meter

ROWS = 1024  # that are in memory at once, beside the row group that they are unpacked from


def rows(path: Path, columns: Sequence[str], meter: Meter | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file, row N; the row's values by name), of ``columns`` where some are named.

    Raises:
        InputError: it is no Parquet file, or has no such column.
    """
    import pyarrow
    from pyarrow import parquet

    before, size = meter.done if meter else 0, path.stat().st_size
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                there = ", ".join(file.schema_arrow.names)
                raise InputError(f"{path}: expected a column {missing[0]!r}, it has {there}")
            for batch in file.iter_batches(batch_size=ROWS, columns=list(columns) or None):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
                if meter:
                    meter.done = before + size * number // max(1, file.metadata.num_rows)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 in one of the {ROWS} rows after row {number}") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a Parquet file that can be read: {first_line(error)}") from error
