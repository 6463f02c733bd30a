"""Our model folders as MLflow models: code, files and pinned requirements, never a pickle.

    python -m pipeline.serving [--model models/roformer_sim] [--target models/served]
    mlflow models serve -m models/served --env-manager local --host 127.0.0.1

The package rosphere travels inside, so that an environment with the requirements alone can serve.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosphere.errors import InputError
from rosphere.similarity.defaults import KEEP, SAMPLES, TOP_P

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

MODEL, TARGET = Path("models/roformer_sim"), Path("models/served")
REQUIRED = ("mlflow", "numpy", "pandas", "safetensors", "tokenizers", "torch")
MARKS = ("modules.json", "vae.json", "config.json")  # of a sentence encoder, a text VAE, an encoder: in this order


def described(model: Path, certificates: Sequence[Path] = ()) -> dict[str, Any]:
    """The arguments of pyfunc.save_model for one of our model folders, as it is or with certificates beside it.

    Input: a column "text" and, where two are compared, a column "other". Output: "vector" (task "encode"); of a
    sentence encoder also "cosine" ("similar"), "paraphrases" and their "cosines" ("generate"); of a text VAE "way",
    sentences from the one to the other ("interpolate"). Other parameters: "samples", "count", "top_p", "seed"; "steps".
    """
    import pandas

    marks = [mark for mark in MARKS if (model / mark).is_file()]
    if not marks:
        raise InputError(f"{model}: expected one of {', '.join(MARKS)}, found none: not a model of ours")
    two = marks[0] != "config.json"
    example = {"text": ["怎么退货", "怎么退货"], **({"other": ["如何退货", "今天天气不错"]} if two else {})}
    return {
        "python_model": str(Path(__file__).with_name("served.py")),
        "artifacts": {"model": str(model), **{path.name.replace(".", "_"): str(path) for path in certificates}},
        "signature": _signature(marks[0]),
        "input_example": pandas.DataFrame(example),
        "pip_requirements": [f"{name}=={version(name).partition('+')[0]}" for name in REQUIRED],
        "code_paths": [_package()],
    }


def _package() -> str:
    spec = find_spec("rosphere")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent)


def _signature(mark: str) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    text, number = DataType.string, DataType.double
    inputs: list[Any] = [ColSpec(text, "text")]
    outputs: list[Any] = [ColSpec(Array(number), "vector", required=False)]
    defaults: dict[str, dict[str, Any]] = {
        "modules.json": {
            "task": "similar",
            "samples": SAMPLES,
            "count": KEEP,
            "top_p": TOP_P,
            "seed": 0,
            "freely": False,
        },
        "vae.json": {"task": "encode", "steps": 7},
        "config.json": {"task": "encode"},
    }
    if mark != "config.json":
        inputs.append(ColSpec(text, "other", required=False))
    if mark == "modules.json":
        outputs += [
            ColSpec(number, "cosine", required=False),
            ColSpec(Array(text), "paraphrases", required=False),
            ColSpec(Array(number), "cosines", required=False),
        ]
    elif mark == "vae.json":
        outputs.append(ColSpec(Array(text), "way", required=False))
    kinds = {str: text, bool: DataType.boolean, int: DataType.integer, float: number}
    specs = [ParamSpec(name, kinds[type(value)], value) for name, value in defaults[mark].items()]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs), params=ParamSchema(specs))


def save(model: Path, target: Path) -> None:
    """Writes the MLflow model ``target`` around one of our model folders."""
    from mlflow import pyfunc

    if target.exists():
        raise InputError(f"{target}: exists already; remove it, or choose another folder with --target")
    pyfunc.save_model(path=target, **described(model))


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
