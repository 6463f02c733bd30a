"""Tokenizers that others published, taken whole: as transformers' AutoTokenizer reads their folder, settings and added
tokens included.

A tokenizer that we trained, or made of a bare vocab.txt, is known by its settings, which are exactly those that we
write; it is read without transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from rosphere import files
from rosphere.errors import InputError, first_line

ROLES = ("pad", "unk", "cls", "sep", "mask")
SPECIALS = tuple(f"[{role.upper()}]" for role in ROLES)
CUSTOM = "cannot be serialized"  # tokenizers, of a part of a tokenizer that is Python's
VOCABULARY, WHOLE, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"


class CustomTokenizer(InputError):
    """A tokenizer that cuts words by Python code, as RoFormer's does, or by a package that is not here."""


def settings(*, lowercase: bool) -> dict[str, Any]:
    """The tokenizer_config.json of a tokenizer that we make."""
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": lowercase,
        "tokenize_chinese_chars": True,
        "strip_accents": lowercase,
        "model_max_length": 512,
        **{f"{role}_token": special for role, special in zip(ROLES, SPECIALS, strict=True)},
    }


def made_here(folder: Path) -> bool:
    """Whether a tokenizer is one that we made, by its settings.

    Raises:
        InputError: tokenizer_config.json cannot be read.
    """
    if not ((folder / SETTINGS).is_file() and (folder / WHOLE).is_file()):
        return False
    found = files.json_object(folder / SETTINGS)
    return any(found == settings(lowercase=lowercase) for lowercase in (True, False))


def there(folder: Path) -> bool:
    """Whether a folder has a tokenizer of the kinds that can be read."""
    return (folder / WHOLE).is_file() or (folder / VOCABULARY).is_file()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A tokenizer's backend, and what its special tokens are called, by role."""

    backend: Backend
    names: Mapping[str, str]


def ours(folder: Path) -> Taken:
    """Of a folder that ``made_here`` says yes to."""
    return Taken(
        backend=_backend((folder / WHOLE).read_bytes(), folder / WHOLE), names=dict(zip(ROLES, SPECIALS, strict=True))
    )


def taken(folder: Path) -> Taken:
    """Of any folder. Added tokens are tokens wherever they stand in a text, but for those of the five roles.

    Raises:
        InputError: there is none, or none that can be read.
    """
    found = auto(folder)
    said = ((role, getattr(found, f"{role}_token", None)) for role in ROLES)
    names = {role: str(name or special) for (role, name), special in zip(said, SPECIALS, strict=True)}
    whole = json.loads(found.backend_tokenizer.to_str())
    for token in whole["added_tokens"]:
        token["special"] = token["content"] in names.values()
    return Taken(backend=_backend(json.dumps(whole).encode(), folder), names=names)


def auto(folder: Path) -> Any:
    """What transformers' AutoTokenizer makes of a folder; no code of the folder's own is run.

    A folder that says nothing of its kind, vocab.txt alone, is BERT's.

    Raises:
        InputError: there is no tokenizer, or none that transformers can read.
    """
    if not there(folder):
        raise InputError(f"{folder}: not a tokenizer folder, {WHOLE} is missing, and {VOCABULARY} too")
    for name in (WHOLE, SETTINGS, "special_tokens_map.json", "added_tokens.json", "config.json"):
        if (folder / name).is_file():
            files.json_object(folder / name)  # refuses what is none in words of its own
    from transformers import AutoTokenizer, BertTokenizer

    silent = not any((folder / name).is_file() for name in (WHOLE, SETTINGS, "config.json"))
    reader = BertTokenizer if silent else AutoTokenizer
    try:
        found = reader.from_pretrained(str(folder.resolve()), local_files_only=True, trust_remote_code=False)
        found.backend_tokenizer.to_str()
    except Exception as error:  # of a damaged folder transformers and tokenizers say anything
        if isinstance(error, ImportError) or CUSTOM in str(error):
            raise CustomTokenizer(
                f"{folder}: its tokenizer cuts words by code of its own or by a package that is not here"
                f" ({first_line(error, 200)}); name its {VOCABULARY} itself to cut text into characters by it"
            ) from error
        raise InputError(f"{folder}: not a tokenizer that transformers can read: {first_line(error, 200)}") from error
    return found


def _backend(raw: bytes, where: Path) -> Backend:
    try:
        return Backend.from_buffer(raw)
    except Exception as error:  # tokenizers knows no other
        about = files.seems(where) if where.is_file() else "fetch the folder again"
        raise InputError(f"{where}: not a tokenizer ({first_line(error, 200)}): {about}") from error
