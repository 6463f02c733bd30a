"""Whether a written graph computes what the model does, and whether servers cut texts as we do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from onnxruntime import InferenceSession
from tokenizers import Tokenizer as Backend

from rosphere.errors import InputError
from rosphere.export import running
from rosphere.export.source import Source
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity.vectors import Vectors
from rosphere.text.tokenizer import Tokenizer

TOLERANCE = 1e-4
PROBES = 8
SENTENCES = ("怎么挂失银行卡", "银行卡丢了怎么办", "酒店几点可以入住？", "How do I block a card?", "雨")


def cut(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> list[list[int]]:
    """Texts as at most so many ids, [CLS] and [SEP] among them."""
    return [[tokenizer.cls, *ids[: most - 2], tokenizer.sep] for ids in tokenizer.ids(texts)]


def probes(source: Source) -> list[list[int]]:
    """Random tokens in rows of lengths from 3 to the longest."""
    generator = stream(0, Stream.PROBES)
    lengths = np.linspace(3, source.most, PROBES).astype(int)
    return [generator.integers(0, len(source.tokenizer), length).tolist() for length in lengths]


def expected(source: Source, sequences: Sequence[Sequence[int]]) -> Vectors:
    """What our model gives, each sequence by itself."""
    found = []
    with torch.inference_mode():
        for sequence in sequences:
            ids = torch.tensor([sequence])
            found.append(source.rows(ids, torch.ones_like(ids)).float().numpy())
    return np.concatenate(found)


def difference(source: Source, session: InferenceSession, sequences: Sequence[Sequence[int]]) -> float:
    """The largest between a number of onnxruntime's, in padded batches, and ours, each alone.

    Raises:
        InputError: it is above 1e-4, or no number.
    """
    found = running.rows(session, sequences, pad=source.tokenizer.pad)
    largest = float(np.abs(found - expected(source, sequences)).max())
    if not largest <= TOLERANCE:
        raise InputError(
            f"{source.folder}: expected onnxruntime to give our vectors to {TOLERANCE:g}, "
            f"they differ by {largest:.2g}; nothing is written"
        )
    return largest


def cut_otherwise(source: Source, texts: Sequence[str], sequences: Sequence[Sequence[int]]) -> int:
    """How many texts tokenizer.json by itself cuts otherwise than we do, who clean a text first."""
    backend = Backend.from_file(str(source.folder / "tokenizer.json"))
    backend.no_padding()
    backend.enable_truncation(source.most)
    theirs = backend.encode_batch([text.encode("utf-8", "replace").decode() for text in texts])
    return sum(row.ids != list(ours) for row, ours in zip(theirs, sequences, strict=True))
