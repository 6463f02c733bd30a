"""What a static encoder cuts text into: characters, words in Latin letters and frequent pairs of ideographs.

They make a Unigram model of the package tokenizers (Kudo 2018, arXiv 1804.10959): of all ways to cut a text, the one
whose pieces are the most probable together, by their counts. Nothing is drawn and nothing is trained: the same texts
give the same file.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers

from rosphere.errors import InputError
from rosphere.text.tokenizer import is_ideograph

UNKNOWN = "[UNK]"  # number 0; no text holds it, for texts are in small letters
IMPROBABLE = -30.0  # log probability of what is never met
RARE = 2  # characters that occur less often have no piece
WORD = re.compile(r"[a-z0-9]{2,}")
NORMALIZER = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])

Pieces = list[tuple[str, float]]  # each with the logarithm of its probability


def is_pair(piece: str) -> bool:
    """Whether a piece is two ideographs."""
    return len(piece) == 2 and all(map(is_ideograph, piece))


def chosen(texts: Iterable[str], size: int) -> Pieces:
    """The unknown piece, all characters of the texts, and the most frequent longer pieces: ``size`` in all, where there
    are as many.

    Raises:
        InputError: ``size`` does not hold the characters.
    """
    characters, longer = counted(texts)
    known = [(piece, count) for piece, count in _by_count(characters) if count >= RARE]
    room = size - 1 - len(known)
    if room < 0:
        raise InputError(f"pieces: expected {len(known) + 1} or more for the characters of the texts, got {size}")
    known += [(piece, count) for piece, count in _by_count(longer)[:room] if count >= RARE]
    total = sum(count for _, count in known)
    return [(UNKNOWN, IMPROBABLE), *((piece, math.log(count / total)) for piece, count in known)]


def counted(texts: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """How often characters occur, and words in Latin letters and pairs of ideographs."""
    characters: Counter[str] = Counter()
    longer: Counter[str] = Counter()
    for text in texts:
        seen = NORMALIZER.normalize_str(text)
        characters.update(seen)
        longer.update(WORD.findall(seen))
        longer.update(_pairs(seen))
    return Counter({each: count for each, count in characters.items() if not each.isspace()}), longer


def _pairs(text: str) -> Iterator[str]:
    ideographs = map(is_ideograph, text)
    for (one, other), (first, second) in zip(itertools.pairwise(text), itertools.pairwise(ideographs), strict=True):
        if first and second:
            yield one + other


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    """By falling count, ties by code point."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def tokenizer(pieces: Pieces) -> Backend:
    """Cuts text into these pieces, which are numbered in their order."""
    found = Backend(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    found.normalizer = NORMALIZER
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # no piece crosses a sign, so that others cost time alone
    return found


def numbers(backend: Backend, texts: Sequence[str]) -> list[list[int]]:
    """The numbers of the pieces of each text, as sentence-transformers asks for them."""
    return [encoding.ids for encoding in backend.encode_batch_fast(list(texts), add_special_tokens=False)]
