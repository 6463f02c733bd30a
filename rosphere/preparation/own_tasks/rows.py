"""A record of a file as a row of its task: under CLUE's names, in CLUE's forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rosphere.clue.fields import is_whole, keys, shown
from rosphere.clue.layouts import BLANK
from rosphere.clue.reading import DISAGREED
from rosphere.errors import InputError
from rosphere.preparation.own_tasks import entities
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.preparation.own_tasks.fields import Named, lettered, text, usual, value

Row = dict[str, Any]


def row(own: OwnTask, record: Named, where: str, *, pair: bool, labelled: bool) -> Row:
    """Raises InputError where a field is missing, or holds what its kind has not. An answer that is missing in training
    or dev rows is "-", by which the row is dropped and counted; in test rows it is left out."""
    made = MAKERS[own.kind](own, record, where, pair)
    gold = {"classification": "label", "entities": "label", "spans": "answers", "choices": "answer"}[own.kind]
    if made.get(gold) is None:
        made = {key: each for key, each in made.items() if key != gold}
        made |= {gold: DISAGREED} if labelled else {}
    name = usual(own, "id", record)
    identity = record.get(name) if name else None
    made |= {"id": identity} if isinstance(identity, str | int) else {}
    return made | ({"group": _group(own.group, record, where)} if own.group and labelled else {})


def _group(name: str, record: Named, where: str) -> str:
    if name not in record:
        raise InputError(f"{where}: expected group under {name!r}, the row has {keys(record)}")
    return str(record[name])


def _classification(own: OwnTask, record: Named, where: str, pair: bool) -> Row:
    roles = ("sentence1", "sentence2") if pair else ("sentence",)
    texts = {role: text(own, role, record, where) for role in roles}
    return {**texts, "label": label(_answer(own, "label", record), where)}


def label(given: Any, where: str) -> str | None:
    """1, 1.0, "1" and "1 " are one class; None where there is none."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, float) and given.is_integer():
        return str(int(given))
    if isinstance(given, str | int):
        found = str(given).strip()
        return None if found in ("", DISAGREED) else found
    if given is None:
        return None
    raise InputError(f"{where}: expected one label, got {shown(given)}")


def _answer(own: OwnTask, role: str, record: Named) -> Any:
    """What stands for the right answer; None where nothing does, as in test rows."""
    name = usual(own, role, record)
    found = record.get(name) if name else None
    return None if isinstance(found, str) and found.strip() in ("", DISAGREED) else found


def _entities(own: OwnTask, record: Named, where: str, pair: bool) -> Row:
    given, given_text = _answer(own, "label", record), value(own, "text", record, where)
    if given is None:
        return {"text": "".join(given_text) if isinstance(given_text, list) else given_text}
    return entities.row(own, given_text, given, where)


def _spans(own: OwnTask, record: Named, where: str, pair: bool) -> Row:
    texts = {role: text(own, role, record, where) for role in ("context", "question")}
    given = _answer(own, "answers", record)
    none = not given or (isinstance(given, Mapping) and given.get("text") == [])
    return {**texts, "answers": None if none else _placed(given, texts["context"])}


def _placed(given: Any, context: str) -> Any:
    """Answers that are only texts, one or several, where they first stand; other forms are CMRC 2018's or SQuAD's."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        return given
    return {"text": texts, "answer_start": [context.find(each) for each in texts]}


def _choices(own: OwnTask, record: Named, where: str, pair: bool) -> Row:
    names, options = _options(own, record, where)
    answer = _number(own, _answer(own, "answer", record), names, options)
    if own.blank is not None:
        return {"content": _content(own, record, where), "candidates": options, "answer": answer}
    context = _answer(own, "context", record) if usual(own, "context", record) != usual(own, "question", record) else ""
    turns = context if isinstance(context, list) else [context] if context else []
    question = text(own, "question", record, where) if usual(own, "question", record) in record or not turns else ""
    return {"context": turns, "question": question, "choice": options, "answer": answer}


def _options(own: OwnTask, record: Named, where: str) -> tuple[list[str], list[Any]]:
    """What the choices are called, where they are called something, and the choices: a list, an object, or fields."""
    given = own.fields.get("choice")
    columns = given if isinstance(given, list) else []
    if given is None and usual(own, "choice", record) not in record:
        columns = lettered(record)
    if columns:
        missing = next((name for name in columns if name not in record), None)
        if missing:
            raise InputError(f"{where}: expected a choice under {missing!r}, the row has {', '.join(map(str, record))}")
        filled = [name for name in columns if record[name] not in ("", None)]
        return filled, [record[name] for name in filled]
    found = value(own, "choice", record, where)
    if isinstance(found, Mapping):
        return list(map(str, found)), list(found.values())
    if not isinstance(found, list):
        raise InputError(f"{where}: expected a list of choices, or fields of them, got {shown(found)}")
    return [], found


def _number(own: OwnTask, given: Any, names: list[str], options: list[Any]) -> Any:
    """The number of the right choice, from 0; a letter, and the words of the choice, are read with the row."""
    if isinstance(given, str) and given not in options:
        given = given.strip()
        if given in names:
            return names.index(given)
        if given.isdecimal():
            given = int(given)
        elif len(given) == 1 and given.islower():
            return given.upper()
    return given - own.counted_from if is_whole(given) else given


def _content(own: OwnTask, record: Named, where: str) -> str:
    role = "context" if usual(own, "context", record) in record else "question"
    found, blank = text(own, role, record, where), str(own.blank)
    if found.count(blank) != 1:
        raise InputError(f"{where}: expected {blank!r} once in the text, got it {found.count(blank)} times")
    return found.replace(blank, BLANK)


MAKERS = {"classification": _classification, "entities": _entities, "spans": _spans, "choices": _choices}
