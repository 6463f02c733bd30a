"""prepare from end to end on a tiny local source, and every bad input that a user may bring."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rosphere.errors import InputError, Interrupted
from rosphere.preparation.documents import parts
from rosphere.preparation.documents.following import Following
from rosphere.preparation.local import TextFiles
from rosphere.preparation.mining import Mining
from rosphere.preparation.settings import Hub, Local, Prepare, Sample, Vocabulary
from rosphere.similarity import unlabelled
from rosphere.text import sentences
from rosphere.text.cleaning import fingerprint
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import SPECIALS, Tokenizer
from rosphere.vae.sentences import Sentences
from stages import prepare as stage

GOODS = ["衬衫", "手机", "电脑", "书包", "台灯", "雨伞", "茶杯", "皮鞋", "耳机", "键盘"]


def write(path: Path, *lines: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """200 documents, ten groups, one task: with repeats, short lines, and quotations of what is held out."""
    folder = tmp_path / "source"
    documents = [f"我在第{n}家店买了{GOODS[n % 10]}，用了{n}天。质量还不错！" for n in range(200)]
    odd = [documents[0], "太短", "店员走了。新闻一号很长！他没有回答。", "我在第２０２家店买了手机，用了９９天。"]
    write(folder / "text.txt", *documents, *odd)
    groups = [{"text": f"怎么退{goods}", "synonyms": [f"如何退掉{goods}", f"{goods}的退货流程"]} for goods in GOODS]
    write(folder / "pairs.jsonl", *groups)
    train = [{"sentence": f"训练新闻{n}号", "label": "100"} for n in range(6)]
    write(folder / "tasks" / "tnews" / "train.json", *train, {"sentence": "新闻一号，很长", "label": "101"})
    write(folder / "tasks" / "tnews" / "dev.json", {"sentence": "新闻一号很长", "label": "101"})
    write(folder / "tasks" / "tnews" / "test.json", {"sentence": "新闻二号很长", "id": 0})
    return folder


def settings(folder: Path, /, **changes: Any) -> Prepare:
    made = Prepare(
        source="local",
        sample=Sample(faq="data/sample/faq", sentiment=[20, 10], entities=[20, 10]),
        local=Local(text=[str(folder / "text.txt")], pairs=[str(folder / "pairs.jsonl")], tasks=str(folder / "tasks")),
        hub=Hub(text=None, split="train", field="text", limit=None, pairs=None, tasks={}),
        vocabulary=Vocabulary(path=None, size=500, minimum=1, lowercase=True),
        whole_words=True,
        minimum_characters=8,
        maximum_characters=None,
        dev_share=0.2,
        held_out=0.3,
        sentence_characters=[6, 24],
    )
    return dataclasses.replace(made, **changes)


def local(source: Path, **changes: Any) -> Prepare:
    """Settings with changes under ``local``."""
    made = settings(source)
    return dataclasses.replace(made, local=dataclasses.replace(made.local, **changes))


def run(made: Prepare, folder: Path, tasks: Sequence[str] = ("tnews",), seed: int = 8) -> dict[str, Any]:
    return stage.prepare(made, list(tasks), seed=seed, data=folder)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts(folder: Path, tokenizer: Tokenizer) -> list[str]:
    corpus = Corpus(folder)
    return [tokenizer.decode(corpus.document(number)[0].tolist()) for number in range(len(corpus))]


def test_from_end_to_end(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    report = run(settings(source), data)
    assert report["text"] == {
        "read": 204,
        "kept": 202,
        "changed": 1,
        "dropped_duplicate": 1,
        "dropped_short": 1,
        "cut_held_out": 1,
        "cut_sentences": 1,
    }
    assert report["tasks"] == {"tnews": {"train": 6, "dev": 1, "test1.1": 1, "train_dropped_overlap": 1}}
    assert [report["fit"]["tnews"][split]["cut"] for split in ("train", "dev", "test1.1")] == [0, 0, 0]
    assert report["pairs"] == {
        "groups_read": 10,
        "groups_kept": 10,
        "train_groups": 7,
        "train_groups_group": 7,
        "train_groups_question": 7,
        "train_sentences": 21,
        "train_sentences_dropped_overlap": 0,
        "dev_groups": 3,
        "dev_sentences": 9,
        "gold_pairs": 18,
    }
    assert "places" not in report
    tokenizer = Tokenizer(data / "tokenizer")
    assert report["vocabulary"] == len(tokenizer)
    train, dev = (texts(data / "corpus" / split, tokenizer) for split in ("train", "dev"))
    assert len(train) + len(dev) == 202
    assert (report["corpus"]["train"]["documents"], report["corpus"]["dev"]["documents"]) == (len(train), len(dev))
    assert report["corpus"]["train"]["tokens"] == Corpus(data / "corpus" / "train").lengths.sum()
    assert "我在第202家店买了手机，用了99天。" in [*train, *dev]
    assert not {fingerprint(text) for text in train} & {fingerprint(text) for text in dev}
    for split, documents in (("train", train), ("dev", dev)):
        expected = dict.fromkeys(s for text in documents for s in sentences.split(text) if 6 <= len(s) <= 24)
        assert texts(data / "corpus" / f"sentences-{split}", tokenizer) == list(expected)
    held_out = {text for group in rows(data / "pairs" / "dev.jsonl") for text in (group["text"], *group["synonyms"])}
    trained = {text for group in rows(data / "pairs" / "train.jsonl") for text in (group["text"], *group["synonyms"])}
    assert len(held_out) == 9 and not held_out & trained
    assert [row["sentence"] for row in rows(data / "tasks" / "tnews" / "dev.jsonl")] == ["新闻一号很长"]


def test_texts_are_mixed_by_weight_and_counted(source: Path, tmp_path: Path) -> None:
    other = write(source / "other.txt", *(f"另一处的第{n}篇文章，也不短。" for n in range(40)))
    given = [TextFiles(files=str(source / "text.txt"), weight=0.5), TextFiles(files=str(other), weight=3)]
    report = run(local(source, text=given), tmp_path / "data")
    counts, whole = report["texts"], report["corpus"]["train"]
    assert list(counts) == [str(source / "text.txt"), str(other)]
    assert counts[str(other)]["documents"] % 3 == 0 and counts[str(other)]["documents"] > 60
    assert sum(each["tokens"] for each in counts.values()) == whole["tokens"]
    assert "texts" not in whole and "texts" not in run(settings(source), tmp_path / "without")


def test_how_far_it_is_is_shown_to_the_end(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a part of the text is not taken."""
    monkeypatch.setattr(parts, "CHARACTERS", 300)
    seen: list[tuple[int, int]] = []
    following = Following(progress=lambda done, total: seen.append((done, total)))
    made = settings(source, maximum_characters=2000, workers=1)
    stage.prepare(made, ["tnews"], seed=8, data=tmp_path / "data", following=following)
    assert len({total for _, total in seen}) == 1 and seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] and len(seen) > 20


