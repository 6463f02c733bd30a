"""Exact match and F1 of answers as CMRC 2018 defines them (Cui et al. 2019, arXiv 1810.07366; its script, version 5).

Both take the best of the given answers. The script cuts Latin text into words with NLTK; here a word is a run of
letters and digits, with "." "," "'" inside, and any other sign is a word of its own. That can change an F1 with Latin
punctuation in it, never an exact match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# As in the script, which also lists "……": two characters, which no single one equals, so that "…" stays.
SIGNS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
PIECE = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+(?:[.,'][^\W\u4e00-\u9fa5]+)*|[^\s\w]")


def stripped(text: str) -> str:
    """Small letters without the script's punctuation."""
    return "".join(char for char in text.lower().strip() if char not in SIGNS)


def pieces(text: str) -> list[str]:
    """Chinese characters one by one, everything else in words."""
    return PIECE.findall(stripped(text))


def exact(answers: Sequence[str], guess: str) -> float:
    """1 if the guess is one of the answers, but for case and punctuation."""
    return float(any(stripped(answer) == stripped(guess) for answer in answers))


def f1(answers: Sequence[str], guess: str) -> float:
    """The best 2 p r / (p + r), with p and r the shares of guess and answer in their longest common run of pieces."""
    return max(_overlap(pieces(answer), pieces(guess)) for answer in answers)


def _overlap(answer: Sequence[str], guess: Sequence[str]) -> float:
    common = _longest_run(answer, guess)
    return 2 * common / (len(answer) + len(guess)) if common else 0.0


def _longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    best, before = 0, [0] * (len(other) + 1)
    for piece in one:
        now = [0] * (len(other) + 1)
        for place, match in enumerate(other, 1):
            if piece == match:
                now[place] = before[place - 1] + 1
                best = max(best, now[place])
        before = now
    return best
