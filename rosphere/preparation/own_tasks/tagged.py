"""Tagged tokens: CoNLL files, a token and its tag a line, and entities as their tags say.

B-X, M-X or I-X, E-X, S-X and O, in BIO, BIOES and BMES alike. A tag that goes on with nothing begins an entity, as the
script conlleval of the CoNLL-2000 shared task has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rosphere.errors import InputError
from rosphere.preparation.own_tasks.fields import Named
from rosphere.text import reading

ENDINGS = (".conll", ".bio", ".bmes", ".bioes", ".bieo", ".iob", ".char", ".ner")  # besides .txt
TAG = re.compile(r"(?P<place>[BIMESLU])[-_](?P<label>\S+)", re.IGNORECASE)
BEGINS, ENDS = "BSU", "ESLU"
Span = tuple[str, int, int]  # label, first character, last character


def sentences(path: Path) -> Iterator[tuple[str, Named]]:
    """(file:line of its first token, {"text": [token, ...], "label": [tag, ...]}); blank lines part sentences."""
    tokens: list[str] = []
    tags: list[str] = []
    begin = 0
    for number, line in reading.lines(path):
        fields = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or fields[0] == "-DOCSTART-":
            if tokens:
                yield f"{path}:{begin}", {"text": tokens, "label": tags}
            tokens, tags = [], []
            continue
        if len(fields) < 2 or not fields[0]:
            raise InputError(f"{path}:{number}: expected a token and its tag, or a blank line, got {line[:40]!r}")
        begin = begin if tokens else number
        tokens.append(fields[0])
        tags.append(fields[-1].strip())
    if tokens:
        yield f"{path}:{begin}", {"text": tokens, "label": tags}


def joined(tokens: Sequence[str]) -> tuple[str, list[int]]:
    """The text of the tokens, and where each of them begins: one behind another, with a blank between Latin words."""
    text, begins = "", []
    for before, token in zip(["", *tokens], tokens, strict=False):
        latin = all(char.isascii() and char.isalnum() for char in (before[-1:], token[:1]))
        apart = latin and max(len(before), len(token)) > 1  # single letters are a word in pieces
        begins.append(len(text) + apart)
        text += " " * apart + token
    return text, begins


def spans(tokens: Sequence[str], tags: Sequence[str], where: str) -> list[Span]:
    """The entities, in characters of the ``joined`` text.

    Raises:
        InputError: a tag of another form, or not a tag for each token.
    """
    if len(tokens) != len(tags):
        raise InputError(f"{where}: expected a tag for each of {len(tokens)} tokens, got {len(tags)}")
    found: list[Span] = []
    goes_on = False  # whether the last entity found is still open
    for token, begin, tag in zip(tokens, joined(tokens)[1], tags, strict=True):
        end = begin + len(token)
        place, label = _read(tag, where)
        if not place:
            goes_on = False
            continue
        if goes_on and place not in BEGINS and found[-1][0] == label:
            found[-1] = (label, found[-1][1], end - 1)
        else:
            found.append((label, begin, end - 1))
        goes_on = place not in ENDS
    return found


def _read(tag: str, where: str) -> tuple[str, str]:
    """("B", "PER") of B-PER; ("", "") of O."""
    if tag in ("O", "o"):
        return "", ""
    match = TAG.fullmatch(tag)
    if match is None:
        raise InputError(f"{where}: expected O or a tag such as B-PER, I-PER, M-PER, E-PER or S-PER, got {tag!r}")
    return match["place"].upper(), match["label"]


def is_file(path: Path) -> bool:
    """Whether a file of entities is read so: by its ending, a .txt too."""
    return path.suffix.lower() in (*ENDINGS, ".txt")