def test_a_stop_keeps_what_is_finished(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHARACTERS", 300)
    looks = iter(range(1000))
    stopping = Following(stopping=lambda: next(looks) == 9)
    made, work = settings(source, workers=1), tmp_path / "work"
    with pytest.raises(Interrupted):
        stage.prepare(made, ["tnews"], seed=8, data=tmp_path / "data", work=work, following=stopping)
    finished = {path: path.stat().st_mtime_ns for path in work.rglob("*.npz")}
    assert len(finished) == 9
    stage.prepare(made, ["tnews"], seed=8, data=tmp_path / "data", work=work)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    run(settings(source), tmp_path / "at_once")
    for path in (tmp_path / "at_once" / "corpus").rglob("*.npy"):
        assert path.read_bytes() == (tmp_path / "data" / path.relative_to(tmp_path / "at_once")).read_bytes()


def test_the_same_input_gives_the_same_files(source: Path, tmp_path: Path) -> None:
    reports = [run(settings(source), tmp_path / name) for name in ("one", "two")]
    assert reports[0] == reports[1]
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) > 15
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


def test_what_is_held_out_is_not_in_the_corpus(source: Path, tmp_path: Path) -> None:
    quoting = [f"客服您好，{n}号顾客。怎么退{goods}？谢谢您的回答。" for n, goods in enumerate(GOODS)]
    with (source / "text.txt").open("a", encoding="utf-8") as file:
        file.write("\n".join(quoting) + "\n")
    report = run(settings(source), tmp_path / "data")
    assert report["text"]["cut_sentences"] == 1 + 3  # three of the ten groups are held out
    assert report["text"]["kept"] == 202 + len(GOODS), "what stands around them is kept"
    tokenizer = Tokenizer(tmp_path / "data" / "tokenizer")
    held_out = {fingerprint(row["text"]) for row in rows(tmp_path / "data" / "pairs" / "dev.jsonl")}
    for split in ("train", "dev"):
        for text in texts(tmp_path / "data" / "corpus" / split, tokenizer):
            assert not held_out & {fingerprint(sentence) for sentence in sentences.split(text)}


