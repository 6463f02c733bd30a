"""Graphs run by onnxruntime, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from rosphere.export.graph import INPUTS, STATES, VECTORS
from rosphere.similarity.vectors import Vectors
from rosphere.text import batching

ROWS = 32  # of a batch


def opened(path: Path) -> onnxruntime.InferenceSession:
    """A session with as many threads as torch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def rows(session: onnxruntime.InferenceSession, sequences: Sequence[Sequence[int]], *, pad: int) -> Vectors:
    """Vectors [N, D] of sequences of ids, or where the graph has none the states [T, H] of all their T tokens.

    In batches as they come, padded: what stands beside a text must not change it.
    """
    wanted = next(each.name for each in session.get_outputs() if each.name in (VECTORS, STATES))
    found = []
    for start in range(0, len(sequences), ROWS):
        ids, keep = (each.numpy() for each in batching.pad(sequences[start : start + ROWS], pad))
        values = session.run([wanted], dict(zip(INPUTS, (ids, keep, np.zeros_like(ids)), strict=True)))[0]
        found.append(values if wanted == VECTORS else values[keep.astype(bool)])
    return np.concatenate(found)
