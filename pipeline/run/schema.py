"""Writes params.schema.json, by which editors complete and check params.yaml: python -m pipeline.run.schema

It comes from the declarations that the stages themselves are read by (JSON Schema, draft 2020-12). What depends on more
than one value, such as sizes that can be grown, only `python -m pipeline.run.check` sees.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from pipeline.run import check
from pipeline.run.typed import strict
from rosphere import files
from rosphere.errors import InputError

PATH = Path("params.schema.json")


def schema() -> dict[str, Any]:
    """Of the whole of params.yaml, every section of it required."""
    config = strict()
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False  # "Log Every" beside log_every says nothing

    params = dataclasses.make_dataclass("Params", check.types().items(), namespace={"__pydantic_config__": config})
    made = TypeAdapter(params).json_schema(schema_generator=Untitled)
    return {"$schema": Untitled.schema_dialect, **made, "title": "params.yaml"}


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    try:
        files.write_text(PATH, text())
    except InputError as error:
        sys.exit(f"error: {PATH}: {error}")


if __name__ == "__main__":
    main()
