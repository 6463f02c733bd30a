"""Thirteen kinds of files as people have them, each from files to a score by a declaration alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.run.typed import converted
from rosphere.clue import baselines, finetuning, scoring
from rosphere.clue.model import TaskModel
from rosphere.clue.predicting import predict
from rosphere.preparation.own_tasks import loading
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule
from tests import tiny

GOODS = ("衬衫", "手机", "台灯", "雨伞", "皮鞋", "耳机", "键盘", "茶杯")
CITIES = ("上海", "北京", "广州", "成都", "武汉", "南京", "杭州", "西安")
SURNAMES = "王李张刘陈杨赵黄"
Files = dict[str, str]  # name -> what is in it


def lines(rows: Sequence[object]) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def reviews(begin: int, end: int) -> list[tuple[str, int]]:
    said = (("很好用，喜欢", 1), ("坏了，要退货", 0))
    return [(f"{GOODS[n % 8]}买了{n}天，{text}", label) for n in range(begin, end) for text, label in said]


def sentiment() -> Files:
    """Commas within quotes, a header with other names, labels as numbers."""
    return {"all.csv": "label,review\n" + lines([f'{label},"{text}"' for text, label in reviews(0, 16)])}


def bank() -> Files:
    """Question pairs of a bank, with a number before them and no header."""
    rows = [(f"{c}卡怎么挂失", f"{c}卡丢了怎么办", 1) for c in CITIES] + [
        (f"{c}卡怎么挂失", f"{c}卡利率多少", 0) for c in CITIES
    ]
    told = [f"{n}\t{one}\t{two}\t{label}" for n, (one, two, label) in enumerate(rows)]
    return {"train.tsv": lines(told[::2] + told[1:8:2]), "dev.tsv": lines(told[9::2])}


def assistant() -> Files:
    """Question pairs under query and title, with inference as label."""
    rows = [{"query": f"放{g}的歌", "title": f"播放{g}", "label": "entailment"} for g in GOODS]
    rows += [{"query": f"放{g}的歌", "title": f"关掉{g}", "label": "contradiction"} for g in GOODS]
    return {"train.json": json.dumps(rows[:12] + rows[13:], ensure_ascii=False), "dev.json": lines(rows[4:14])}


def intents() -> Files:
    """Objects one behind another, without a line's end between them."""
    rows = [
        {"text": f"{c}{w}", "intent": name} for c in CITIES for w, name in (("天气", "weather"), ("机票", "flight"))
    ]
    return {"train.jsonl": "".join(json.dumps(row, ensure_ascii=False) for row in rows)}


def news() -> Files:
    """A file of fields between tabs whose header stands in capitals, and a test set with its labels."""
    rows = [f"{c}队赢了比赛\t体育" for c in CITIES] + [f"{c}股票涨了\t财经" for c in CITIES]
    parts = {"train.tsv": rows[::2], "dev.tsv": rows[1::4], "test.tsv": rows[3::4]}
    return {name: lines(["Text\tCategory", *chosen]) for name, chosen in parts.items()}


def conll(mark: Callable[[int, int], str]) -> str:
    told = []
    for n, city in enumerate(CITIES):
        told += [f"{SURNAMES[n]} {mark(0, 2)}-PER", f"明 {mark(1, 2)}-PER", "去 O"]
        told += [f"{city[0]} {mark(0, 2)}-LOC", f"{city[1]} {mark(1, 2)}-LOC", ""]
    return lines(told)


def bio() -> Files:
    text = conll(lambda place, _: "BI"[place > 0])
    return {"train.txt": text, "dev.txt": text.split("\n\n", 3)[-1]}


def bmes() -> Files:
    text = conll(lambda place, size: "B" if place == 0 else "E" if place == size - 1 else "M")
    return {"train.bmes": text, "dev.bmes": text.split("\n\n", 3)[-1]}


