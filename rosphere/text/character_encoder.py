"""The tokens of a BERT tokenizer for Chinese, many texts at once: nearly all of them are one character long.

An ideograph, a sign of punctuation and a blank end every word, whatever stands beside them. So what lies between them
is cut by the tokenizer itself, once for each different run of letters, and the rest is looked up in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as Backend

PLANE = 1 << 16  # characters beyond it are left to the tokenizer
BLANK, WORD, UNSEEN = -1, -2, -3  # of a character that is no token by itself
MOST = 1 << 18  # different runs that are remembered
LONGEST = 64  # characters of such a run
# What every version of Unicode takes for ideographs and punctuation; other signs are left to the tokenizer.
ALONE = (
    (0x21, 0x30), (0x3A, 0x41), (0x5B, 0x61), (0x7B, 0x7F), (0x2010, 0x2028), (0x3001, 0x3004), (0x3008, 0x3012),
    (0x3400, 0x4DB6), (0x4E00, 0x9FA6), (0xFF01, 0xFF04), (0xFF05, 0xFF0B), (0xFF0C, 0xFF10), (0xFF1A, 0xFF1C),
    (0xFF1F, 0xFF21),
)  # fmt: skip


class Cut(Protocol):
    """A text as tokenizers' Encoding or our ``tokenizer.Encoded`` has it."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def tokens(self) -> list[str]: ...

    @property
    def offsets(self) -> list[tuple[int, int]]: ...


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The tokens of a text: numbers, the character at which each begins, and whether it goes on with a word ("##x")."""

    ids: NDArray[np.uint32]
    begins: NDArray[np.int64]
    continues: NDArray[np.bool_]

    @classmethod
    def of(cls, encoding: Cut) -> Pieces:
        return cls(
            ids=np.array(encoding.ids, dtype=np.uint32),
            begins=np.array([begin for begin, _ in encoding.offsets], dtype=np.int64),
            continues=np.array([token.startswith("##") for token in encoding.tokens], dtype=bool),
        )


class CharacterEncoder:
    """For a tokenizer with BERT's normaliser and pre-tokeniser, and no tokens added to text but by its words."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.table = np.full(PLANE + 1, WORD, dtype=np.int64)
        self.table[[ord(char) for char in " \t\n\r"]] = BLANK
        for first, last in ALONE:
            self.table[first:last] = UNSEEN
        self.runs: dict[str, Pieces] = {}

    def __call__(self, texts: Sequence[str]) -> list[Pieces]:
        """Of every text, as it is: nothing is cleaned. Half a surrogate pair is not taken."""
        joined = "\n".join(texts)
        kinds = self._kinds(joined)
        alone = np.flatnonzero(kinds >= 0)
        edges = self._edges(kinds)
        words = [joined[begin:end] for begin, end in edges]
        known = self._known(words)
        runs = [(begin, known[word]) for (begin, _), word in zip(edges, words, strict=True)]
        of_runs = [run.begins + begin for begin, run in runs]
        begins = np.concatenate([alone, *of_runs])
        order = np.argsort(begins, kind="stable")  # two tokens may begin at one character
        begins = begins[order]
        ids = np.concatenate([kinds[alone].astype(np.uint32), *(run.ids for _, run in runs)])[order]
        none = np.zeros(len(alone), dtype=bool)
        continues = np.concatenate([none, *(run.continues for _, run in runs)])[order]
        first = np.cumsum([0, *(len(text) + 1 for text in texts)])
        cuts = np.searchsorted(begins, first)
        return [
            Pieces(ids=ids[one:two], begins=begins[one:two] - place, continues=continues[one:two])
            for one, two, place in zip(cuts, cuts[1:], first, strict=False)
        ]

    def _kinds(self, text: str) -> NDArray[np.int64]:
        """Of every character its token, or what it is if it has none by itself."""
        codes = np.minimum(np.frombuffer(text.encode("utf-32-le"), dtype="<u4"), PLANE)
        kinds: NDArray[np.int64] = self.table[codes]
        unseen = np.unique(codes[kinds == UNSEEN]).tolist()
        if unseen:
            for code, encoding in zip(unseen, self._encoded([chr(code) for code in unseen]), strict=True):
                self.table[code] = encoding.ids[0] if len(encoding.ids) == 1 else WORD
            kinds = self.table[codes]
        return kinds

    def _edges(self, kinds: NDArray[np.int64]) -> list[list[int]]:
        """Where the runs of letters begin and end."""
        inside = np.zeros(len(kinds) + 2, dtype=bool)
        inside[1:-1] = kinds == WORD
        edges: list[list[int]] = np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2).tolist()
        return edges

    def _known(self, words: Sequence[str]) -> dict[str, Pieces]:
        """The pieces of these runs; what the tokenizer makes of new ones is learnt. Other threads may do the same."""
        runs, found = self.runs, dict[str, Pieces]()
        new = []
        for word in dict.fromkeys(words):
            pieces = runs.get(word)
            if pieces is None:
                new.append(word)
            else:
                found[word] = pieces
        learnt = dict(zip(new, map(Pieces.of, self._encoded(new)), strict=True))
        if len(runs) + len(learnt) > MOST:
            self.runs = runs = {}
        runs.update((word, pieces) for word, pieces in learnt.items() if len(word) <= LONGEST)
        return found | learnt

    def _encoded(self, texts: Sequence[str]) -> list[Encoding]:
        self.backend.encode_special_tokens = True
        found: list[Encoding] = self.backend.encode_batch(texts, add_special_tokens=False)
        return found
