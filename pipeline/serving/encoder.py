"""What MLflow runs to serve a pretrained encoder; pipeline/serving/packaging.py puts it into the model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from rosphere.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame


class Served(PythonModel):
    """Texts in, unit vectors out: the mean of the last hidden states, for the encoder has learnt no sentence vector."""

    def load_context(self, context: PythonModelContext) -> None:
        from rosphere.encoder import folder
        from rosphere.text.tokenizer import Tokenizer
        from rosphere.training import processes

        place = Path(context.artifacts["model"])
        self.model, self.tokenizer = folder.load(place).to(processes.device()), Tokenizer(place)

    def predict(
        self, context: PythonModelContext, model_input: DataFrame, params: dict[str, Any] | None = None
    ) -> DataFrame:
        import pandas

        from rosphere.similarity import encoding

        task = (params or {}).get("task", "encode")
        if task != "encode":
            raise InputError(f"task: expected encode, got {task!r}")
        vectors = encoding.mean_pooled(self.model, self.tokenizer, list(model_input["text"]))
        return pandas.DataFrame({"vector": vectors.astype(float).tolist()})


set_model(Served())
