"""Exported folders: onnxruntime gives sentence-transformers' vectors and ours, alone and in padded batches."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rosphere.cli.app import main
from rosphere.encoder import folder as folders
from rosphere.errors import InputError
from rosphere.similarity import encoding, lexical
from rosphere.similarity import folder as similarity
from rosphere.similarity.model import SimilarityModel
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
from rosphere.export import checking, folder, graph, quantising, readme, running, source  # noqa: E402

# torch takes seconds to make a graph, and there are eight.
pytestmark = pytest.mark.integration

TEXTS = [
    "今天天气不错",
    "今天天气很好",
    "卡",
    "怎么办理信用卡？",
    "推荐一辆 red 车",
    "电影" * 40,
    "我不喜欢红苹果，你呢",
]
WIDE = "ＡＢＣ１２３，你好"  # which we cut as ABC123 and tokenizer.json as it is
PLACES = 96
KINDS: dict[str, dict[str, Any]] = {
    "cls": {"pooling": "cls"},
    "mean": {"pooling": "mean", "embedding_size": 16},
    "lexical": {"pooling": "mean", "lexical": True},
    "bert": {"pooling": "mean", "model_type": "bert"},
    "bert_cls_lexical": {"pooling": "cls", "model_type": "bert", "lexical": True},
    "roformer_v2": {"pooling": "cls", "model_type": "roformer_v2"},  # transformers knows none
    "smooth": {"pooling": "mean", "hidden_act": "smooth_relu_gaussian:0.5:learned"},  # nor this
}
SLOW = ("mean", "roformer_v2", "smooth")  # `lexical` has a mean as well
EVERY = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in KINDS]
THEIRS = [each for name, each in zip(KINDS, EVERY, strict=True) if name not in ("roformer_v2", "smooth")]


@dataclasses.dataclass(frozen=True)
class Exported:
    source: Path
    target: Path
    said: dict[str, Any]  # by the command


def sentence_encoder(place: Path, *, pooling: Any, lexical: bool = False, **shape: Any) -> None:
    tokens = tiny.tokenizer(place / "tokens", [*TEXTS, "ABC123"])
    shape = {**tiny.ONE_BLOCK, "max_position_embeddings": PLACES, **shape}
    model = tiny.shaken(SimilarityModel(tiny.language(len(tokens), **shape), pooling))
    if lexical:
        model.lexical = half(tokens, shape["hidden_size"])
    similarity.save(model, place / "model", tokenizer=tokens.folder)


def half(tokens: Tokenizer, width: int) -> lexical.Lexical:
    sentences = [np.array(ids) for ids in tokens.ids(TEXTS)]
    specials = (tokens.pad, tokens.cls, tokens.sep, tokens.mask, tokens.unk)
    return lexical.fitted(sentences, vocabulary=len(tokens), width=width, share=0.4, specials=specials, seed=3)


def exported(place: Path, *options: str) -> Exported:
    (place / "texts.txt").write_text("".join(f"{text}\n" for text in [*TEXTS, WIDE]), encoding="utf-8")
    (place / "target").mkdir()  # one that is there and empty is taken
    words = ["export", "onnx", str(place / "model"), str(place / "target"), "--texts", str(place / "texts.txt")]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        main([*words, *options])
    return Exported(place / "model", place / "target", json.loads(said.getvalue()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Folders by kind, each exported once."""
    known: dict[str, Exported] = {}

    def of(kind: str) -> Exported:
        if kind not in known:
            place = tmp_path_factory.mktemp(kind)
            sentence_encoder(place, **KINDS[kind])
            known[kind] = exported(place, *(["--int8"] if kind == "lexical" else []))
        return known[kind]

    yield of


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Of an encoder alone."""
    place = tmp_path_factory.mktemp("plain")
    tokens = tiny.tokenizer(place / "tokens", TEXTS)
    language = tiny.shaken(tiny.language(len(tokens), **tiny.ONE_BLOCK, max_position_embeddings=PLACES))
    folders.save(language, place / "model", tokenizer=tokens.folder)
    return exported(place, "--int8")


def feeds(target: Path, texts: list[str], most: int = 64) -> dict[str, np.ndarray]:
    """As any server cuts texts: by tokenizer.json alone."""
    from tokenizers import Tokenizer as Backend

    backend = Backend.from_file(str(target / "tokenizer.json"))
    backend.enable_truncation(most)
    backend.enable_padding()
    rows = backend.encode_batch(texts)
    ids, keep = np.array([row.ids for row in rows]), np.array([row.attention_mask for row in rows])
    return {"input_ids": ids, "attention_mask": keep, "token_type_ids": np.zeros_like(ids)}


def session(target: Path, name: str = folder.MODEL) -> Any:
    return onnxruntime.InferenceSession(str(target / name), providers=["CPUExecutionProvider"])


# --- the graph


@pytest.mark.parametrize("kind", EVERY)
def test_a_graph_is_well_formed_and_whole_in_one_file(made: Any, kind: str) -> None:
    found = made(kind)
    model = onnx.load(found.target / folder.MODEL, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(each.external_data for each in model.graph.initializer)
    assert [(each.domain, each.version >= 17) for each in model.opset_import] == [("", True)]
    axes = {
        each.name: [axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim]
        for each in [*model.graph.input, *model.graph.output]
    }
    width = 32 if "lexical" in kind else 16
    inputs = dict.fromkeys(graph.INPUTS, ["batch", "sequence"])
    outputs = {"sentence_embedding": ["batch", width], "last_hidden_state": ["batch", "sequence", 16]}
    assert axes == inputs | outputs and [each.name for each in model.graph.output] == [*outputs]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("size", [1, 3, len(TEXTS)])
def test_onnxruntime_gives_our_vectors(made: Any, kind: str, size: int) -> None:
    found = made(kind)
    ours = encoding.encode(similarity.load(found.source), Tokenizer(found.source), TEXTS)
    run = session(found.target)
    for start in range(0, len(TEXTS), size):
        (vectors,) = run.run(["sentence_embedding"], feeds(found.target, TEXTS[start : start + size]))
        np.testing.assert_allclose(vectors, ours[start : start + size], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", THEIRS)
def test_and_those_of_sentence_transformers(made: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers import SentenceTransformer

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = made(kind)
    theirs = SentenceTransformer(str(found.source), device="cpu", local_files_only=True).encode(TEXTS, batch_size=4)
    (vectors,) = session(found.target).run(["sentence_embedding"], feeds(found.target, TEXTS))
    np.testing.assert_allclose(vectors, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["lexical", "bert"])
def test_states_are_those_of_transformers(made: Any, kind: str) -> None:
    import torch
    from transformers import AutoModel

    found = made(kind)
    given = feeds(found.target, TEXTS)
    (states,) = session(found.target).run(["last_hidden_state"], given)
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(found.source, local_files_only=True).eval()(
            **{name: torch.from_numpy(each) for name, each in given.items()}
        )
    kept = given["attention_mask"].astype(bool)
    np.testing.assert_allclose(states[kept], theirs.last_hidden_state.numpy()[kept], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["cls", "lexical", "bert"])
def test_what_stands_in_the_padding_counts_for_nothing(made: Any, kind: str) -> None:
    found = made(kind)
    run, given = session(found.target), feeds(found.target, TEXTS[:3])
    more = {name: np.pad(each, [(0, 0), (0, 5)]) for name, each in given.items()}
    more["input_ids"][more["attention_mask"] == 0] = 20
    one, other = (run.run(["sentence_embedding"], each)[0] for each in (given, more))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["cls", "bert"])
def test_the_second_segment_is_another_one(made: Any, kind: str) -> None:
    """token_type_ids is read, not a name alone."""
    found = made(kind)
    run, given = session(found.target), feeds(found.target, TEXTS[:2])
    one = run.run(["sentence_embedding"], given)[0]
    other = run.run(["sentence_embedding"], {**given, "token_type_ids": np.ones_like(given["input_ids"])})[0]
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("kind", ["cls", "bert"])
def test_the_longest_text_runs_and_one_token_more_is_refused(made: Any, kind: str) -> None:
    run = session(made(kind).target)
    ids = np.full((2, PLACES), 20)
    whole = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    assert np.isfinite(run.run(["sentence_embedding"], whole)[0]).all()
    longer = {name: np.pad(each, [(0, 0), (0, 1)], mode="edge") for name, each in whole.items()}
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        run.run(["sentence_embedding"], longer)


# --- the folder


def test_the_readme_says_what_its_own_program_prints(
    made: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = made("lexical").target
    text = (target / "README.md").read_text(encoding="utf-8")
    program = text.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in program.splitlines() if line]) <= 12
    monkeypatch.chdir(target)
    exec(program, {})
    shape, cosine = capsys.readouterr().out.rsplit(maxsplit=1)
    assert shape == "(2, 32)" and f"It prints (2, 32) and a cosine of {float(cosine):.4f}." in text


def test_the_readme_says_whose_licence_and_which_library(made: Any) -> None:
    from huggingface_hub import metadata_load

    found = {kind: metadata_load(made(kind).target / "README.md") for kind in ("cls", "lexical")}
    assert {kind: each["library_name"] for kind, each in found.items()} == {
        "cls": "sentence-transformers",
        "lexical": "onnx",
    }
    assert {each["license"] for each in found.values()} == {"unknown"}


def test_the_licence_is_that_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    assert readme.license_of(tmp_path) == "mit"


def test_modules_and_settings_are_those_that_servers_read(made: Any) -> None:
    target = made("lexical").target
    modules = json.loads((target / "modules.json").read_text(encoding="utf-8"))
    assert all((target / each["path"]).is_dir() for each in modules)
    assert not list(target.glob("*.safetensors")), "the graph holds the weights"
    pooling = json.loads((target / "1_Pooling" / "config.json").read_text())
    needed = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    assert [pooling[f"pooling_mode_{name}"] for name in needed] == [False, True, False, False]
    assert json.loads((target / "sentence_bert_config.json").read_text())["max_seq_length"] == 64
    assert json.loads((target / "tokenizer_config.json").read_text())["model_max_length"] == 64
    assert json.loads((target / "config.json").read_text())["architectures"] == ["RoFormerModel"]


def test_the_length_that_a_folder_says_is_kept(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made("cls").source, tmp_path / "model")
    (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    monkeypatch.setattr(graph, "write", lambda module, path: shutil.copy(made("cls").target / folder.MODEL, path))
    found = exported(tmp_path)
    assert found.said["max_length"] == 9
    assert json.loads((found.target / "sentence_bert_config.json").read_text())["max_seq_length"] == 9
    assert "enable_truncation(9)" in (found.target / "README.md").read_text(encoding="utf-8")


def test_an_encoder_alone_gives_states(plain: Exported) -> None:
    model = onnx.load(plain.target / folder.MODEL)
    assert [each.name for each in model.graph.output] == ["last_hidden_state"]
    assert not (plain.target / "modules.json").exists()
    tokens = Tokenizer(plain.source)
    rows = checking.cut(tokens, TEXTS, PLACES)
    found = running.rows(session(plain.target), rows, pad=tokens.pad)
    np.testing.assert_allclose(found, checking.expected(source.of(plain.source), rows), rtol=0, atol=1e-4)
    assert len(found) == sum(map(len, rows)) and plain.said["int8"]["compared"] == "token vectors"


# --- the check


@pytest.mark.parametrize("kind", EVERY)
def test_what_is_said_of_the_check(made: Any, kind: str) -> None:
    said = made(kind).said
    assert said["texts"] == len(TEXTS) + 1 and said["checked"] == said["texts"] + checking.PROBES
    assert 0 < said["largest_difference"] < 1e-5
    assert said["cut_otherwise"] == 1, "the one in full-width letters"
    assert said["megabytes"] == round((made(kind).target / folder.MODEL).stat().st_size / 1e6, 2)


@pytest.mark.parametrize("off", [2e-4, math.nan])
def test_a_graph_that_computes_something_else_leaves_nothing_behind(
    made: Any, off: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = source.of(made("cls").source)
    wrong = dataclasses.replace(found, rows=lambda ids, keep: found.rows(ids, keep) + off)
    monkeypatch.setattr(graph, "write", lambda module, path: shutil.copy(made("cls").target / folder.MODEL, path))
    with pytest.raises(InputError, match=f"to 0.0001, they differ by {'nan' if math.isnan(off) else '0.0002'}"):
        folder.write(wrong, tmp_path / "deep" / "target", texts=TEXTS, int8=False)
    assert not list((tmp_path / "deep").iterdir())
    right = dataclasses.replace(found, rows=lambda ids, keep: found.rows(ids, keep) + 5e-5)
    assert folder.write(right, tmp_path / "target", texts=TEXTS, int8=False)["largest_difference"] > 4e-5


def test_probes_are_of_all_lengths(made: Any) -> None:
    found = checking.probes(source.of(made("cls").source))
    assert (len(found[0]), len(found[-1]), len({len(each) for each in found})) == (3, 64, checking.PROBES)


# --- 8 bits


def test_the_loss_is_that_of_the_cosines_one_by_one(made: Any) -> None:
    found = made("lexical")
    tokens = Tokenizer(found.source)
    rows = [[tokens.cls, *ids[:62], tokens.sep] for ids in tokens.ids([*TEXTS, WIDE])]
    longest = max(map(len, rows))
    ids = np.array([[*row, *[tokens.pad] * (longest - len(row))] for row in rows])
    keep = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    given = {"input_ids": ids, "attention_mask": keep, "token_type_ids": np.zeros_like(ids)}
    full, small = (
        session(found.target, name).run(["sentence_embedding"], given)[0] for name in (folder.MODEL, folder.INT8)
    )
    cosines = [
        sum(float(a) * float(b) for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)
        for one, other in zip(full, small, strict=True)
    ]
    said = found.said["int8"]
    assert said["cosine"]["mean"] == pytest.approx(sum(cosines) / len(cosines), abs=1e-6)
    assert said["cosine"]["worst"] == pytest.approx(min(cosines), abs=1e-6)
    assert said["cosine"]["worst"] < said["cosine"]["mean"] < 1
    assert said["texts"] == len(rows) and said["megabytes"] < found.said["megabytes"]
    assert json.loads((found.target / folder.LOSS).read_text()) == said
    assert f"{said['cosine']['worst']:.4f} at worst" in (found.target / "README.md").read_text(encoding="utf-8")


def test_the_loss_of_a_few_rows() -> None:
    full = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    small = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    assert quantising.loss(full, small) == {"mean": pytest.approx((1 + 1 + 0.6) / 3), "worst": pytest.approx(0.6)}


def test_weights_are_unsigned_and_the_large_ones_all_in_8_bits(made: Any) -> None:
    """Signed ones overflow on processors without VNNI."""
    model = onnx.load(made("lexical").target / folder.INT8)
    kinds = {each.name: each.data_type for each in model.graph.initializer}
    assert onnx.TensorProto.INT8 not in kinds.values()
    assert onnx.TensorProto.UINT8 in kinds.values()
    large = [each for each in model.graph.initializer if math.prod(each.dims) >= 256 and len(each.dims) == 2]
    assert large and all(each.data_type == onnx.TensorProto.UINT8 for each in large)
