"""Sentences of a Chinese text."""

from __future__ import annotations

import re

SENTENCE = re.compile(r"[^。！？；!?…;]+[。！？；!?…;]*[”’」』）]*")


def split(text: str) -> list[str]:
    """Sentences with their closing marks, blanks at the ends removed."""
    return [sentence for match in SENTENCE.finditer(text) if (sentence := match.group().strip())]
