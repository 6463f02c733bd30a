"""What MLflow runs to serve one of our models; pipeline/serving/packaging.py puts it into the model's folder.

Whatever needs torch is imported where a model is loaded: logging the model runs this file too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from rosphere.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

Requested = Mapping[str, Any]  # the parameters that came with the texts
Answer = Callable[["Loaded", "DataFrame", Requested], dict[str, list[Any]]]  # columns


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model of one of the kinds and its tokenizer, which a static encoder has inside."""

    model: Any
    tokenizer: Any = None


def _others(given: DataFrame, said: str) -> list[str]:
    if "other" not in given or given["other"].isna().any():
        raise InputError(f"other: expected a text {said}")
    return list(given["other"])


def _sentence_encoder(place: Path) -> Any:
    from rosphere.similarity import folder

    return folder.load(place)


def _static_encoder(place: Path) -> Any:
    from rosphere.static import folder

    return folder.load(place)


def _encoded(loaded: Loaded, texts: list[str]) -> Any:
    from rosphere.similarity import encoding

    if loaded.tokenizer is None:
        return loaded.model.encode(texts)
    return encoding.encode(loaded.model, loaded.tokenizer, texts)


def _sentence_vectors(loaded: Loaded, given: DataFrame, requested: Requested) -> dict[str, list[Any]]:
    return {"vector": _encoded(loaded, list(given["text"])).astype(float).tolist()}


def _cosines(loaded: Loaded, given: DataFrame, requested: Requested) -> dict[str, list[Any]]:
    written = "" if loaded.tokenizer is None else ", for paraphrases task: generate"
    others = _others(given, f"to compare with in every row; for vectors say task: encode{written}")
    vectors = _encoded(loaded, [*given["text"], *others])
    return {"cosine": (vectors[: len(others)] * vectors[len(others) :]).sum(1).astype(float).tolist()}


def _paraphrases(loaded: Loaded, given: DataFrame, requested: Requested) -> dict[str, list[Any]]:
    from rosphere.similarity import generation
    from rosphere.similarity.defaults import KEEP

    how = {key: requested[key] for key in ("samples", "top_p", "seed") if key in requested}
    how["edits"] = not requested.get("freely", False)
    found = generation.paraphrases_of_each(
        loaded.model, loaded.tokenizer, list(given["text"]), keep=requested.get("count", KEEP), **how
    )
    return {
        "paraphrases": [[sentence for sentence, _ in each] for each in found],
        "cosines": [[cosine for _, cosine in each] for each in found],
    }


def _text_vae(place: Path) -> Any:
    from rosphere.vae import folder

    return folder.load(place)


def _points(loaded: Loaded, given: DataFrame, requested: Requested) -> dict[str, list[Any]]:
    from rosphere.vae import latents

    return {"vector": latents.encode(loaded.model, loaded.tokenizer, list(given["text"])).double().tolist()}


def _ways(loaded: Loaded, given: DataFrame, requested: Requested) -> dict[str, list[Any]]:
    from rosphere.vae.decoding import interpolate

    pairs = zip(given["text"], _others(given, "to go to in every row"), strict=True)
    ways = [interpolate(loaded.model, loaded.tokenizer, *pair, steps=requested.get("steps", 7)) for pair in pairs]
    return {"way": [[sentence for _, sentence in way] for way in ways]}


def _encoder(place: Path) -> Any:
    from rosphere.encoder import folder

    return folder.load(place, fresh_head=True)  # of which nothing is asked


def _means(loaded: Loaded, given: DataFrame, requested: Requested) -> dict[str, list[Any]]:
    """The mean of the last hidden states, for the encoder has learnt no sentence vector."""
    from rosphere.similarity import encoding

    return {"vector": encoding.mean_pooled(loaded.model, loaded.tokenizer, list(given["text"])).astype(float).tolist()}


def _task_model(place: Path) -> Any:
    from rosphere.clue import folder

    return folder.load(place)


def _answers(loaded: Loaded, given: DataFrame, requested: Requested) -> dict[str, list[Any]]:
    from rosphere.clue import predicting

    task = loaded.model.task
    rows = [_row(task, number, values) for number, values in enumerate(given.to_dict("records"), 1)]
    judged = predicting.judge(loaded.model, rows, loaded.tokenizer)
    said = [predicting.value(task, row, each) for row, each in zip(rows, judged, strict=True)]
    found: dict[str, list[Any]] = {
        "answer": [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in said]
    }
    if judged and judged[0].probabilities:
        found["labels"] = [list(task.labels) or [str(n) for n in range(len(each.probabilities))] for each in judged]
        found["probabilities"] = [each.probabilities for each in judged]
    return found


def _row(task: Any, number: int, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row of a task: "row" as JSON, or "text" and, of a pair, "other"."""
    from rosphere.clue import predicting

    given = {key: value for key, value in values.items() if isinstance(value, str)}
    try:
        if "row" not in given:
            return predicting.row_of(task, [given[key] for key in ("text", "other") if key in given])
        row = json.loads(given["row"])
        if not isinstance(row, dict):
            raise InputError(f"row: expected an object with the fields {', '.join(task.fields)}")
        return predicting.asked(task, row)
    except json.JSONDecodeError as error:
        raise InputError(f"{number}: row: not JSON ({error})") from error
    except InputError as error:
        raise InputError(f"{number}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Kind:
    mark: str  # a file of the folder, by which rosphere.cli.models knows the kind too
    load: Callable[[Path], Any]
    answers: Mapping[str, Answer]  # by task
    default: str  # the task if none is named


STATIC = Kind(  # modules.json lists a StaticEmbedding in it
    mark="modules.json",
    load=_static_encoder,
    answers={"encode": _sentence_vectors, "similar": _cosines},
    default="similar",
)
KINDS = (
    Kind(
        mark="modules.json",
        load=_sentence_encoder,
        answers={"encode": _sentence_vectors, "similar": _cosines, "generate": _paraphrases},
        default="similar",
    ),
    Kind(mark="vae.json", load=_text_vae, answers={"encode": _points, "interpolate": _ways}, default="encode"),
    Kind(mark="head.safetensors", load=_task_model, answers={"predict": _answers}, default="predict"),
    Kind(mark="config.json", load=_encoder, answers={"encode": _means}, default="encode"),
)


class Served(PythonModel):
    """Texts in; out what the folder's kind of model makes of them in the task that is asked for."""

    def load_context(self, context: PythonModelContext) -> None:
        from rosphere.encoder import modules
        from rosphere.text.tokenizer import Tokenizer
        from rosphere.training import processes

        place = Path(context.artifacts["model"])
        if modules.static(place):
            self.kind, self.loaded = STATIC, Loaded(model=STATIC.load(place))
            return
        self.kind = next(kind for kind in KINDS if (place / kind.mark).is_file())
        self.loaded = Loaded(model=self.kind.load(place).to(processes.device()), tokenizer=Tokenizer(place))

    def predict(
        self, context: PythonModelContext, model_input: DataFrame, params: dict[str, Any] | None = None
    ) -> DataFrame:
        import pandas

        requested, answers = params or {}, self.kind.answers
        task = requested.get("task", self.kind.default)
        if task not in answers:
            raise InputError(f"task: expected one of {', '.join(answers)}, got {task!r}")
        return pandas.DataFrame(answers[task](self.loaded, model_input, requested))


set_model(Served())
