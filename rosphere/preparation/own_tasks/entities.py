"""Entities in the forms that people have them in, as CLUENER gives them: {"name": {"江泽民": [[0, 2]]}}."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rosphere.clue.fields import is_whole, shown
from rosphere.clue.gold.entities import mentions
from rosphere.errors import InputError
from rosphere.preparation.own_tasks import tagged
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.preparation.own_tasks.tagged import Span

BEGINS = ("start", "begin", "start_idx", "start_offset", "startoffset", "from")
ENDS = ("end", "end_idx", "end_offset", "endoffset", "to")
TYPES = ("label", "type", "entity_type", "entity_group", "tag", "category", "label_type")
MENTIONS = ("text", "mention", "entity", "word", "span", "name")


@dataclass(frozen=True, kw_only=True)
class Marked:
    """An entity by its place. ``end`` is as it was given; ``mention`` what it says, where that was given too."""

    label: str
    begin: int
    end: int
    mention: str | None = None


def row(own: OwnTask, text: Any, label: Any, where: str) -> dict[str, Any]:
    """{"text", "label"}: of tagged tokens; of CLUENER's own form; or of a list of places.

    Raises:
        InputError: another form; a mention that does not stand where it should; nothing says what an end names.
    """
    if isinstance(text, list):
        tokens, tags = _tokens(text, "tokens", where), _tokens(label, "tags", where)
        return _row(tagged.joined(tokens)[0], tagged.spans(tokens, tags, where))
    if not isinstance(text, str):
        raise InputError(f"{where}: expected a text, or a list of tokens, got {shown(text)}")
    if isinstance(label, Mapping):
        return {"text": text, "label": label}  # its mentions are looked at as CLUENER's are
    if isinstance(label, list) and label and all(isinstance(each, str) for each in label):
        if len(label) != len(text):
            raise InputError(f"{where}: expected a tag for each of {len(text)} characters, got {len(label)}")
        return _row(text, tagged.spans(list(text), label, where))
    if not isinstance(label, list):
        raise InputError(f"{where}: expected a list of entities or of tags, got {shown(label)}")
    return _row(text, [_span(own, text, _marked(each, where), where) for each in label])


def _tokens(value: Any, what: str, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{where}: expected a list of {what}, texts all of them, got {shown(value)}")
    return value


def _marked(given: Any, where: str) -> Marked:
    """{"start", "end", "label"} under any of the usual names, or [start, end, label]."""
    wrong = InputError(f"{where}: expected an entity as start, end and label, got {shown(given)}")
    if isinstance(given, list):
        if len(given) != 3 or not (is_whole(given[0]) and is_whole(given[1]) and isinstance(given[2], str)):
            raise wrong
        return Marked(label=given[2], begin=given[0], end=given[1])
    if not isinstance(given, Mapping):
        raise wrong
    begin, end, label, mention = (_first(given, names) for names in (BEGINS, ENDS, TYPES, MENTIONS))
    if not (is_whole(begin) and is_whole(end) and isinstance(label, str)):
        raise wrong
    return Marked(label=label, begin=begin, end=end, mention=mention if isinstance(mention, str) else None)


def _first(given: Mapping[str, Any], names: Sequence[str]) -> Any:
    lowered = {str(key).lower(): value for key, value in given.items()}
    return next((lowered[name] for name in names if name in lowered), None)


def _span(own: OwnTask, text: str, entity: Marked, where: str) -> Span:
    """Its last character: as the declaration says, else so that the mention stands there."""
    begin, lasts = entity.begin, {"last": entity.end, "behind": entity.end - 1}
    if own.ends is None and entity.mention is None:
        raise InputError(
            f"{where}: expected ends: last or ends: behind in the declaration, what the end of an entity names;"
            f" nothing else tells of {entity.begin} to {entity.end}"
        )
    tried = lasts.values() if own.ends is None else [lasts[own.ends]]
    for last in tried:
        inside = 0 <= begin <= last < len(text)
        if inside and entity.mention in (None, text[begin : last + 1]):
            return entity.label, begin, last
    what = "a place" if entity.mention is None else repr(entity.mention)
    raise InputError(f"{where}: {what} does not stand at {begin} to {entity.end} of {shown(text)}")


def _row(text: str, spans: Iterable[Span]) -> dict[str, Any]:
    label: dict[str, dict[str, list[list[int]]]] = {}
    for name, begin, last in sorted(set(spans)):
        label.setdefault(name, {}).setdefault(text[begin : last + 1], []).append([begin, last])
    return {"text": text, "label": label}


def types(row: Mapping[str, Any]) -> set[str]:
    """The types of a row's entities."""
    return {label for label, *_ in mentions(row.get("label", {}))}
