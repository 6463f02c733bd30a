"""What can be exported: our sentence encoders, and encoders of the kinds we know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rosphere.encoder import config as configs
from rosphere.encoder import folder as folders
from rosphere.encoder import masks, modules
from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError
from rosphere.export import graph
from rosphere.similarity import folder as similarity
from rosphere.similarity import teachers
from rosphere.similarity.model import SimilarityModel
from rosphere.text import published
from rosphere.text.tokenizer import Tokenizer

KINDS = ["Transformer", "Pooling", "Dense", "Normalize"]
LEXICAL = ["WordEmbeddings", "WordWeights", "Dense", "Pooling", "Normalize"]
HEADS = ("task.json", "vae.json")  # of models whose heads have no place in such a graph


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder's model, on the CPU, and how it computes what the graph must compute too."""

    folder: Path
    config: EncoderConfig
    tokenizer: Tokenizer
    most: int  # tokens of a text, special ones included
    sentences: SimilarityModel | None  # None: an encoder alone
    graph: graph.States | graph.Sentences
    rows: Callable[[Tensor, Tensor], Tensor]  # of ids and keep: vectors [N, D], or the states of all kept tokens


def of(folder: Path) -> Source:
    """The model of a folder.

    Raises:
        InputError: it is of a kind that cannot be exported, or cannot be read.
    """
    if head := next((name for name in HEADS if (folder / name).is_file()), None):
        raise InputError(f"{folder}: expected a sentence encoder or an encoder, got a model with a head ({head})")
    if modules.static(folder):
        raise InputError(f"{folder}: a static encoder is a table, of which no graph is made: copy the folder as it is")
    tokenizer = Tokenizer(folder)
    if not (folder / published.WHOLE).is_file():
        raise InputError(f"{folder}: {published.WHOLE} is missing, by which servers cut texts")
    listed = [each.kind for each in modules.listed(folder)]
    if not listed and not (folder / similarity.DENSE).is_dir():
        return _encoder(folder, tokenizer)
    if listed not in ([], KINDS, KINDS + LEXICAL) or not teachers.like_ours(folder):
        raise InputError(
            f"{folder}: not one of our sentence encoders ({', '.join(KINDS)}; a lexical half); modules.json has "
            f"{', '.join(listed) or 'none'}; sentence-transformers exports others itself"
        )
    return _sentence_encoder(folder, tokenizer)


def _sentence_encoder(folder: Path, tokenizer: Tokenizer) -> Source:
    model = similarity.load(folder).eval()
    config = model.language.config
    tokenizer.require(config.vocab_size, model=folder)
    if model.lexical:
        similarity.require_tokens(model.lexical, tokenizer)
    most = similarity.max_length(folder, config)
    return Source(
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        most=most,
        sentences=model,
        graph=graph.Sentences(model, max(most, config.max_position_embeddings)),
        rows=model.vectors,
    )


def _encoder(folder: Path, tokenizer: Tokenizer) -> Source:
    configs.read(folder)  # says first what is wrong with it
    with torch.random.fork_rng(devices=[]):  # a vocabulary head that is not there is drawn, and not exported
        encoder = folders.load(folder, fresh_head=True).eval().encoder
    config = encoder.config
    tokenizer.require(config.vocab_size, model=folder)

    def rows(ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        states_NLH: Tensor = encoder(ids_NL, masks.padded(keep_NL))
        return states_NLH[keep_NL.bool()]

    return Source(
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        most=config.max_position_embeddings,
        sentences=None,
        graph=graph.States(encoder, config.max_position_embeddings),
        rows=rows,
    )
