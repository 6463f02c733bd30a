"""Good rows and files, spoilt at random in the ways in which people's are."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from tests.clue.test_layouts import ANSWERS, CMRC, DIALOGUE, OFFICIAL
from tests.clue.test_reading import GOOD

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 99, 10**30, 0.5, 1e308, float("nan"), "", " ", "-", "-1", "0", "1", "A", "甲",
    "半\ud83d", "\u2028", "\ufeff", "\x00", "ＡＢ１２", "😀", "#idiom#", "#idiom000001#", "乙丙", [], {}, [[]], [0, 2],
    [[0, 0]], ["甲", "乙"], ["甲"], {"甲": [[0, 0]]}, {"name": {"甲": [[0, 1]]}}, "甲" * 600,
    {"text": ["乙"], "answer_start": [1]},
)  # fmt: skip
WORDS = ("水稻产量", "今天天气", "红酒好喝", "手机很贵", "北京上海")


def rows_of(name: str, source: random.Random) -> list[Any]:
    """A few good rows that differ in their texts, or the release's own form."""
    if name == "cmrc2018" and source.random() < 0.3:
        return [copy.deepcopy(CMRC)]
    if name == "c3" and source.random() < 0.3:
        return copy.deepcopy(DIALOGUE)
    if name == "chid" and source.random() < 0.3:
        return [copy.deepcopy(OFFICIAL)]
    made = []
    for number in range(source.randrange(1, 7)):
        row = copy.deepcopy(GOOD[name])
        for key in ("sentence", "sentence1", "sentence2", "abst", "question"):
            if key in row:
                row[key] = source.choice(WORDS) * source.choice((1, 1, 1, 40)) + str(number)
        for key in ("text", "content", "context"):  # of which the beginning stays: places are in it
            if key in row:
                row[key] += [source.choice(WORDS)] if isinstance(row[key], list) else source.choice(WORDS) + str(number)
        made.append(row)
    return made


def spoilt(value: Any, source: random.Random) -> Any:
    """The value with one place changed, mostly a small one."""
    value = copy.deepcopy(value)
    place, path = value, []
    while isinstance(place, dict | list) and place and (not path or source.random() < 0.8):
        key = source.choice(list(place) if isinstance(place, dict) else range(len(place)))
        path.append((place, key))
        place = place[key]
    if not path:
        return source.choice(ODD)
    inside, key = path[-1]
    _change(inside, key, source)
    return value


def _change(inside: Any, key: Any, source: random.Random) -> None:
    way, old = source.randrange(7), inside[key]
    if way == 0:
        del inside[key]
    elif way == 1 and type(old) is int:
        inside[key] = old + source.choice((-2, -1, 1, 2, 100))
    elif way == 2 and isinstance(old, list):
        inside[key] = "".join(map(str, old))
    elif way == 3 and isinstance(old, str):
        inside[key] = old[: source.randrange(len(old) + 1)] + source.choice(("", "甲", " ", "\u200b", "é"))
    elif way == 4:
        inside[key] = [old]
    elif way == 5 and isinstance(inside, dict):
        inside[source.choice(("extra", "id", "label", "text", "answer"))] = source.choice(ODD)
    else:
        inside[key] = source.choice(ODD)


def written(rows: list[Any], source: random.Random, *, plain: bool = False) -> bytes:
    """Lines, a list, or something between, sometimes with the marks that other programs leave."""
    lines = [json.dumps(row, ensure_ascii=source.random() < 0.5 or _halves(row)) for row in rows]
    way = 99 if plain else source.randrange(14)
    if way == 0:
        return json.dumps(rows).encode()
    if way == 1:
        return b"\xef\xbb\xbf" + "\n".join(lines).encode()
    if way == 2:
        return ("\r\n\r\n".join(lines) + "\r\n").encode()
    if way == 3:
        raw = bytearray("\n".join(lines).encode())
        for _ in range(source.randrange(1, 3)):
            if raw:
                raw[source.randrange(len(raw))] = source.randrange(256)
        return bytes(raw)
    if way == 4:
        text = "\n".join(lines).encode()
        return text[: source.randrange(len(text) + 1)]
    if way == 5:
        return "\n".join(lines).encode("utf-16" if source.random() < 0.5 else "gbk", "replace")
    if way == 6:
        lengthy = ("[" * 5000, '{"x": ' + "9" * 5000 + "}")
        odd = source.choice((*lengthy, '{"a": 1, "a": 2}', "5", '"甲"', "null", "NaN", ""))
        lines.insert(source.randrange(len(lines) + 1), odd)
    if way == 7:
        return json.dumps(rows, indent=1).encode()
    return ("\n".join(lines) + "\n" * source.randrange(3)).encode()


def _halves(row: Any) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def answers(source: random.Random, *, plain: bool) -> bytes:
    """The file of answers beside the official ChID's."""
    return json.dumps(spoilt(ANSWERS, source) if source.random() < 0.4 and not plain else ANSWERS).encode()
