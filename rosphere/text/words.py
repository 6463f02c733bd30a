"""Word boundaries by jieba, laid over character tokens: what whole-word masking needs."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@cache
def _segmenter() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at its first import Python complains of the escapes in jieba's own source
        import jieba

    jieba.setLogLevel(logging.WARNING)
    # By itself jieba unmarshals a cache from the shared folder for temporary files, whoever has put it there.
    with tempfile.TemporaryDirectory() as private:
        jieba.dt.tmp_dir = private
        jieba.initialize()
    return jieba


def word_starts(text: str, offsets: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """For tokens with these character offsets: does the token begin a word?

    A token that starts inside a word belongs to the word before it.
    """
    boundaries = np.zeros(len(text) + 1, dtype=bool)
    position = 0
    for word in _segmenter().cut(text):
        boundaries[position] = True
        position += len(word)
    return boundaries[[start for start, _ in offsets]] if offsets else np.zeros(0, dtype=bool)
