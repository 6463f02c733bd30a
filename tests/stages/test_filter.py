"""What is held out is planted in everything that trains: it is gone there, and counted by its set."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rosphere.errors import InputError
from rosphere.preparation.mining import Mining
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.preparation.settings import Prepare
from rosphere.similarity import counting, labelled_pairs, unlabelled
from rosphere.text.cleaning import fingerprint
from rosphere.text.corpus import Corpus
from rosphere.text.sentences import split
from rosphere.text.tokenizer import Tokenizer
from stages import prepare as stage
from stages import roformer_sim
from tests.stages.test_prepare import GOODS, rows, settings, write

HELD = {goods: (f"怎样退掉昨天买的{goods}呢", f"{goods}如何退货最快") for goods in GOODS}
SHIRT, PHONE, COMPUTER, BAG, LAMP, UMBRELLA, CUP, SHOE, *_ = GOODS
MINED = ("可以在手机上办理挂失业务。", "可以在网上办理挂失业务。")
CLEAN = [
    {"sentence1": f"第{n}路车几点来", "sentence2": f"几点有第{n}路车", "label": "1"} for n in "一二三四五六七八九十"
]


def pair(goods: str, label: str, *, near: bool = False) -> dict[str, str]:
    """A held-out pair as people label one; ``near``: the other way round, and with a character more."""
    one, two = HELD[goods]
    return {"sentence1": f"{two}", "sentence2": f"{one}呀", "label": label} if near else {
        "sentence1": one, "sentence2": two, "label": label
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """data/ of a source with one pair or sentence planted in every input, and the report of prepare."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "source"
    texts = [f"我在第{n}家店买了{GOODS[n % 10]}，用了{n}天。质量还不错！" for n in range(100)]
    write(folder / "text.txt", *texts, f"客服您好。{HELD[LAMP][0]}？谢谢您！")
    planted = [pair(SHIRT, "1"), pair(PHONE, "1", near=True), pair(SHOE, "1"), pair(BAG, "0")]
    unlike = {"sentence1": "第一路车几点来", "sentence2": "第一路车在哪里坐", "label": "0"}
    write(folder / "pairs.jsonl", *CLEAN, unlike, *planted)
    write(folder / "answers.jsonl", {"question": "怎么挂失", "answers": MINED})
    graded = folder / "sts"
    write(graded / "train.jsonl", {**CLEAN[0], "label": 3}, pair(COMPUTER, "5"), {**CLEAN[1], "label": 2})
    measured = [pair(goods, "5") for goods in GOODS if goods != SHOE]
    write(graded / "test.jsonl", *measured, {"sentence1": MINED[0], "sentence2": MINED[1], "label": 4})
    tasks = folder / "tasks" / "afqmc"
    write(tasks / "train.json", CLEAN[2], {**CLEAN[3], "label": "0"}, pair(UMBRELLA, "1"))
    write(tasks / "dev.json", pair(SHOE, "1"))
    write(home / "labelled.jsonl", pair(CUP, "1"), pair(SHOE, "0", near=True), CLEAN[4])
    changed = settings(folder)
    local = dataclasses.replace(changed.local, graded={"sts": str(graded)}, answers=[str(folder / "answers.jsonl")])
    changed = dataclasses.replace(
        changed,
        local=local,
        mining=Mining(enabled=True, passages=None, near=None),
        sentence_characters=[4, 40],
        held_out=0.2,
    )
    labelled = [str(home / "labelled.jsonl")]
    return home, stage.prepare(changed, ["afqmc"], seed=3, data=home / "data", supervised=labelled)


def one(name: str, kind: str = "exact") -> dict[str, dict[str, int]]:
    return {name: {"exact": 0, "near": 0, kind: 1}}


def test_it_is_counted_by_input_and_set(made: tuple[Path, dict[str, Any]]) -> None:
    report = made[1]["held_out"]
    assert report.pop("text") == {"read": 101, "dropped": 0, "cut": 1, "found": {"graded_sts_test": {"exact": 1}}}
    pairs = report.pop("pairs")
    assert pairs["found"] == {"graded_sts_test": {"exact": 1, "near": 1}, **one("task_afqmc_dev")}
    assert pairs["dropped"] == 3 and pairs["dropped_sentences"] == 3
    assert report == {
        "mined_pairs": {"read": 1, "dropped": 1, "dropped_sentences": 1, "found": one("graded_sts_test")},
        "negatives": {"read": 2, "dropped": 1, "found": one("graded_sts_test")},
        "graded_sts": {"read": 3, "dropped": 1, "found": one("graded_sts_test")},
        "task_afqmc": {"read": 3, "dropped": 1, "found": one("graded_sts_test")},
        "labelled_pairs": {
            "read": 3,
            "dropped": 2,
            "found": {**one("graded_sts_test"), **one("task_afqmc_dev", "near")},
        },
    }