def test_a_vocabulary_of_ones_own(source: Path, tmp_path: Path) -> None:
    entries = [*SPECIALS, *"我在第家店买了用天质量还不错", "，", "。"]
    path = write(tmp_path / "vocab.txt", *entries)
    made = settings(source, vocabulary=Vocabulary(path=str(path), size=1, minimum=99, lowercase=False))
    assert run(made, tmp_path / "data")["vocabulary"] == len(entries)
    assert (tmp_path / "data" / "tokenizer" / "vocab.txt").read_text(encoding="utf-8").split() == entries


def test_capitals_are_kept_where_they_are_asked_for(source: Path, tmp_path: Path) -> None:
    write(source / "text.txt", *(f"ABC公司的第{n}号公告，请注意查收。" for n in range(50)))
    run(settings(source, vocabulary=Vocabulary(path=None, size=500, minimum=1, lowercase=False)), tmp_path / "data")
    tokenizer = Tokenizer(tmp_path / "data" / "tokenizer")
    assert tokenizer.decode(tokenizer.ids(["ABC公司"])[0]) == "ABC公司"


def test_a_missing_source_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: prepare\.local\.text: nothing found at /gone"):
        run(local(source, text=["/gone"]), tmp_path / "data")
    with pytest.raises(InputError, match=r"params\.yaml: prepare\.local\.text: expected files, .* got none"):
        run(local(source, text=[]), tmp_path / "data")
    with pytest.raises(InputError, match=r"params\.yaml: prepare\.hub\.text: expected the name of a dataset, got null"):
        run(settings(source, source="hub"), tmp_path / "data")


def test_an_empty_source_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "text.txt").write_text("")
    with pytest.raises(InputError, match=r"text\.txt: the file is empty"):
        run(settings(source), tmp_path / "data")
    write(source / "text.txt", "短", "", "短")
    with pytest.raises(InputError, match=r"the source has no usable text: \{'read': 3, 'dropped_short': 3"):
        run(settings(source), tmp_path / "data")


def test_text_that_is_not_utf8_is_refused_with_file_and_line(source: Path, tmp_path: Path) -> None:
    (source / "text.txt").write_bytes("第一行是好的。\n".encode() + "第二行不是。\n".encode("gbk"))
    with pytest.raises(InputError, match=r"text\.txt:2: not UTF-8 \(byte 0 of the line\)"):
        run(settings(source), tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        ("pairs.jsonl", '{"text": "甲"', r"pairs\.jsonl:1: not JSON"),
        ("pairs.jsonl", '{"sentence1": "甲"}', r"pairs\.jsonl:1: expected text under 'sentence2', got nothing"),
        ("tasks/tnews/train.json", '{"sentence": "甲"}', r"train\.json:1: tnews needs 'label', the row has sentence"),
        ("tasks/tnews/dev.json", '{"sentence": "甲", "label": "105"}', r"dev\.json:1: label '105' is none of tnews's"),
        (
            "tasks/tnews/dev.json",
            '{"sentence": 3, "label": "100"}',
            r"dev\.json:1: tnews: expected a text under 'sentence'",
        ),
        ("tasks/tnews/test.json", '{"text": "甲"}', r"test\.json:1: tnews needs 'sentence', the row has text"),
    ],
)
def test_a_malformed_row_is_refused_with_file_and_line(
    source: Path, tmp_path: Path, name: str, line: str, complaint: str
) -> None:
    write(source / name, line)
    with pytest.raises(InputError, match=complaint):
        run(settings(source), tmp_path / "data")


def test_a_vocabulary_without_special_tokens_is_refused(source: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "vocab.txt", "我", "在")
    made = settings(source, vocabulary=Vocabulary(path=str(path), size=500, minimum=1, lowercase=True))
    with pytest.raises(InputError, match=r"vocab\.txt: the special token \[PAD\] is missing"):
        run(made, tmp_path / "data")


