"""roformer_sim as an MLflow model: similarity and paraphrases behind one endpoint.

    python -m stages.serving [--model models/roformer_sim] [--target models/served]
    mlflow models serve -m models/served --env-manager local --host 127.0.0.1

Saved as code and files, never as a pickle: the environment that serves must have rosphere installed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rosphere.errors import InputError

MODEL, TARGET = Path("models/roformer_sim"), Path("models/served")
CODE = Path(__file__).with_name("served.py")


def save(model: Path, target: Path) -> None:
    """Writes the MLflow model ``target`` around the sentence encoder in the folder ``model``.

    Input: a column "text" and, for similarities, a column "other". Parameters: "task" ("similar" or "generate"),
    "samples", "count", "top_p" and "seed". Output: "cosine" of the two texts, or "paraphrases" and their "cosines".
    """
    import pandas
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    if target.exists():
        raise InputError(f"{target}: exists already; choose another folder")
    if not (model / "modules.json").is_file():
        raise InputError(f"{model}: expected a sentence encoder, modules.json is missing")
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "text"), ColSpec(DataType.string, "other", required=False)]),
        outputs=Schema(
            [
                ColSpec(DataType.double, "cosine", required=False),
                ColSpec(Array(DataType.string), "paraphrases", required=False),
                ColSpec(Array(DataType.double), "cosines", required=False),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("task", DataType.string, "similar"),
                ParamSpec("samples", DataType.integer, 50),
                ParamSpec("count", DataType.integer, 5),
                ParamSpec("top_p", DataType.double, 0.95),
                ParamSpec("seed", DataType.integer, 0),
            ]
        ),
    )
    pyfunc.save_model(
        path=target,
        python_model=str(CODE),
        artifacts={"model": str(model)},
        signature=signature,
        input_example=pandas.DataFrame({"text": ["怎么退货", "怎么退货"], "other": ["如何退货", "今天天气不错"]}),
        pip_requirements=["rosphere"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    try:
        save(options.model, options.target)
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"{options.target}: serve it with  mlflow models serve -m {options.target} --env-manager local")


if __name__ == "__main__":
    main()
