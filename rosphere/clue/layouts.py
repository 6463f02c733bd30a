"""Task files as they are released, read into rows: one function a layout.

A layout gives (where, row); ``where`` completes a complaint such as "train.json:12" or "dev.json:DEV_0_QUERY_1". Rows
keep the names that the release gives to its fields. Answers of a file that is not ``labelled`` are not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from rosphere.clue import strict_json
from rosphere.clue.fields import shown
from rosphere.errors import InputError
from rosphere.text import reading

Numbered = Iterator[tuple[int | str, Mapping[str, Any]]]


class Layout(Protocol):
    def __call__(self, path: Path, /, *, labelled: bool = True) -> Numbered: ...


IDIOM = re.compile(r"#idiom\d+#")  # a blank of the official ChID, unique in its file
BLANK = "#idiom#"  # FewCLUE's; here also the blank that a row asks for


def document(path: Path) -> Any:
    """The file as one JSON value; None where it is JSON lines, several values one behind another."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}){reading.other(path.read_bytes())}") from error
    try:
        return strict_json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" or not text.lstrip().startswith("["):
            return None  # the line reader says more about what is wrong with which line
        raise InputError(f"{path}:{error.lineno}: {reading.not_json(error)}") from error
    except InputError as error:
        first, more, _ = text.strip().partition("\n")
        if more and first.startswith("{") and first.rstrip().endswith("}"):
            return None
        raise InputError(f"{path}: {error}") from error


def _rows(path: Path) -> Numbered:
    """JSON lines, of one object or of several one behind another; blank ones are left out."""
    for number, line in reading.lines(path):
        if not line.strip():
            continue
        try:
            values = strict_json.concatenated(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: {reading.not_json(error)}") from error
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}") from error
        for count, row in enumerate(values, 1):
            where = number if count == 1 else f"{number}, object {count}"
            if not isinstance(row, dict):
                raise InputError(f"{path}:{where}: expected a JSON object, got {type(row).__name__}")
            yield where, row


def lines(path: Path, *, labelled: bool = True) -> Numbered:
    """JSON lines, or one JSON list of objects."""
    whole = document(path)
    if not isinstance(whole, list):
        yield from [(1, whole)] if isinstance(whole, dict) else _rows(path)
        return
    for number, row in enumerate(whole, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: expected a JSON object, got {type(row).__name__}")
        yield number, row


def is_squad(path: Path) -> bool:
    """Whether the file is one object with "data", and no lines."""
    whole = document(path)
    return isinstance(whole, dict) and "data" in whole


def squad(path: Path, *, labelled: bool = True) -> Numbered:
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
                answers = columns(question, f"{path}:{where}") if labelled and "answers" in question else {}
                yield where, {"context": paragraph.get("context"), **question, **answers}


def columns(question: Mapping[str, Any], where: str) -> dict[str, Any]:
    """[{"text", "answer_start"}, ...] under "answers" as {"text": [...], "answer_start": [...]}."""
    answers = _list(question, "answers", where)
    missing = [key for key in ("text", "answer_start") for answer in answers if key not in answer]
    if missing:
        raise InputError(f"{where}: expected 'text' and 'answer_start' in every answer, {missing[0]!r} is missing")
    return {"answers": {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}}


def c3(path: Path, *, labelled: bool = True) -> Numbered:
    """C3: [[[turn, ...], [{"question", "choice": [...], "answer"}, ...], id], ...].

    Rows are {"context": [turn, ...], "question", "choice", "answer"}, which may also stand in a file as they are. Only
    questions of test sets have an "id"; by it, or by their number in the file, CLUE knows them.
    """
    whole = document(path)
    if not isinstance(whole, list) or not whole or isinstance(whole[0], dict):
        yield from lines(path)
        return
    for number, item in enumerate(whole, 1):
        if not (isinstance(item, list) and len(item) == 3 and isinstance(item[1], list)):
            raise InputError(f"{path}:{number}: expected [turns, questions, id], got {shown(item)}")
        turns, questions, name = item
        for place, question in enumerate(questions):
            where = f"{name} question {place}"
            if not isinstance(question, dict):
                raise InputError(f"{path}:{where}: expected a JSON object, got {type(question).__name__}")
            yield where, {"context": turns, **question}


def chid(path: Path, *, labelled: bool = True) -> Numbered:
    """ChID, one row a blank: {"id", "group", "content", "candidates", "answer"}; the blank asked for is "#idiom#".

    Official: lines {"candidates", "content": [text with #idiom000001# ...]}, answers in <name>_answer.json beside it.
    Blanks of one line share its candidates, so its number is their ``group``. (idiomDict.json, the meanings, is for
    people: no construction here reads it.) FewCLUE: lines {"content" with one "#idiom#", "candidates", "answer"}.
    """
    answers: Mapping[str, Any] | None = None
    for number, row in lines(path):
        content = row.get("content")
        if not isinstance(content, list):
            yield number, row
            continue
        for text in content:
            if not isinstance(text, str):
                raise InputError(f"{path}:{number}: expected texts under 'content', got {type(text).__name__}")
            for blank in IDIOM.findall(text):
                answers = _answers(path) if labelled and answers is None else answers
                if answers is not None and blank not in answers:
                    beside = path.with_name(f"{path.stem}_answer.json")
                    raise InputError(f"{beside}: expected an answer for {blank} ({path.name}:{number}), got none")
                known = {} if answers is None else {"answer": answers[blank]}
                asked = {"id": blank, "group": number, "content": text.replace(blank, BLANK)}
                yield f"{number} {blank}", {**asked, "candidates": row.get("candidates"), **known}


def _answers(path: Path) -> Mapping[str, Any]:
    """The answers to a file of the official ChID, from the file beside it."""
    beside = path.with_name(f"{path.stem}_answer.json")
    if not beside.is_file():
        raise InputError(f"{beside}: no such file; the answers to {path.name} are expected there")
    answers = document(beside)
    if not isinstance(answers, Mapping):
        raise InputError(f"{beside}: expected one JSON object, blank: number, got {shown(answers)}")
    return answers


def _list(value: Any, key: str, where: str) -> list[dict[str, Any]]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InputError(f"{where}: expected a list of objects under {key!r}, got {shown(found)}")
    return found