def test_tasks_that_are_not_there_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown task 'tnew'; declared are afqmc, tnews"):
        run(settings(source), tmp_path / "data", tasks=["tnew"])
    with pytest.raises(InputError, match=r"afqmc: no such folder \(task afqmc\)"):
        run(settings(source), tmp_path / "data", tasks=["tnews", "afqmc"])
    with pytest.raises(InputError, match=r"params\.yaml: tasks: the source local has no task 'tnews'"):
        run(local(source, tasks=None), tmp_path / "data")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"dev_share": 0.0}, r"params\.yaml: prepare\.dev_share: 0\.0 of 202 documents is none"),
        ({"dev_share": 1.0}, r"prepare\.dev_share: 1\.0 of 202 documents leaves none to train on"),
        ({"sentence_characters": [6]}, r"params\.yaml: prepare\.sentence_characters: expected two numbers, got \[6\]"),
        (
            {"maximum_characters": 9},
            r"prepare\.maximum_characters: expected as many as the first document has, 2\d, got 9",
        ),
        (
            {"source": "sample", "sample": Sample(faq="faq", sentiment=[1, 2, 3], entities=[1, 2])},
            r"params\.yaml: prepare\.sample\.sentiment: expected two numbers, got \[1, 2, 3\]",
        ),
    ],
)
def test_impossible_settings_are_refused(source: Path, tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        run(settings(source, **changes), tmp_path / "data")


def test_no_pairs_and_no_tasks_is_a_corpus_alone(source: Path, tmp_path: Path) -> None:
    report = run(local(source, pairs=[], tasks=None), tmp_path / "data", tasks=[])
    assert report["tasks"] == {}
    made = [tmp_path / folder for folder in ("data/tasks", "reports/tasks", "reports/predictions")]
    assert all(folder.is_dir() and not any(folder.iterdir()) for folder in made), "DVC expects them"
    assert report["pairs"]["train_groups"] == report["pairs"]["gold_pairs"] == 0
    assert "dropped_held_out" not in report["text"]


def test_bad_groups_are_dropped_counted_and_named(source: Path, tmp_path: Path) -> None:
    lines = [{"text": "怎么退衬衫！", "synonyms": ["怎么卖衬衫", "衬衫怎么卖"]}, {"text": "孤单", "synonyms": [" "]}]
    with (source / "pairs.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    report = run(settings(source), tmp_path / "data")
    path = source / "pairs.jsonl"
    assert report["places"] == {
        "sentences_in_earlier_group": [f"{path}:11"],
        "sentences_empty": [f"{path}:12"],
        "groups_dropped_single": [f"{path}:12"],
    }
    assert (report["pairs"]["groups_read"], report["pairs"]["groups_kept"]) == (12, 10)
    assert report["pairs"]["groups_merged"] == 1, "怎么退衬衫 stands in the first group"
    assert report["pairs"]["train_groups"] + report["pairs"]["dev_groups"] == 10


def test_sentences_of_no_use_to_the_vae_stop_nothing_else(source: Path, tmp_path: Path) -> None:
    report = run(settings(source, sentence_characters=[90, 99]), tmp_path / "data")
    assert [line.split(":")[0] for line in report["warnings"]] == [
        "data/corpus/sentences-train",
        "data/corpus/sentences-dev",
    ]
    assert "prepare.sentence_characters" in report["warnings"][0]
    pieces = Tokenizer(tmp_path / "data" / "tokenizer")
    with pytest.raises(InputError, match=r"sentences-train: no sentence is in it: see prepare\.sentence_characters"):
        Sentences.read(tmp_path / "data" / "corpus" / "sentences-train", pieces, 26)
    asked: dict[str, Any] = {"deletion": 0.3, "max_length": 26, "most": 9, "seed": 1}
    none = partial(unlabelled.of_corpus, tmp_path / "data" / "corpus" / "sentences-train", **asked)
    with pytest.raises(InputError, match=r"sentences-train: no sentence is in it: see prepare\.sentence_characters"):
        none(batch_size=1)
    assert none(batch_size=0) is None


def test_what_the_vocabulary_does_not_know_is_counted(source: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "vocab.txt", *SPECIALS, "我", "。")
    made = settings(source, vocabulary=Vocabulary(path=str(path), size=1, minimum=1, lowercase=True))
    report = run(made, tmp_path / "data")
    assert report["corpus"]["train"]["unknown_share"] > 0.8
    assert any("of the tokens are [UNK]: params.yaml: prepare.vocabulary" in line for line in report["warnings"])


def mining_source(source: Path) -> Prepare:
    """Two questions with like answers, a passage with like sentences, and like sentences in two documents."""
    passage = "店里的早餐非常丰富，种类也多。店里的早餐特别丰富，种类也多。"
    near = ["昨天我们一家去了海边的餐厅。", "昨天我们全家去了海边的餐厅。"]
    with (source / "text.txt").open("a", encoding="utf-8") as file:
        file.write("\n".join([passage, *near]) + "\n")
    answers = [
        {"question": "怎么挂失", "answers": ["可以在手机上办理挂失。", "可以在网上办理挂失！"]},
        {"question": "怎么退衬衫", "answers": ["怎么退掉衬衫呀？", "怎么退衬衫", "如何退衬衫"]},
    ]
    made = local(source, answers=[str(write(source / "answers.jsonl", *answers))])
    mining = Mining(enabled=True, sentence_characters=(4, 64))
    return dataclasses.replace(made, mining=mining, dev_share=0.02)


def test_mined_pairs_are_for_training_only(source: Path, tmp_path: Path) -> None:
    made = mining_source(source)
    data = tmp_path / "data"
    report = run(made, data)
    trained = rows(data / "pairs" / "train.jsonl")
    mined = {row["origin"]: (row["text"], *row["synonyms"]) for row in trained if row["origin"] != "group"}
    assert mined["answers"] == ("可以在手机上办理挂失。", "可以在网上办理挂失！")
    assert mined["passage"] == ("店里的早餐非常丰富，种类也多。", "店里的早餐特别丰富，种类也多。")
    assert all(len(row["synonyms"]) == 1 for row in trained if row["origin"] != "group")
    counts = report["pairs"]
    assert counts["train_groups"] == len(trained)
    for origin in ("group", "answers", "passage", "near"):
        assert counts[f"train_groups_{origin}"] == sum(row["origin"] == origin for row in trained) > 0
    assert counts["mined_answers_read"] == 2
    assert counts["mined_answers_groups_dropped_shared"] == 1  # 怎么退衬衫 stands in a group
    run(dataclasses.replace(made, mining=Mining()), tmp_path / "without")
    for name in ("dev.jsonl", "gold.jsonl"):
        assert (data / "pairs" / name).read_bytes() == (tmp_path / "without" / "pairs" / name).read_bytes()
    assert len(rows(tmp_path / "without" / "pairs" / "train.jsonl")) == counts["train_groups_group"]


def test_of_mined_pairs_alone_no_document_is_on_both_sides(source: Path, tmp_path: Path) -> None:
    """What is left of a document once a held-out sentence is cut out may be another one, or its copy."""
    lines = []
    for n in range(120):
        said, near = f"第{n}家店的老板每天都喝很多茶。", f"昨天我们一家去了{n}号海边的餐厅"
        lines += [f"{said}{near}。", f"{said}{near}啊。", said]
    write(source / "text.txt", *lines)
    made = dataclasses.replace(local(source, pairs=[]), mining=Mining(enabled=True, sentence_characters=(4, 64)))
    data = tmp_path / "data"
    report = run(dataclasses.replace(made, held_out=0.3, dev_share=0.3), data)
    tokenizer = Tokenizer(data / "tokenizer")
    found = (texts(data / "corpus" / split, tokenizer) for split in ("train", "dev"))
    train, dev = (set(map(fingerprint, each)) for each in found)
    assert train and dev and not train & dev
    left = sum(report["corpus"][split]["documents"] for split in ("train", "dev"))
    assert report["held_out"]["text_mined"]["cut"] > 0
    assert left == report["text"]["kept"] - report["held_out"]["text_mined"]["dropped"]


def test_no_graded_or_task_pair_is_trained_on(source: Path, tmp_path: Path) -> None:
    folder = source / "tasks" / "afqmc"
    pair = {"sentence1": "怎么退衬衫", "sentence2": "如何退掉衬衫。"}
    write(folder / "train.json", {"sentence1": "甲", "sentence2": "乙", "label": "0"})
    write(folder / "dev.json", {**pair, "label": "1"})
    graded = source / "sts"
    write(graded / "train.txt", "如何退掉衬衫\t怎么退衬衫\t1", "旧的一句\t新的一句\t0", "？\t好\t1")
    write(graded / "dev.txt", "如何退掉手机\t手机的退货流程\t5", "丙丙丙\t丁丁\t0")
    write(graded / "test.txt", "我在第七家店买了书包，用了七天\t丁丁丁\t0", "丙丙\t丁丁丁丁\t5")
    with (source / "text.txt").open("a", encoding="utf-8") as file:
        file.write("我在第七家店买了书包，用了七天。质量还不错！\n我在第七家店买了书包，用了七天。\n")
    made = dataclasses.replace(local(source, graded={"sts": str(graded)}), held_out=0.0)
    report = run(made, tmp_path / "data", tasks=["tnews", "afqmc"])
    found = {name: counts["found"] for name, counts in report["held_out"].items()}
    by_task = {"task_afqmc_dev": {"exact": 1, "near": 0}}
    assert found["pairs"] == {"graded_sts_dev": {"exact": 1, "near": 0}, **by_task}
    assert found["graded_sts"] == by_task and found["task_afqmc"] == {}
    assert report["held_out"]["pairs"]["dropped_sentences"] == 2
    assert {key: n for key, n in report["pairs"].items() if key.startswith("graded")} == {
        "graded_sts_train": 1,
        "graded_sts_dev": 2,
        "graded_sts_test": 2,
        "graded_sts_dropped_empty": 1,
    }
    assert report["pairs"]["train_sentences"] == 30 - 2
    written = rows(tmp_path / "data" / "pairs" / "graded" / "sts.jsonl")
    assert sorted(row["split"] for row in written) == ["dev", "dev", "test", "test", "train"]
    assert (report["text"]["dropped_held_out"], report["text"]["cut_held_out"]) == (2, 1), "measured on, not trained on"
    write(tmp_path / "data" / "pairs" / "graded" / "old.jsonl", "{}")
    run(made, tmp_path / "data", tasks=["tnews", "afqmc"])
    assert not (tmp_path / "data" / "pairs" / "graded" / "old.jsonl").exists()


def test_general_pairs_are_trained_on_and_never_held_out_nor_measured(source: Path, tmp_path: Path) -> None:
    """Sentences of the user's own leave them, held out or not, and so do pairs of a graded test set."""
    mixed = [(f"会弹{n}号琴的人", f"能弹{n}号琴者") for n in range(6)]
    graded = [{"sentence1": one, "sentence2": two, "score": n} for n, (one, two) in enumerate(mixed[4:])]
    write(source / "stsb.test.jsonl", *graded)
    stolen = [(f"怎么退{goods}", f"把{goods}退掉的办法") for goods in GOODS]
    rows = [{"sentence1": one, "sentence2": two, "label": 1} for one, two in (*mixed, *stolen)]
    rows.append({"sentence1": "会弹0号琴的人", "sentence2": "琴坏了", "label": 0})
    general = write(source / "general.jsonl", *rows)
    made = local(source, general=[str(general)], graded={"stsb": str(source / "stsb.test.jsonl")})
    report = run(made, tmp_path / "data")
    groups = [json.loads(line) for line in (tmp_path / "data/pairs/train.jsonl").read_text("utf-8").splitlines()]
    found = {(row["text"], *row["synonyms"]) for row in groups if row["origin"] == "general"}
    assert found == set(mixed[:4])
    assert report["pairs"]["train_groups_general"] == 4
    assert report["pairs"]["general_groups_dropped_shared"] == len(GOODS)
    assert report["held_out"]["general_pairs"]["dropped"] == 2
    assert report["rows"]["general"] == {"read": 17, "kept": 17, "positives": 16, "negatives": 1}
    assert "弹" not in (tmp_path / "data/pairs/dev.jsonl").read_text("utf-8")
    without = run(settings(source), tmp_path / "without")
    assert (tmp_path / "without/pairs/dev.jsonl").read_bytes() == (tmp_path / "data/pairs/dev.jsonl").read_bytes()
    assert not [key for key in without["pairs"] if "general" in key]


def test_general_pairs_of_which_none_is_alike_are_refused(source: Path, tmp_path: Path) -> None:
    general = write(source / "general.jsonl", {"sentence1": "甲甲", "sentence2": "乙乙", "label": 0})
    with pytest.raises(InputError, match="prepare.local.general: expected pairs that are alike, got none of 1 rows"):
        run(local(source, general=[str(general)]), tmp_path / "data")
