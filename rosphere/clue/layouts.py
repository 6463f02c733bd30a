"""Task files as they are released, read into rows: one function a layout.

A layout gives (where, row); ``where`` completes a complaint such as "train.json:12" or "dev.json:DEV_0_QUERY_1". Rows
keep the names that the release gives to its fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rosphere.errors import InputError
from rosphere.text import reading

Numbered = Iterator[tuple[int | str, Mapping[str, Any]]]
Layout = Callable[[Path], Numbered]

IDIOM = re.compile(r"#idiom\d+#")  # a blank of the official ChID, unique in its file
BLANK = "#idiom#"  # FewCLUE's; here also the blank that a row asks for


def document(path: Path) -> Any:
    """The file as one JSON value; None where it is JSON lines, several values one behind another."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start})") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" or not text.lstrip().startswith("["):
            return None  # the line reader says more about what is wrong with which line
        raise InputError(f"{path}:{error.lineno}: {reading.not_json(error)}") from error


def lines(path: Path) -> Numbered:
    """JSON lines, or one JSON list of objects."""
    whole = document(path)
    if not isinstance(whole, list):
        yield from [(1, whole)] if isinstance(whole, dict) else reading.rows(path)
        return
    for number, row in enumerate(whole, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: expected a JSON object, got {type(row).__name__}")
        yield number, row


def squad(path: Path) -> Numbered:
    """CMRC 2018: {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers": [...]}]}]}]}.

    Rows are {"id", "context", "question", "answers": {"text": [...], "answer_start": [...]}}, which may also stand in
    a file as they are.
    """
    whole = document(path)
    if not isinstance(whole, dict) or "data" not in whole:
        yield from lines(path)
        return
    for article in _list(whole, "data", f"{path}"):
        for paragraph in _list(article, "paragraphs", f"{path}:data"):
            for place, question in enumerate(_list(paragraph, "qas", f"{path}:paragraphs")):
                where = str(question.get("id", f"{paragraph.get('id', '?')} question {place}"))
                yield where, {"context": paragraph.get("context"), **question, **_columns(question, path, where)}


def _columns(question: Mapping[str, Any], path: Path, where: str) -> dict[str, Any]:
    """[{"text", "answer_start"}, ...] as {"text": [...], "answer_start": [...]}; nothing where there are no answers."""
    if "answers" not in question:
        return {}
    answers = _list(question, "answers", f"{path}:{where}")
    missing = [key for key in ("text", "answer_start") for answer in answers if key not in answer]
    if missing:
        raise InputError(
            f"{path}:{where}: expected 'text' and 'answer_start' in every answer, {missing[0]!r} is missing"
        )
    return {"answers": {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}}


def c3(path: Path) -> Numbered:
    """C3: [[[turn, ...], [{"question", "choice": [...], "answer"}, ...], id], ...].

    Rows are {"id", "context": [turn, ...], "question", "choice", "answer"}, which may also stand in a file as they are.
    """
    whole = document(path)
    if not isinstance(whole, list) or not whole or isinstance(whole[0], dict):
        yield from lines(path)
        return
    for number, item in enumerate(whole, 1):
        if not (isinstance(item, list) and len(item) == 3 and isinstance(item[1], list)):
            raise InputError(f"{path}:{number}: expected [turns, questions, id], got {str(item)[:60]}")
        turns, questions, name = item
        for place, question in enumerate(questions):
            where = f"{name} question {place}"
            if not isinstance(question, dict):
                raise InputError(f"{path}:{where}: expected a JSON object, got {type(question).__name__}")
            yield where, {"id": f"{name}-{place}", "context": turns, **question}


def chid(path: Path) -> Numbered:
    """ChID, one row a blank: {"id", "group", "content", "candidates", "answer"}; the blank asked for is "#idiom#".

    Official: lines {"candidates", "content": [text with #idiom000001# ...]}, answers in <name>_answer.json beside it.
    Blanks of one line share its candidates, so its number is their ``group``. (idiomDict.json, the meanings, is for
    people: no construction here reads it.) FewCLUE: lines {"content" with one "#idiom#", "candidates", "answer"}.
    """
    beside = path.with_name(f"{path.stem}_answer.json")
    answers = document(beside) if beside.is_file() else None
    for number, row in lines(path):
        content = row.get("content")
        if not isinstance(content, list):
            yield number, row
            continue
        for text in content:
            if not isinstance(text, str):
                raise InputError(f"{path}:{number}: expected texts under 'content', got {type(text).__name__}")
            for blank in IDIOM.findall(text):
                if answers is not None and blank not in answers:
                    raise InputError(f"{beside}: expected an answer for {blank} ({path.name}:{number}), got none")
                known = {} if answers is None else {"answer": answers[blank]}
                asked = {"id": blank, "group": number, "content": text.replace(blank, BLANK)}
                yield f"{number} {blank}", {**asked, "candidates": row.get("candidates"), **known}


def _list(value: Any, key: str, where: str) -> list[dict[str, Any]]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InputError(f"{where}: expected a list of objects under {key!r}, got {str(found)[:60]}")
    return found