def tag_lists() -> Files:
    """Tokens and tags as lists of a row."""
    rows = [{"tokens": list(f"{s}明到{c}"), "ner_tags": ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"]}
            for s, c in zip(SURNAMES, CITIES, strict=True)]  # fmt: skip
    return {"train.json": lines(rows), "dev.json": lines(rows[:3])}


def nested() -> Files:
    """A company's name with a city in it, by start and end."""
    rows = []
    for city in CITIES:
        text = f"他在{city}银行工作"
        marked = [{"start_idx": 2, "end_idx": 5, "type": "org", "entity": f"{city}银行"}]
        marked += [{"start_idx": 2, "end_idx": 3, "type": "loc", "entity": city}]
        rows.append({"text": text, "entities": marked})
    return {"train.jsonl": lines(rows), "dev.jsonl": lines(rows[5:])}


def exclusive() -> Files:
    """[start, end, label], the end behind the last character, as annotation tools export."""
    rows = [{"id": n, "text": f"我要去{c}", "label": [[3, 5, "地点"]]} for n, c in enumerate(CITIES)]
    return {"all.jsonl": lines(rows)}


def idioms() -> Files:
    """A gap in a sentence, several idioms to choose from, the right one in words."""
    pairs = [("他", "画蛇添足"), ("我们", "守株待兔"), ("老师", "亡羊补牢"), ("大家", "井底之蛙")]
    options = [idiom for _, idiom in pairs]
    rows = [{"content": f"{who}说这是____，{g}也一样", "candidates": options, "answer": idiom}
            for who, idiom in pairs for g in GOODS[:4]]  # fmt: skip
    return {"train.json": lines(rows), "dev.json": lines(rows[::5])}


def traditional() -> Files:
    """Reading in traditional characters, in SQuAD's own form."""
    paragraphs = []
    for n, city in enumerate("臺北 高雄 臺中 臺南 基隆 新竹 嘉義 屏東".split()):
        context = f"{city}的鐵路於{1890 + n}年開通，全長{20 + n}公里。"
        asked = {"id": f"{n}", "question": f"{city}的鐵路何時開通？"}
        answer = {"id": "1", "text": f"{1890 + n}年", "answer_start": context.index(f"{1890 + n}年")}
        paragraphs.append({"id": f"p{n}", "context": context, "qas": [{**asked, "answers": [answer]}]})

    def file(chosen: list[dict[str, Any]]) -> str:
        return json.dumps({"version": "1", "data": [{"title": "鐵路", "paragraphs": chosen}]}, ensure_ascii=False)

    return {"train.json": file(paragraphs), "dev.json": file(paragraphs[:3])}


def choice() -> Files:
    """Columns A to D and a letter."""
    told = ["id,question,A,B,C,D,answer"]
    for n in range(16):
        options = [GOODS[(n + k) % 8] for k in range(4)]
        told.append(f"{n},哪个是{options[n % 4]}？,{','.join(options)},{'ABCD'[n % 4]}")
    return {"train.csv": lines(told), "dev.csv": lines(told[:1] + told[9:])}


@dataclass(frozen=True, kw_only=True)
class Kind:
    files: Callable[[], Files]
    declared: dict[str, Any]
    train: int
    dev: int
    first: dict[str, Any]  # a part of the first training row
    labels: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    learnt: float = 0.9  # the least score on the training rows that a tiny encoder reaches


ANSWERS_APART = {"dev_share": 0.25}
KINDS = {
    "sentiment": Kind(
        files=sentiment,
        declared={"kind": "classification", "files": "all.csv", **ANSWERS_APART},
        train=24,
        dev=8,
        first={"sentence": "衬衫买了0天，很好用，喜欢", "label": "1"},
        labels=("0", "1"),
        counts={"dev_set_apart_of_train": 8},
    ),
    "bank": Kind(
        files=bank,
        declared={
            "kind": "classification",
            "files": {"train": "train.tsv", "dev": "dev.tsv"},
            "columns": ["number", "sentence1", "sentence2", "label"],
        },
        train=12,
        dev=4,
        first={"sentence1": "上海卡怎么挂失", "sentence2": "上海卡丢了怎么办", "label": "1"},
        labels=("0", "1"),
    ),
    "assistant": Kind(
        files=assistant,
        declared={"kind": "classification", "files": "."},
        train=15,
        dev=10,
        first={"sentence1": "放衬衫的歌", "sentence2": "播放衬衫", "label": "entailment"},
        labels=("contradiction", "entailment"),
    ),
    "intents": Kind(
        files=intents,
        declared={"kind": "classification", "files": "train.jsonl", **ANSWERS_APART},
        train=12,
        dev=4,
        first={"sentence": "上海天气", "label": "weather"},
        labels=("flight", "weather"),
        counts={"dev_set_apart_of_train": 4},
    ),
    "news": Kind(
        files=news,
        declared={"kind": "classification", "files": ".", "fields": {"sentence": "Text", "label": "Category"}},
        train=8,
        dev=4,
        first={"sentence": "上海队赢了比赛", "label": "体育"},
        labels=("体育", "财经"),
    ),
    "bio": Kind(
        files=bio,
        declared={"kind": "entities", "files": "."},
        train=8,
        dev=5,
        first={"text": "王明去上海", "label": {"LOC": {"上海": [[3, 4]]}, "PER": {"王明": [[0, 1]]}}},
        labels=("LOC", "PER"),
    ),
    "bmes": Kind(
        files=bmes,
        declared={"kind": "entities", "files": {"train": "train.bmes", "dev": "dev.bmes"}},
        train=8,
        dev=5,
        first={"text": "王明去上海", "label": {"LOC": {"上海": [[3, 4]]}, "PER": {"王明": [[0, 1]]}}},
        labels=("LOC", "PER"),
    ),
    "tag_lists": Kind(
        files=tag_lists,
        declared={"kind": "entities", "files": ".", "fields": {"text": "tokens"}},
        train=8,
        dev=3,
        first={"text": "王明到上海", "label": {"LOC": {"上海": [[3, 4]]}, "PER": {"王明": [[0, 1]]}}},
        labels=("LOC", "PER"),
    ),
    "nested": Kind(
        files=nested,
        declared={"kind": "entities", "files": "."},
        train=8,
        dev=3,
        first={"label": {"loc": {"上海": [[2, 3]]}, "org": {"上海银行": [[2, 5]]}}},
        labels=("loc", "org"),
    ),
    "exclusive": Kind(
        files=exclusive,
        declared={"kind": "entities", "files": "all.jsonl", "ends": "behind", **ANSWERS_APART},
        train=6,
        dev=2,
        first={"text": "我要去北京", "label": {"地点": {"北京": [[3, 4]]}}},
        labels=("地点",),
        counts={"dev_set_apart_of_train": 2},
    ),
    "idioms": Kind(
        files=idioms,
        declared={"kind": "choices", "files": ".", "blank": "____"},
        train=16,
        dev=4,
        first={"content": "他说这是#idiom#，衬衫也一样", "answer": "画蛇添足"},
    ),
    "traditional": Kind(
        files=traditional,
        declared={"kind": "spans", "files": "."},
        train=8,
        dev=3,
        first={"question": "臺北的鐵路何時開通？", "answers": {"text": ["1890年"], "answer_start": [6]}},
    ),
    "choice": Kind(
        files=choice,
        declared={"kind": "choices", "files": {"train": "train.csv", "dev": "dev.csv"}},
        train=16,
        dev=8,
        first={"question": "哪个是衬衫？", "choice": ["衬衫", "手机", "台灯", "雨伞"], "answer": 0},
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_from_files_to_a_score(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = KINDS[name]
    for file, text in wanted.files().items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    own = converted(wanted.declared, f"prepare.tasks.{name}", OwnTask)
    loaded = loading.load(name, own, seed=8)
    train, dev, task = loaded.splits["train"], loaded.splits["dev"], loaded.task
    assert (len(train), len(dev), task.labels) == (wanted.train, wanted.dev, wanted.labels)
    assert wanted.first.items() <= train[0].items()
    assert loaded.counts == wanted.counts and loaded.unread == []

    texts = [
        text for row in (*train, *dev) for text in (*task.texts(row), *(task.choices(row) if task.choices else ()))
    ]
    pieces = tiny.tokenizer(tmp_path / "tokenizer", texts)
    model = TaskModel(tiny.encoder(len(pieces), seed=1), task, means=True)
    recipe = finetuning.Recipe(
        epochs=1, minimum_steps=120, batch_size=8, schedule=lambda steps: Schedule(steps=steps, learning_rate=1e-2)
    )
    history = finetuning.finetune(model, train, pieces, recipe, seed=0, folder=None, callbacks=Callbacks())
    assert history[-1]["step"] >= 120
    assert scoring.score(task, train, predict(model, train, pieces)) >= wanted.learnt
    assert 0 <= scoring.score(task, dev, predict(model, dev, pieces)) <= 1
    measured = baselines.measured(task, train, dev)
    assert 0 <= measured.majority[task.metric] <= 1 and 0 <= measured.simple[task.metric] <= 1
