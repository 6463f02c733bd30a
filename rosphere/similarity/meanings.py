"""Which sentences are held to say the same, so that none counts as a wrong answer to another in a contrastive batch.

Sentences of one group say the same, and so do equal ones wherever they stand: a sentence in two groups joins the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rosphere.similarity.pairs import Groups
from rosphere.similarity.unlabelled import Unlabelled

BYTES = 16


def of_batches(groups: Groups, unlabelled: Unlabelled | None) -> NDArray[np.int64]:
    """A number for each sentence, as batches number them, the same for those that say the same.

    Equal are sentences of the same tokens, cut as the batch cuts them.
    """
    whole = [ids.astype(np.int64) for ids, _ in groups.tokens]
    corpus = unlabelled.sentences if unlabelled else ()
    names = (ids.tobytes() for sentences in (whole, corpus) for ids in sentences)
    return of_groups(groups.group_of, names)


def of_groups(group_of: NDArray[np.int64], names: Iterable[bytes]) -> NDArray[np.int64]:
    """The same of sentences with equal names or in one group; those behind the ones of ``group_of`` are in none."""
    marks = (hashlib.blake2b(name, digest_size=BYTES).digest() for name in names)
    _, name_of = np.unique(np.fromiter(marks, f"S{BYTES}"), return_inverse=True)
    first = int(name_of.max(initial=-1)) + 1
    size = first + int(group_of.max(initial=-1)) + 1
    edges = (np.ones(len(group_of), np.int8), (first + group_of, name_of[: len(group_of)]))
    _, found = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    return np.asarray(found[name_of], np.int64)
