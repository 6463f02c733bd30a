"""What the fields of a record are called, and what stands under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rosphere.clue.fields import keys, shown
from rosphere.errors import InputError
from rosphere.preparation.naming import KNOWN, Naming
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.preparation.records import LABELS, PAIRS

Named = Mapping[str, Any]
TEXTS = ("sentence", "text", "content", "review", "comment", "query", "question", "utterance", "title", "text_a",
         "句子", "文本", "内容", "评论", "问题", "标题")  # fmt: skip
LETTERS = ("a", "b", "c", "d", "e", "f")
# Our name -> what it is usually called, the first that is there.
USUAL: Mapping[str, Sequence[str]] = {
    "sentence": TEXTS,
    "text": TEXTS,
    "label": (*LABELS, "class", "category", "intent", "sentiment", "labels", "entities", "entity", "tags", "ner_tags",
              "ner", "spans", "类别", "意图", "情感", "实体"),
    "question": ("question", "query", "问题"),
    "context": ("context", "passage", "article", "text", "content", "paragraph", "文章", "原文"),
    "answers": ("answers", "answer", "答案"),
    "choice": ("choice", "choices", "options", "option", "candidates", "endings", "选项"),
    "answer": ("answer", "label", "correct", "gold", "answer_key", "答案"),
    "id": ("id", "qid", "编号"),
}  # fmt: skip


def usual(own: OwnTask, role: str, record: Named) -> str | None:
    """The name under which a record has what we call ``role``; None where it has none of the usual names."""
    given = own.fields.get(role)
    if isinstance(given, str):
        return given
    lowered = {str(key).strip().lower(): key for key in record}
    if role in ("sentence1", "sentence2"):
        place = int(role[-1]) - 1
        return next((str(lowered[pair[place]]) for pair in PAIRS if set(pair) <= lowered.keys()), None)
    return next((str(lowered[name]) for name in USUAL[role] if name in lowered), None)


def value(own: OwnTask, role: str, record: Named, where: str) -> Any:
    """What stands there.

    Raises:
        InputError: there is no such field.
    """
    name = usual(own, role, record)
    if name is None or name not in record:
        said = f"{name!r}, which is named for it" if name else f"a name that is known for it (fields: {{{role}: ...}})"
        raise InputError(f"{where}: expected {role} under {said}, the row has {keys(record)}")
    return record[name]


def text(own: OwnTask, role: str, record: Named, where: str) -> str:
    found = value(own, role, record, where)
    if not isinstance(found, str):
        raise InputError(f"{where}: expected a text as {role}, got {shown(found)}")
    return found


def is_pair(own: OwnTask, record: Named) -> bool:
    """Whether a record of a classification has two texts: by what is named for them, else by what is there."""
    if "sentence" in own.fields or {"sentence1", "sentence2"} & own.fields.keys():
        return "sentence" not in own.fields
    return all(usual(own, role, record) in record for role in ("sentence1", "sentence2"))


def lettered(record: Named) -> list[str]:
    """The fields A, B, C, ... of a record, as far as they go on."""
    lowered = {str(key).strip().lower(): str(key) for key in record}
    found = []
    for letter in LETTERS:
        name = next((lowered[form] for form in (letter, f"option_{letter}", f"option{letter}") if form in lowered), "")
        if not name:
            break
        found.append(name)
    return found


def naming(own: OwnTask) -> Naming:
    """What the columns of its files are called."""
    known = KNOWN | {name for each in USUAL.values() for name in each}
    return Naming(fields=own.fields, columns=own.columns, known=known)
