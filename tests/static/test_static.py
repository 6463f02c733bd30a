"""Static encoders: what texts are cut into, the closed form, and folders that sentence-transformers reads alike."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rosphere.cli import models
from rosphere.encoder import modules
from rosphere.errors import InputError
from rosphere.export import source
from rosphere.similarity import principal
from rosphere.similarity.pairs import Groups
from rosphere.similarity.teachers import vectors
from rosphere.similarity.unlabelled import of_corpus
from rosphere.static import bags, folder, pieces, regression, sentences, targets
from rosphere.static.folder import StaticEncoder
from tests import tiny

TEXTS = ["银行卡丢了", "银行卡挂失", "wifi密码", "ｗｉｆｉ密码，", "卡里的钱", "钱丢了", "密码丢了", "挂失密码"]


@pytest.fixture
def encoder() -> StaticEncoder:
    found = pieces.chosen(TEXTS, 40)
    table = np.random.default_rng(0).standard_normal((len(found), 6)).astype(np.float32)
    table[0] = 0
    return StaticEncoder(backend=pieces.tokenizer(found), table_PD=table)


# --- pieces


def test_the_pieces_of_a_small_text() -> None:
    found = dict(pieces.chosen(["天天天地", "天地 ok ok", "OK"], 20))
    counts = {"天": 4, "地": 2, "ok": 3, "o": 3, "k": 3, "天地": 2, "天天": 2}
    assert found.keys() == {"[UNK]", *counts}
    total = sum(counts.values())
    assert found["天地"] == pytest.approx(math.log(2 / total))
    assert found["ok"] == pytest.approx(math.log(3 / total))


def test_of_too_many_pieces_the_rare_ones_go() -> None:
    whole = [piece for piece, _ in pieces.chosen(TEXTS, 40)]
    fewer = [piece for piece, _ in pieces.chosen(TEXTS, len(whole) - 2)]
    assert fewer == whole[:-2]
    characters = 1 + sum(len(piece) == 1 for piece in whole[1:])
    with pytest.raises(InputError, match=f"pieces: expected {characters} or more for the characters"):
        pieces.chosen(TEXTS, characters - 1)


@pytest.mark.parametrize(
    ("text", "cut"), [("银行卡丢了！", ["银行", "卡", "丢了", None]), ("Ｗｉｆｉ 钱", ["wifi", "钱"])]
)
def test_text_is_cut_into_the_most_probable_pieces(encoder: StaticEncoder, text: str, cut: list[str | None]) -> None:
    [numbers] = pieces.numbers(encoder.backend, [text])
    assert [encoder.backend.id_to_token(number) if number else None for number in numbers] == cut


def test_no_text_holds_the_unknown_piece(encoder: StaticEncoder) -> None:
    assert not encoder.encode(["[UNK]", "", "犇"]).any()


# --- parts


def test_a_pair_is_itself_and_its_characters() -> None:
    found = [("[UNK]", -30.0), ("银", -1.0), ("行", -1.0), ("银行", -2.0), ("ok", -3.0)]
    expected = np.zeros((5, 5))
    expected[1, 1] = expected[2, 2] = expected[4, 4] = expected[3, 1] = expected[3, 2] = 1
    expected[3, 3] = bags.OWN
    np.testing.assert_array_equal(bags.composition(found).toarray(), expected)


def test_bags_count_pieces_by_the_root_of_their_number() -> None:
    found = bags.counts([[1, 2, 1, 3], [], [2]], 4).toarray()
    np.testing.assert_allclose(found, [[0, 1, 0.5, 0.5], [0, 0, 0, 0], [0, 0, 1, 0]])


# --- targets


def test_targets_are_the_teachers_vectors_along_their_principal_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principal, "BLOCK", 7)  # several blocks, the last one short
    teacher = np.random.default_rng(1).standard_normal((60, 5)) * [5, 4, 3, 0.01, 0.01] + 7
    axes = targets.axes(teacher, 3)
    centred = teacher - teacher.mean(0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    assert axes.kept == pytest.approx(variances[:3].sum() / variances.sum())
    found = axes(teacher)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert np.abs(found @ found.T - unit @ unit.T).max() < 0.005, "nearly nothing is left out"


def test_a_narrow_teacher_has_no_more_axes_than_dimensions() -> None:
    teacher = np.random.default_rng(1).standard_normal((20, 4))
    axes = targets.axes(teacher, 256)
    assert (axes.axes_ED.shape, axes.kept) == ((4, 4), pytest.approx(1.0))


# --- the closed form


def bags_and_targets() -> tuple[bags.Bags, NDArray[np.float32]]:
    numbers = pieces.numbers(pieces.tokenizer(pieces.chosen(TEXTS, 40)), TEXTS)
    found = pieces.chosen(TEXTS, 40)
    return (
        bags.counts(numbers, len(found)) @ bags.composition(found),
        np.random.default_rng(2).standard_normal((len(TEXTS), 3)).astype(np.float32),
    )


def test_ridge_regression_is_that_of_the_dense_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principal, "BLOCK", 3)
    x, y = bags_and_targets()
    dense = x.toarray().astype(np.float64)
    expected = np.linalg.solve(dense.T @ dense + 0.1 * np.eye(dense.shape[1]), dense.T @ y)
    told: list[tuple[int, float]] = []
    found = regression.solved(
        x, lambda rows: y[rows], ridge=0.1, iterations=30, progress=lambda *each: told.append(each)
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert [done for done, _ in told] == list(range(1, 31))
    assert told[-1][1] < 1e-5 < told[0][1]


def test_the_same_sentences_give_the_same_bytes() -> None:
    x, y = bags_and_targets()
    one, other = (regression.solved(x, lambda rows: y[rows], ridge=0.1, iterations=5) for _ in range(2))
    assert one.tobytes() == other.tobytes()


# --- sentences


def test_sentences_of_the_groups_and_behind_them_of_the_corpus(tmp_path: Path) -> None:
    groups = tmp_path / "train.jsonl"
    groups.write_text('{"text": "春眠", "synonyms": ["不觉晓", "春眠"]}\n', encoding="utf-8")
    tokenizer = tiny.tokenizer(tmp_path / "tokenizer", tiny.POEM)
    lines = [tiny.POEM[start : start + 8] for start in range(5)]
    ids = [tokenizer.ids([line])[0] for line in [*lines, "春", "春春春春犇春春春"]]
    tiny.corpus.write(
        [(np.array(each, np.uint32), np.ones(len(each), bool)) for each in ids],
        tmp_path / "corpus",
        vocab_size=len(tokenizer),
        shard_tokens=100,
    )
    read = {"groups": groups, "corpus": tmp_path / "corpus", "tokenizer": tokenizer, "max_length": 6, "seed": 1}
    texts, numbers = sentences.read(most=10, **read)  # type: ignore[arg-type]
    found = [texts[number] for number in numbers]
    assert found[:2] == ["春眠", "不觉晓"]
    assert sorted(found[2:]) == sorted(line[:6] for line in lines), "neither the short one nor the one with [UNK]"
    assert sentences.read(most=0, **read)[1].tolist() == [0, 1]  # type: ignore[arg-type]


def test_the_list_begins_as_the_one_that_stage_2_is_taught_on(tmp_path: Path) -> None:
    """So that a teacher reads both once."""
    tokenizer = tiny.tokenizer(tmp_path / "tokenizer", tiny.POEM)
    (tmp_path / "pairs.jsonl").write_text('{"text": "春眠", "synonyms": ["不觉晓", "春眠"]}\n', encoding="utf-8")
    ids = [tokenizer.ids([tiny.POEM[start : start + 9]])[0] for start in range(12)]
    rows = [(np.array(each, np.uint32), np.ones(len(each), bool)) for each in ids]
    tiny.corpus.write(rows, tmp_path / "corpus", vocab_size=len(tokenizer), shard_tokens=50)
    said: dict[str, int] = {"max_length": 7, "seed": 4}
    texts, _ = sentences.read(tmp_path / "pairs.jsonl", tmp_path / "corpus", tokenizer, most=10, **said)
    found = of_corpus(tmp_path / "corpus", batch_size=2, deletion=0.1, most=6, **said)
    groups = Groups(tmp_path / "pairs.jsonl", tokenizer, max_length=7)
    assert found and texts[:9] == [*groups.texts, *(tokenizer.decode(each.tolist()) for each in found.sentences)]


# --- folders


def test_sentence_transformers_gives_the_vectors_that_we_do(encoder: StaticEncoder, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder.save(encoder, tmp_path / "static")
    theirs = SentenceTransformer(str(tmp_path / "static"), local_files_only=True)
    texts = [*TEXTS, "Ｗｉｆｉ 里 的 银行", "犇", ""]
    found = theirs.encode(texts, show_progress_bar=False)
    np.testing.assert_allclose(folder.load(tmp_path / "static").encode(texts), found, atol=1e-6)
    assert np.linalg.norm(found[:-2], axis=1) == pytest.approx(1)


def test_a_folder_that_sentence_transformers_saved_is_read(encoder: StaticEncoder, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder.save(encoder, tmp_path / "static")
    SentenceTransformer(str(tmp_path / "static"), local_files_only=True).save_pretrained(str(tmp_path / "again"))
    np.testing.assert_array_equal(folder.load(tmp_path / "again").encode(TEXTS), encoder.encode(TEXTS))


def test_any_number_of_texts(encoder: StaticEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoder.encode(TEXTS)
    monkeypatch.setattr(folder, "BATCH", 3)
    np.testing.assert_array_equal(encoder.encode(TEXTS), whole)
    assert encoder.encode([]).shape == (0, 6)


def test_the_command_line_and_teachers_read_it(encoder: StaticEncoder, tmp_path: Path) -> None:
    folder.save(encoder, tmp_path / "static")
    found = models.vectors_of(tmp_path / "static")
    np.testing.assert_array_equal(found.encode(TEXTS), encoder.encode(TEXTS))
    assert (found.width, found.cut(["钱" * 1000])) == (6, None)
    taught = vectors(tmp_path / "static", TEXTS, max_length=4)
    np.testing.assert_allclose(taught[np.arange(len(TEXTS))], encoder.encode(TEXTS), atol=1e-6)
    with pytest.raises(InputError, match="--precision bf16 is for our own encoders"):
        models.vectors_of(tmp_path / "static", "bf16")


def test_no_graph_is_made_of_it(encoder: StaticEncoder, tmp_path: Path) -> None:
    folder.save(encoder, tmp_path / "static")
    with pytest.raises(InputError, match="a static encoder is a table, of which no graph is made"):
        source.of(tmp_path / "static")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", None, "tokenizer.json: no such file"),
        ("tokenizer.json", "{}", "tokenizer.json: not a tokenizer"),
        ("model.safetensors", None, "there is no such file"),
        ("model.safetensors", "cut", "not a safetensors file"),
        (modules.LISTED, '[{"path": "", "type": "sentence_transformers.models.Transformer"}]', "not a static encoder"),
    ],
)
def test_refuses_a_damaged_folder(
    encoder: StaticEncoder, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    folder.save(encoder, tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        folder.load(tmp_path)


def test_refuses_a_table_with_fewer_rows_than_pieces(encoder: StaticEncoder, tmp_path: Path) -> None:
    folder.save(StaticEncoder(backend=encoder.backend, table_PD=encoder.table_PD[:3]), tmp_path)
    with pytest.raises(InputError, match=r"tokenizer.json has \d+ pieces, model.safetensors vectors for 3"):
        folder.load(tmp_path)


def test_learns_what_a_linear_teacher_says() -> None:
    """A teacher that is itself a table of characters is found again, for sentences that were not trained on."""
    characters = tiny.POEM[:12]
    table = dict(zip(characters, np.random.default_rng(3).standard_normal((12, 8)), strict=True))
    every = ["".join(each) for each in itertools.permutations(characters, 3)]

    def teacher(texts: list[str]) -> NDArray[np.float64]:
        sums = np.stack([sum(table[each] for each in text) for text in texts])
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True))

    trained, held_out = every[::2], every[1::2]
    found = pieces.chosen(trained, 13 + 20)
    backend, composition, taught = pieces.tokenizer(found), bags.composition(found), teacher(trained)
    axes = targets.axes(taught, 8)
    parts = regression.solved(
        bags.counts(pieces.numbers(backend, trained), len(found)) @ composition,
        lambda rows: axes(taught[rows]),
        ridge=0.1,
        iterations=20,
    )
    encoder = StaticEncoder(backend=backend, table_PD=composition @ parts)
    wanted = axes(teacher(held_out))
    assert (encoder.encode(held_out) * wanted).sum(1).mean() > 0.95
