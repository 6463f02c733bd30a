"""Sentences of a Chinese text."""

from __future__ import annotations

import re
from collections.abc import Iterator

SENTENCE = re.compile(r"[^。！？；!?…;]+[。！？；!?…;]*[”’」』）]*")


def split(text: str) -> list[str]:
    """Sentences with their closing marks, blanks at the ends removed."""
    return [sentence for sentence, _, _ in spans(text)]


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """The sentences of ``split``, and which characters [begin, end) of the text they are."""
    for match in SENTENCE.finditer(text):
        whole = match.group()
        sentence = whole.strip()
        if sentence:
            begin = match.start() + len(whole) - len(whole.lstrip())
            yield sentence, begin, begin + len(sentence)
