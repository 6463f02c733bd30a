"""Teachers of every kind: our folder, a folder of others, a file; what is computed once and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rosphere.errors import InputError
from rosphere.similarity import encoding, foreign, teacher_vectors, teachers
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.vectors import unit
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

TEXTS = ["怎么退货", "如何退货？", "今天天气不错", "卡"]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    pieces = tiny.tokenizer(folder / "pieces", TEXTS)
    model = SimilarityModel(tiny.language(len(pieces), **tiny.ONE_BLOCK))
    model.pooler.weight.data += torch.randn(16, 16)
    similarity.save(model, folder / "model", tokenizer=folder / "pieces")
    return folder / "model"


def test_our_own_folder(ours: Path) -> None:
    expected = encoding.encode(similarity.load(ours), Tokenizer(ours), TEXTS)
    np.testing.assert_array_equal(teachers.vectors(ours, TEXTS, max_length=64), expected)


@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_a_folder_without_our_dense_layer_is_read_by_sentence_transformers(ours: Path, tmp_path: Path) -> None:
    """A plain Hugging Face folder: the mean of the last states."""
    for path in ours.iterdir():
        if path.is_file() and "sentence" not in path.name and path.name != "modules.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    expected = encoding.mean_pooled(similarity.load(ours).language, Tokenizer(ours), TEXTS)
    np.testing.assert_allclose(teachers.vectors(tmp_path, TEXTS, max_length=64), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # of other libraries
@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("2_Dense", "activation_function", "torch.nn.modules.activation.Tanh"),  # as in LaBSE
        ("1_Pooling", "pooling_mode_mean_tokens", True),
    ],
)
def test_a_folder_with_another_head_is_read_by_sentence_transformers(
    ours: Path, tmp_path: Path, file: str, key: str, value: object
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tmp_path / "theirs"
    shutil.copytree(ours, folder)
    settings = json.loads((folder / file / "config.json").read_text())
    settings = {name: setting for name, setting in settings.items() if not name.startswith("pooling_mode")}
    (folder / file / "config.json").write_text(json.dumps({**settings, key: value}))
    expected = unit(SentenceTransformer(str(folder)).encode(TEXTS))
    found = teachers.vectors(folder, TEXTS, max_length=64)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - np.asarray(teachers.vectors(ours, TEXTS, max_length=64))).max() > 0.05


@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_a_teacher_stored_in_half_precision_is_computed_in_float32(ours: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(ours, folder)
    for path in (folder / "model.safetensors", folder / similarity.DENSE / "model.safetensors"):
        save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    model = similarity.load(folder)
    assert model.pooler.weight.dtype == torch.float32
    expected = encoding.encode(model, Tokenizer(folder), TEXTS)
    by_others = foreign.encode(foreign.load(folder, max_length=64), TEXTS)
    np.testing.assert_allclose(by_others, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(teachers.vectors(folder, TEXTS, max_length=64), expected, rtol=0, atol=1e-5)


def test_a_list_is_computed_once_by_each_length(ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = teachers.vectors(ours, TEXTS, max_length=64, cache=tmp_path)
    np.testing.assert_array_equal(first, encoding.encode(similarity.load(ours), Tokenizer(ours), TEXTS))
    calls = []
    real = encoding.encode
    monkeypatch.setattr(encoding, "encode", lambda *a, **kw: calls.append((a[2], kw["max_length"])) or real(*a, **kw))
    monkeypatch.setattr(similarity, "load", lambda folder, load=similarity.load: calls.append("loaded") or load(folder))
    again = teachers.vectors(ours, TEXTS, max_length=64, cache=tmp_path)
    np.testing.assert_array_equal(again, first)
    assert calls == []
    teachers.vectors(ours, TEXTS, max_length=4, cache=tmp_path)
    assert calls == ["loaded", (TEXTS, 4)]


def test_other_weights_are_another_teacher(ours: Path, tmp_path: Path) -> None:
    for path in [path for path in ours.rglob("*") if path.is_file()]:
        copy = tmp_path / "copy" / path.relative_to(ours)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert teachers._content(tmp_path / "copy", 64) == teachers._content(ours, 64)
    dense = tmp_path / "copy" / similarity.DENSE / "model.safetensors"
    dense.write_bytes(dense.read_bytes()[:-1] + b"\7")
    assert teachers._content(tmp_path / "copy", 64) != teachers._content(ours, 64)


def test_a_file_gives_each_text_its_own_vector_as_a_unit_vector(tmp_path: Path) -> None:
    table = np.random.default_rng(0).standard_normal((4, 7))
    teacher_vectors.write(tmp_path / "v.safetensors", TEXTS, table)
    found = teachers.vectors(tmp_path / "v.safetensors", [TEXTS[2], TEXTS[0], TEXTS[2]], max_length=64)
    np.testing.assert_allclose(found, unit(table.astype(np.float32))[[2, 0, 2]], rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["v.safetensors"]


def test_refusals(ours: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: expected a teacher, a model's folder or a .safetensors file"):
        teachers.vectors(tmp_path / "nowhere", TEXTS, max_length=64)
    with pytest.raises(InputError, match=r"v.safetensors: expected a file of a teacher's vectors; none is there"):
        teachers.vectors(tmp_path / "v.safetensors", TEXTS, max_length=64)
    teacher_vectors.write(tmp_path / "v.safetensors", TEXTS[:2], np.eye(2))
    with pytest.raises(InputError, match=r"v.safetensors: has no vector for 2 of 4 sentences, such as '今天天气不错'"):
        teachers.vectors(tmp_path / "v.safetensors", TEXTS, max_length=64)
    with pytest.raises(InputError, match=r"expected the tensors 'vectors' and 'keys'"):
        teachers.vectors(ours / "model.safetensors", TEXTS, max_length=64)
    with pytest.raises(ValueError, match="a vector for each of 4 texts, got 2"):
        teacher_vectors.write(tmp_path / "w.safetensors", TEXTS, np.eye(2))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "gpt_of_nobody"}')
    with pytest.raises(InputError, match="odd: not a model that transformers can load"):
        teachers.vectors(tmp_path / "odd", TEXTS, max_length=64)
