"""What MLflow runs to serve a text VAE; pipeline/serving/packaging.py puts it into the model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from rosphere.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

TASKS = ("encode", "interpolate")


class Served(PythonModel):
    """Texts in; points of the latent space, or sentences on the way from one to another, out."""

    def load_context(self, context: PythonModelContext) -> None:
        from rosphere.text.tokenizer import Tokenizer
        from rosphere.training import processes
        from rosphere.vae import folder

        place = Path(context.artifacts["model"])
        self.model, self.tokenizer = folder.load(place).to(processes.device()), Tokenizer(place)

    def predict(
        self, context: PythonModelContext, model_input: DataFrame, params: dict[str, Any] | None = None
    ) -> DataFrame:
        import pandas

        from rosphere.vae import latents
        from rosphere.vae.decoding import interpolate

        requested = params or {}
        task = requested.get("task", "encode")
        if task not in TASKS:
            raise InputError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
        texts = list(model_input["text"])
        if task == "encode":
            points = latents.encode(self.model, self.tokenizer, texts)
            return pandas.DataFrame({"vector": points.double().tolist()})
        if "other" not in model_input or model_input["other"].isna().any():
            raise InputError("other: expected a text to go to in every row")
        ways = [
            interpolate(self.model, self.tokenizer, first, last, steps=requested.get("steps", 7))
            for first, last in zip(texts, model_input["other"], strict=True)
        ]
        return pandas.DataFrame({"way": [[sentence for _, sentence in way] for way in ways]})


set_model(Served())
