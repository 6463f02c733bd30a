"""Our model folders as MLflow models: code, files and pinned requirements, never a pickle.

    python -m pipeline.serving [--model models/roformer_sim] [--target models/served]
    mlflow models serve -m models/served --env-manager local --host 127.0.0.1

The package rosphere travels inside, so that an environment with the requirements alone can serve.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosphere.cli import models
from rosphere.encoder import modules
from rosphere.errors import InputError
from rosphere.similarity.defaults import KEEP, SAMPLES, TOP_P

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

MODEL, TARGET = Path("models/roformer_sim"), Path("models/served")
STATIC = "static"  # in place of a mark: of sentence encoders those that are a table
REQUIRED = ("mlflow", "numpy", "pandas", "safetensors", "tokenizers", "torch")


def described(model: Path, certificates: Sequence[Path] = ()) -> dict[str, Any]:
    """The arguments of pyfunc.save_model for one of our model folders, as it is or with certificates beside it.

    Input: a column "text" and, where two are compared, a column "other". Output: "vector" (task "encode"); of a
    sentence encoder also "cosine" ("similar"), "paraphrases" and their "cosines" ("generate"), which a static one does
    not write; of a text VAE "way",
    sentences from the one to the other ("interpolate"). Other parameters: "samples", "count", "top_p", "seed"; "steps".

    Of a model that was fine-tuned on a task: "answer", as `rosphere predict` has it (what is no text as JSON), and
    where one of several is chosen "labels" with their "probabilities". A task that is asked about something else than
    one text or two takes "row", the JSON object of its fields.
    """
    import pandas

    static = modules.static(model)
    mark = STATIC if static else models.mark(model)
    required = (*REQUIRED, "scipy") if static else REQUIRED
    return {
        "python_model": str(Path(__file__).with_name("served.py")),
        "artifacts": {"model": str(model), **{path.name.replace(".", "_"): str(path) for path in certificates}},
        "signature": _signature(mark),
        "input_example": pandas.DataFrame(_example(model, mark)),
        "pip_requirements": [f"{name}=={version(name).partition('+')[0]}" for name in required],
        "code_paths": [_package()],
    }


def _example(model: Path, mark: str) -> dict[str, list[str]]:
    texts = {"text": ["怎么退货", "怎么退货"]}
    two = {**texts, "other": ["如何退货", "今天天气不错"]}
    if mark != "head.safetensors":
        return texts if mark == "config.json" else two
    from rosphere.clue import predicting
    from rosphere.clue.folder import task_of

    fields = task_of(model).fields
    if fields == predicting.PAIR:
        return two
    return texts if fields in predicting.PLAIN else {"row": [json.dumps(dict.fromkeys(fields, ""))]}


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
        STATIC: {"task": "similar"},
        "vae.json": {"task": "encode", "steps": 7},
        "head.safetensors": {"task": "predict"},
        "config.json": {"task": "encode"},
    }
    if mark == "head.safetensors":
        inputs = [ColSpec(text, name, required=False) for name in ("text", "other", "row")]
        outputs = [
            ColSpec(text, "answer"),
            ColSpec(Array(text), "labels", required=False),
            ColSpec(Array(number), "probabilities", required=False),
        ]
    elif mark != "config.json":
        inputs.append(ColSpec(text, "other", required=False))
    if mark in (STATIC, "modules.json"):
        outputs.append(ColSpec(number, "cosine", required=False))
    if mark == "modules.json":
        outputs += [
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
