"""What MLflow runs to serve a sentence encoder; pipeline/serving/packaging.py puts it into the model's folder.

Whatever needs torch is imported where a model is loaded: logging the model runs this file too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from rosphere.errors import InputError
from rosphere.similarity.defaults import KEEP

if TYPE_CHECKING:
    from pandas import DataFrame

TASKS = ("encode", "similar", "generate")


class Served(PythonModel):
    """Texts in; vectors, cosines or paraphrases out."""

    def load_context(self, context: PythonModelContext) -> None:
        from rosphere.similarity import model as similarity
        from rosphere.text.tokenizer import Tokenizer
        from rosphere.training import processes

        folder = Path(context.artifacts["model"])
        self.model, self.tokenizer = similarity.load(folder).to(processes.device()), Tokenizer(folder)

    def predict(
        self, context: PythonModelContext, model_input: DataFrame, params: dict[str, Any] | None = None
    ) -> DataFrame:
        wish = params or {}
        task = wish.get("task", "similar")
        if task not in TASKS:
            raise InputError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
        texts = list(model_input["text"])
        if task == "encode":
            return self._encoded(texts)
        if task == "generate":
            return self._generated(texts, {key: wish[key] for key in ("samples", "top_p", "seed") if key in wish}, wish)
        if "other" not in model_input or model_input["other"].isna().any():
            raise InputError(
                "other: expected a text to compare with in every row; for vectors say task: encode, for paraphrases "
                "task: generate"
            )
        return self._compared(texts, list(model_input["other"]))

    def _encoded(self, texts: list[str]) -> DataFrame:
        import pandas

        from rosphere.similarity import encoding

        return pandas.DataFrame({"vector": encoding.encode(self.model, self.tokenizer, texts).astype(float).tolist()})

    def _compared(self, texts: list[str], others: list[str]) -> DataFrame:
        import pandas

        from rosphere.similarity import encoding

        vectors = encoding.encode(self.model, self.tokenizer, [*texts, *others])
        return pandas.DataFrame({"cosine": (vectors[: len(texts)] * vectors[len(texts) :]).sum(1).astype(float)})

    def _generated(self, texts: list[str], how: dict[str, Any], wish: dict[str, Any]) -> DataFrame:
        import pandas

        from rosphere.similarity import generation

        found = generation.paraphrases_of_each(self.model, self.tokenizer, texts, keep=wish.get("count", KEEP), **how)
        return pandas.DataFrame(
            {
                "paraphrases": [[sentence for sentence, _ in each] for each in found],
                "cosines": [[cosine for _, cosine in each] for each in found],
            }
        )


set_model(Served())
