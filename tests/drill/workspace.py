"""A small workspace of one's own files, good as it is, and damaged; through the check and prepare."""

from __future__ import annotations

import copy
import itertools
import json
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.run import check
from pipeline.run import settings as config
from pipeline.workspace import yaml_file
from rosphere.errors import UNUSABLE, InputError, message
from rosphere.text.tokenizer import SPECIALS
from stages import prepare as stage
from tests.drill import damage

ROOT = Path(__file__).resolve().parents[2]
DVC = ROOT / "dvc.yaml"
GOODS = ("衬衫", "手机", "电脑", "书包", "台灯", "雨伞", "茶杯", "皮鞋", "耳机", "键盘")


def lines(*rows: Any) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)}\n" for row in rows)


@cache
def good() -> Mapping[str, str]:
    """name -> text of every file."""
    groups = [{"text": f"怎么退{goods}", "synonyms": [f"如何退掉{goods}", f"{goods}的退货流程"]} for goods in GOODS]
    pairs = [f"第{n}路车几点来\t几点有第{n}路车\t{n % 2}" for n in range(10)]
    graded = [f"{goods}在哪里\t哪里有{goods}\t{n % 5}" for n, goods in enumerate(GOODS)]
    tasks = {
        "tnews": [{"sentence": f"新闻{n}号很长", "label": str(100 + n % 3)} for n in range(8)],
        "afqmc": [{"sentence1": f"账单{n}月", "sentence2": f"{n}月账单", "label": str(n % 2)} for n in range(8)],
        "cluener": [{"text": f"{n}号张三丰来了", "label": {"name": {"张三丰": [[2, 4]]}}} for n in range(8)],
    }
    made = {
        "text/a.txt": lines(*(f"我在第{n}家店买了{GOODS[n % 10]}，用了{n}天。质量还不错！" for n in range(60))),
        "text/b.jsonl": lines(*({"text": f"第{n}篇文章说，今天的天气很好。"} for n in range(20))),
        "pairs/a.jsonl": lines(*groups),
        "pairs/b.tsv": lines(*pairs),
        "answers.jsonl": lines({"question": "怎么挂失", "answers": ["可以在手机上办理挂失。", "可以在网上办理挂失！"]}),
        "sts/train.txt": lines(*graded[:4]),
        "sts/test.txt": lines(*graded[4:]),
        "labelled.jsonl": lines(*({"sentence1": f"甲{n}", "sentence2": f"乙{n}", "label": n % 2} for n in range(4))),
        "vocab.txt": lines(
            *SPECIALS, *dict.fromkeys("我在第家店买了用天质量还不错怎么退如何掉的货流程0123456789，。！")
        ),
    }
    for name, rows in tasks.items():
        made |= {f"tasks/{name}/train.json": lines(*rows[:5]), f"tasks/{name}/dev.json": lines(*rows[5:])}
    return made | {"tasks/tnews/test.json": lines({"id": 0, "sentence": "一条"})}


@cache
def document() -> dict[str, Any]:
    """params.yaml, for this workspace."""
    found = yaml_file.read(ROOT / "params.yaml")
    local = {
        "text": ["text"],
        "pairs": ["pairs"],
        "tasks": "tasks",
        "answers": ["answers.jsonl"],
        "graded": {"sts": "sts"},
    }
    found["prepare"] |= {"source": "local", "local": {**local, "positive_from": None}, "whole_words": False}
    found["prepare"] |= {"dev_share": 0.2, "held_out": 0.3}
    found["prepare"]["vocabulary"] |= {"size": 300, "minimum": 1}
    found["prepare"]["mining"] |= {"enabled": True, "sentence_characters": [4, 64]}
    found["roformer_sim"]["supervised"]["files"] = ["labelled.jsonl"]
    found["tasks"] = ["tnews", "afqmc", "cluener"]
    return found


def made(home: Path, source: random.Random) -> dict[str, Any]:
    """Writes a workspace, damaged in one to three places; returns its params.yaml."""
    for name, text in good().items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    params = copy.deepcopy(document())
    if source.random() < 0.3:
        params["prepare"]["vocabulary"]["path"] = source.choice(("vocab.txt", "."))
    for _ in range(source.choice((1, 1, 2))):
        if source.random() < 0.3:
            word = source.choice(("prepare", "prepare", "prepare", "roformer_sim", "evaluate", "tasks", "tracking"))
            params |= damage.settings({word: params[word]}, source)
        else:
            damage.folder(home, source)
    shutil.copy(DVC, home)
    return params


@contextmanager
def read_as(params: dict[str, Any]) -> Iterator[None]:
    """params.yaml without a file: reading YAML takes longer than all the rest."""
    kept = yaml_file.read

    def read(path: Path) -> dict[str, Any]:
        return copy.deepcopy(params) if path.name == "params.yaml" else kept(path)

    yaml_file.read = config.read = read
    try:
        yield
    finally:
        yaml_file.read = config.read = kept


def adds_up(report: Mapping[str, Any]) -> None:
    """read = kept + dropped by a reason that has a name, of every source."""
    pairs = report["pairs"]
    of_pairs = {
        "groups": {key.removeprefix("groups_"): n for key, n in pairs.items() if key.startswith("groups_")},
        "negatives": {key.removeprefix("negatives_"): n for key, n in pairs.items() if key.startswith("negatives_")},
    }
    for name, counts in itertools.chain([("text", report["text"])], report["rows"].items(), of_pairs.items()):
        lost = sum(n for key, n in counts.items() if key.startswith("dropped") or key == "merged")
        if name == "negatives":  # those across the split were kept before
            lost -= counts.get("dropped_across_split", 0)
        assert counts.get("read", 0) == counts.get("kept", 0) + lost, (name, counts)
    for name, counts in report["held_out"].items():
        assert 0 <= counts["dropped"] <= counts["read"], (name, counts)
        assert bool(counts["dropped"] or counts.get("dropped_sentences")) == bool(counts["found"]), (name, counts)
    corpus = report["corpus"]
    assert corpus["train"]["documents"] + corpus["dev"]["documents"] <= report["text"]["kept"]


def drilled(home: Path, source: random.Random) -> str:
    """How far one workspace comes; the working directory is ``home``."""
    with read_as(made(home, source)):
        try:
            sections = check.check(Path("params.yaml"))
            check.sources(sections)
        except (InputError, *UNUSABLE) as error:
            assert 0 < len(message(error)) < 2000, error
            return "refused by the check"
        try:
            report = stage.prepare(
                sections["prepare"],
                sections["tasks"],
                seed=8,
                data=Path("data"),
                overrides=sections["evaluate"].tasks,
                supervised=sections["roformer_sim"].supervised.files,
            )
        except InputError as error:
            assert 0 < len(message(error)) < 2000, error
            return f"refused by prepare: {message(error)}"
    adds_up(json.loads(json.dumps(report)))
    return "through"
