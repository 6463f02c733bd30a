"""The MLflow model: what it answers is what the library says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from pipeline.serving import packaging
from rosphere.clue import folder as task_folder
from rosphere.clue import predicting
from rosphere.clue.declared import Declared
from rosphere.clue.model import TaskModel
from rosphere.encoder import folder as encoder_folder
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.similarity import encoding, generation
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from rosphere.static import folder as static_folder
from rosphere.static import pieces as static_pieces
from rosphere.static.folder import StaticEncoder
from rosphere.text.tokenizer import Tokenizer
from rosphere.vae import folder, latents
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.decoding import interpolate
from rosphere.vae.model import SentenceVAE, Shape
from tests import tiny

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.integration]  # of MLflow
TEXTS, OTHERS = ["怎么退货", "今天天气不错"], ["如何退货", "卡"]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.tokenizer(tmp_path_factory.mktemp("pieces"), [*TEXTS, *OTHERS]).folder


@pytest.fixture(scope="module")
def language(pieces: Path) -> MaskedLanguageModel:
    return tiny.language(len(Tokenizer(pieces)), **tiny.ONE_BLOCK)


@pytest.fixture(scope="module")
def encoder(pieces: Path, language: MaskedLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    similarity.save(SimilarityModel(language), folder, tokenizer=pieces)
    return folder


@pytest.fixture(scope="module")
def target(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("served") / "model"
    packaging.save(encoder, target)
    return target


def test_what_is_served_is_what_the_library_says(encoder: Path, target: Path) -> None:
    from mlflow import pyfunc

    served = pyfunc.load_model(str(target))
    model, pieces = similarity.load(encoder), Tokenizer(encoder)
    one, two = (encoding.encode(model, pieces, texts) for texts in (TEXTS, OTHERS))
    found = served.predict(pandas.DataFrame({"text": TEXTS, "other": OTHERS}))
    np.testing.assert_allclose(found["cosine"], (one * two).sum(1), atol=1e-6)
    asked = {"task": "generate", "samples": 6, "count": 2, "top_p": 1.0, "seed": 3}
    written = served.predict(pandas.DataFrame({"text": TEXTS}), params=asked)
    expected = generation.paraphrases_of_each(model, pieces, TEXTS, samples=6, keep=2, top_p=1.0, seed=3)
    assert written["paraphrases"].tolist() == [[sentence for sentence, _ in each] for each in expected]
    assert written["cosines"].tolist() == [[cosine for _, cosine in each] for each in expected]


def test_the_folder_holds_a_signature_an_example_and_no_pickle(target: Path) -> None:
    from mlflow.models import Model

    about = Model.load(str(target))
    assert [column.name for column in about.signature.inputs] == ["text", "other"]
    assert about.load_input_example(str(target)).columns.tolist() == ["text", "other"]
    assert not list(target.rglob("*.pkl"))


def test_refusals(encoder: Path, target: Path, tmp_path: Path) -> None:
    from mlflow import pyfunc

    served = pyfunc.load_model(str(target))
    with pytest.raises(InputError, match="other: expected a text to compare with in every row"):
        served.predict(pandas.DataFrame({"text": TEXTS}))
    with pytest.raises(InputError, match="task: expected one of encode, similar, generate, got 'sing'"):
        served.predict(pandas.DataFrame({"text": TEXTS}), params={"task": "sing"})
    with pytest.raises(InputError, match="exists already"):
        packaging.save(encoder, target)
    with pytest.raises(InputError, match="expected one of modules.json, vae.json, .*, found none"):
        packaging.save(tmp_path, tmp_path / "new")


def test_a_static_encoder_is_served(tmp_path: Path) -> None:
    from mlflow import pyfunc

    known = static_pieces.chosen([*TEXTS, *OTHERS], 30)
    table = np.random.default_rng(0).standard_normal((len(known), 6)).astype(np.float32)
    model = StaticEncoder(backend=static_pieces.tokenizer(known), table_PD=table)
    static_folder.save(model, tmp_path / "model")
    packaging.save(tmp_path / "model", tmp_path / "served")
    served = pyfunc.load_model(str(tmp_path / "served"))
    one, two = map(model.encode, (TEXTS, OTHERS))
    found = served.predict(pandas.DataFrame({"text": TEXTS, "other": OTHERS}))
    np.testing.assert_allclose(found["cosine"], (one * two).sum(1), atol=1e-6)
    vectors = served.predict(pandas.DataFrame({"text": TEXTS}), params={"task": "encode"})["vector"]
    np.testing.assert_allclose(np.stack(vectors.tolist()), one, atol=1e-6)
    with pytest.raises(InputError, match="task: expected one of encode, similar, got 'generate'"):
        served.predict(pandas.DataFrame({"text": TEXTS}), params={"task": "generate"})
    with pytest.raises(InputError, match="in every row; for vectors say task: encode$"):
        served.predict(pandas.DataFrame({"text": TEXTS}))


def test_a_pretrained_encoder_is_served(pieces: Path, language: MaskedLanguageModel, tmp_path: Path) -> None:
    from mlflow import pyfunc

    encoder_folder.save(language, tmp_path / "model", tokenizer=pieces)
    packaging.save(tmp_path / "model", tmp_path / "served")
    served = pyfunc.load_model(str(tmp_path / "served"))
    found = served.predict(pandas.DataFrame({"text": TEXTS}))
    expected = encoding.mean_pooled(encoder_folder.load(tmp_path / "model"), Tokenizer(pieces), TEXTS)
    np.testing.assert_allclose(np.stack(found["vector"].tolist()), expected, atol=1e-6)
    with pytest.raises(InputError, match="task: expected one of encode, got 'similar'"):
        served.predict(pandas.DataFrame({"text": TEXTS}), params={"task": "similar"})


def test_a_text_vae_is_served(pieces: Path, language: MaskedLanguageModel, tmp_path: Path) -> None:
    from mlflow import pyfunc

    torch.manual_seed(1)
    shape = Shape(kind="vmf", latent=5, kappa=20.0, fresh_decoder=FreshDecoder(layers=1, width=16), word_dropout=0.0)
    folder.save(
        SentenceVAE(language, shape, mask_token=Tokenizer(pieces).mask).eval(), tmp_path / "model", tokenizer=pieces
    )
    packaging.save(tmp_path / "model", tmp_path / "served")
    served = pyfunc.load_model(str(tmp_path / "served"))
    model, words = folder.load(tmp_path / "model"), Tokenizer(pieces)
    both = pandas.DataFrame({"text": TEXTS, "other": OTHERS})
    found = np.stack(served.predict(both)["vector"].tolist())
    np.testing.assert_allclose(found, latents.encode(model, words, TEXTS), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    ways = served.predict(both, params={"task": "interpolate", "steps": 4})["way"].tolist()
    assert [len(way) for way in ways] == [4, 4]
    for way, first, last in zip(ways, TEXTS, OTHERS, strict=True):
        assert way == [sentence for _, sentence in interpolate(model, words, first, last, steps=4)]
    with pytest.raises(InputError, match="other: expected a text to go to in every row"):
        served.predict(pandas.DataFrame({"text": TEXTS}), params={"task": "interpolate"})
    with pytest.raises(InputError, match="task: expected one of encode, interpolate, got 'sing'"):
        served.predict(both, params={"task": "sing"})


TASKS = {
    "tickets": (Declared(kind="classification", labels=("退款", "物流")), {"text": TEXTS}),
    "same": (Declared(kind="classification", labels=("0", "1"), pair=True), {"text": TEXTS, "other": OTHERS}),
    "places": (Declared(kind="entities", labels=("地名",)), {"text": TEXTS}),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_tasks_model_is_served(name: str, pieces: Path, tmp_path: Path) -> None:
    from mlflow import pyfunc

    own, columns = TASKS[name]
    model = tiny.shaken(TaskModel(tiny.encoder(len(Tokenizer(pieces))), own.task(name), means=True))
    task_folder.save(model, tmp_path / "model", tokenizer=pieces, own=own)  # type: ignore[arg-type]
    packaging.save(tmp_path / "model", tmp_path / "served")
    served = pyfunc.load_model(str(tmp_path / "served"))
    found = served.predict(pandas.DataFrame(columns))
    loaded = task_folder.load(tmp_path / "model")
    rows = [predicting.row_of(loaded.task, texts) for texts in zip(*columns.values(), strict=True)]
    judged = predicting.judge(loaded, rows, Tokenizer(pieces))
    said = [predicting.value(loaded.task, row, each) for row, each in zip(rows, judged, strict=True)]
    assert found["answer"].tolist() == [
        each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in said
    ]
    if own.kind == "classification":
        assert found["labels"].tolist() == [list(own.labels)] * 2
        np.testing.assert_allclose(found["probabilities"].tolist(), [each.probabilities for each in judged], atol=1e-6)
    as_rows = pandas.DataFrame({"row": [json.dumps({**row, loaded.task.gold: "?"}) for row in rows]})
    assert served.predict(as_rows)["answer"].tolist() == found["answer"].tolist()
    for row, expected in (("{", "1: row: not JSON"), ("[]", "1: row: expected an object"), ("{}", "is missing")):
        with pytest.raises(InputError, match=expected):
            served.predict(pandas.DataFrame({"row": [row]}))
