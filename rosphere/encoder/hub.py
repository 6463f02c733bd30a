"""A model by name: a folder, or a repository of the Hugging Face hub.

The hub is asked only for a name that is no folder, so only when a user has written one. A mirror is chosen by the
environment variable HF_ENDPOINT, as everywhere in that library; HF_HUB_OFFLINE=1 reads its cache alone.
"""

from __future__ import annotations

import re
from pathlib import Path

from rosphere.errors import InputError, first_line

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
SMALL = ("config.json", "vocab.txt", "tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "*.index.json")
SENTENCES = ("modules.json", "*_*/config.json", "sentence_bert_config.json", "config_sentence_transformers.json")
WEIGHTS = ("*.safetensors", "*.bin")  # the second only where the first is missing


def located(name: str) -> Path:
    """The folder that ``name`` is, or that the repository ``name`` was downloaded into."""
    path = Path(name)
    if path.is_dir():
        return path
    if not REPOSITORY.fullmatch(name):
        raise InputError(f"{name}: no such folder, and not the name of a hub repository (owner/name)")
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx or httpx2, as that library uses

    try:
        for weights in WEIGHTS:
            folder = Path(snapshot_download(name, allow_patterns=[*SMALL, *SENTENCES, weights]))
            if list(folder.glob(weights)):
                break
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise InputError(f"{name}: no such folder, and the hub did not give it: {first_line(error)}") from error
    return folder