def test_it_is_gone_from_what_prepare_writes(made: tuple[Path, dict[str, Any]]) -> None:
    data = made[0] / "data"
    groups = [(row["text"], *row["synonyms"]) for row in rows(data / "pairs" / "train.jsonl")]
    files = ("pairs/negatives.jsonl", "pairs/graded/sts.jsonl", "tasks/afqmc/train.jsonl")
    written = [row for name in files for row in rows(data / name) if row.get("split") != "test"]
    assert len(groups) > 5 and len(written) == 1 + 2 + 2
    trained = [*groups, *((row["sentence1"], row["sentence2"]) for row in written)]
    held = [set(map(fingerprint, each)) for each in [*HELD.values(), MINED]]
    assert not any(each <= set(map(fingerprint, texts)) for texts in trained for each in held)


def test_the_sentence_is_gone_from_all_that_reads_the_corpus(made: tuple[Path, dict[str, Any]]) -> None:
    """Pretraining, counted n-grams, unlabelled sentences (which the teacher encodes too), the text VAE's."""
    data = made[0] / "data"
    tokenizer = Tokenizer(data / "tokenizer")
    pretraining = list(counting.documents(Corpus(data / "corpus" / "train")))
    found = unlabelled.of_corpus(
        data / "corpus" / "sentences-train", batch_size=4, deletion=0.0, max_length=40, most=1000, seed=0
    )
    assert found is not None
    everything = [*pretraining, *found.sentences]
    seen = {fingerprint(each) for ids in everything for each in split(tokenizer.decode(np.asarray(ids).tolist()))}
    assert fingerprint("质量还不错！") in seen, "it is read as it was written"
    assert not seen & {fingerprint(text) for texts in HELD.values() for text in texts}


def test_labelled_pairs_of_stage_2(made: tuple[Path, dict[str, Any]]) -> None:
    left = labelled_pairs.read(made[0] / roformer_sim.LABELLED)
    assert [(row.one, row.two, row.label) for row in left] == [tuple(CLEAN[4].values())]


def with_graded(folder: Path) -> Prepare:
    changed = settings(folder)
    return dataclasses.replace(
        changed, local=dataclasses.replace(changed.local, graded={"sts": str(folder / "sts")}, tasks=None)
    )


def test_labelled_pairs_that_are_all_held_out_are_refused(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path = write(tmp_path / "all.jsonl", pair(CUP, "1"))
    with pytest.raises(InputError, match=r"files: all 1 pairs are held out \(1 graded_sts_test\)"):
        stage.prepare(with_graded(made[0] / "source"), [], seed=3, data=tmp_path / "data", supervised=[str(path)])


def test_a_task_by_declaration_is_held_out_and_filtered(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Its dev pair is trained on nowhere, and the training rows are not of what is measured elsewhere."""
    held = {"sentence1": "怎么注销旧账号", "sentence2": "旧账号如何注销", "label": "1"}
    asked = [{"sentence1": f"{n}楼有食堂吗", "sentence2": f"食堂在{n}楼吗", "label": n} for n in "01"]
    given = with_graded(made[0] / "source")
    files = {
        "train": str(write(tmp_path / "train.jsonl", *asked, pair(UMBRELLA, "1"))),
        "dev": str(write(tmp_path / "dev.jsonl", held)),
    }
    text = write(tmp_path / "text.txt", "您好。旧账号如何注销？谢谢您！")
    local = dataclasses.replace(
        given.local,
        text=[*given.local.text, str(text)],
        pairs=[*given.local.pairs, str(write(tmp_path / "pairs.jsonl", held))],
    )
    given = dataclasses.replace(given, local=local, tasks={"mine": OwnTask(kind="classification", files=files)})
    labelled = write(tmp_path / "labelled.jsonl", held, CLEAN[4])
    report = stage.prepare(given, ["mine"], seed=3, data=tmp_path / "data", supervised=[str(labelled)])
    found = report["held_out"]
    assert found["text"]["found"]["task_mine_dev"] == {"exact": 1}
    assert found["pairs"]["found"]["task_mine_dev"] == {"exact": 1, "near": 0}
    assert found["task_mine"] == {"read": 3, "dropped": 1, "found": one("graded_sts_test")}
    assert found["labelled_pairs"] == {"read": 2, "dropped": 1, "found": one("task_mine_dev")}
    assert len(rows(tmp_path / "data" / "tasks" / "mine" / "train.jsonl")) == 2


def test_a_task_of_which_every_row_is_held_out_elsewhere_is_refused(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder = made[0] / "source"
    write(tmp_path / "afqmc" / "train.json", pair(UMBRELLA, "1"))
    write(tmp_path / "afqmc" / "dev.json", CLEAN[5])
    changed = settings(folder)
    local = dataclasses.replace(changed.local, graded={"sts": str(folder / "sts")}, tasks=str(tmp_path))
    with pytest.raises(
        InputError, match=r"task afqmc: .* got none: all 1 are held out elsewhere \(1 graded_sts_test\)"
    ):
        stage.prepare(dataclasses.replace(changed, local=local), ["afqmc"], seed=8, data=tmp_path / "data")
