"""A sentence encoder's folder behind a widened encoder: its modules, its settings and what it writes by."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from torch.nn import functional as F

from rosphere import files
from rosphere.encoder import modules
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.modules import Module
from rosphere.similarity import folder as similarity
from rosphere.similarity.lexical import Lexical
from rosphere.text.tokenizer import Tokenizer
from rosphere.widening.modules import Grower, left_behind

BESIDE = (modules.LISTED, "config_sentence_transformers.json", similarity.COUNTS, similarity.EDITS)
OF_ENCODER = ("sentence_bert_config.json",)  # lengths; beside the encoder, in whatever folder that lies
PAPERS = ("README", "LICENSE", "LICENCE", "NOTICE")


def carry(source: Path, target: Path, *, old: EncoderConfig, new: EncoderConfig, noise: float, seed: int) -> list[str]:
    """Writes to ``target``, which has the widened encoder, what else of the folder can be grown or copied.

    Returns what could not, by its place in ``source``: where one module cannot be grown, none is written.
    """
    rows = modules.listed(source)
    stopped = _modules(source, target, rows, Grower(source, target, old, new, noise, seed)) if rows else None
    if stopped is not None:
        for row in rows[1:]:
            if row.path:
                shutil.rmtree(target / row.path, ignore_errors=True)
    names = BESIDE if rows and stopped is None else ()
    papers = [path.name for path in source.iterdir() if path.is_file() and path.stem.upper() in PAPERS]
    files.copy_present(source, target, (*names, *papers))
    inner = modules.encoder(source)
    files.copy_present(inner, target / inner.relative_to(source), OF_ENCODER if names else ())
    return sorted(left_behind(source, target))


def _modules(source: Path, target: Path, rows: Sequence[Module], grower: Grower) -> str | None:
    """The first module that cannot be grown; None where all are written."""
    lexical = (source / similarity.WORDS).is_dir()
    stopped = grower.carry([*rows[1:4]] if lexical else [*rows[1:]])
    if stopped is None and lexical:
        _lexical(source, target, grower)
    if stopped is None and (source / similarity.AS_TRAINED).is_file():
        grower.pooler(source / similarity.AS_TRAINED, target / similarity.AS_TRAINED)
    return stopped


def _lexical(source: Path, target: Path, grower: Grower) -> None:
    """The lexical half has the encoder's width: its vectors get coordinates that are zero."""
    old, new = grower.old.hidden_size, grower.new.hidden_size
    found = similarity.load_lexical(source, old)
    wide = Lexical(F.pad(found.table_VH, (0, new - old)), found.weight_V, found.share)
    similarity.save_lexical(wide, target, Tokenizer(source))
