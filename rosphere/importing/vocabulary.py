"""Token vectors for another vocabulary: a character or word of ours gets the vector of the same piece of theirs.

What is one piece there is taken as it is; what is several gets their mean; what is none, the mean of all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from rosphere.importing.packed import Pieces
from rosphere.text.tokenizer import is_ideograph

BLANK = "▁"  # before a piece that begins a word
INSIDE = "##"


@dataclass(frozen=True, kw_only=True)
class Switched:
    """``table_VH``: the vectors. How many tokens were one piece, several, or none."""

    table_VH: Tensor
    pieces: int
    composed: int
    unknown: int


def switched(table_PH: Tensor, pieces: Pieces, cut: Tokenizer, vocabulary: Sequence[str]) -> Switched:
    """Rows [V, H] for ``vocabulary``, of a WordPiece tokenizer, from those of the pieces [P, H] that ``cut`` finds."""
    place = {text: number for number, text in enumerate(pieces.texts)}
    special = {"[PAD]": pieces.pad, "[UNK]": pieces.unknown, "[CLS]": pieces.begin, "[SEP]": pieces.end}
    special["[MASK]"] = place.get("<mask>", pieces.unknown)
    rows = [[special[token]] if token in special else _numbers(token, place, pieces, cut) for token in vocabulary]
    mean = table_PH[: len(pieces.texts)].mean(0)
    table = torch.stack([table_PH[numbers].mean(0) if numbers else mean for numbers in rows])
    return Switched(
        table_VH=table,
        pieces=sum(len(numbers) == 1 for numbers in rows),
        composed=sum(len(numbers) > 1 for numbers in rows),
        unknown=sum(not numbers for numbers in rows),
    )


def _numbers(token: str, place: dict[str, int], pieces: Pieces, cut: Tokenizer) -> list[int]:
    """Of the pieces that a token is made of; none where it is not known."""
    text = unicodedata.normalize("NFKC", token.removeprefix(INSIDE))
    begins = not token.startswith(INSIDE) and not any(map(is_ideograph, text))  # Chinese has no blanks between words
    for candidate in (BLANK + text, text) if begins else (text, BLANK + text):
        if candidate in place:
            return [place[candidate]]
    found = cut.encode(text, add_special_tokens=False).ids
    return [number for number in found if number not in (pieces.unknown, place.get(BLANK))]
