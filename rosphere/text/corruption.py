"""What stands in the place of tokens that a model has to guess."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rosphere.text.tokenizer import Tokenizer


def corrupt(ids_M: NDArray[np.int64], tokenizer: Tokenizer, generator: np.random.Generator) -> NDArray[np.int64]:
    """BERT's mixture: 80 % [MASK], 10 % a random token, 10 % as it is (Devlin et al. 2019, arXiv 1810.04805)."""
    fate = generator.random(len(ids_M))
    masked = np.where(fate < 0.8, tokenizer.mask, ids_M)
    return np.where(fate >= 0.9, generator.integers(0, len(tokenizer), len(ids_M)), masked)
