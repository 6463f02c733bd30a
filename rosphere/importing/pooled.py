"""What makes a folder of a bare encoder one of sentence-transformers: the mean of its last states, at unit length."""

from __future__ import annotations

from pathlib import Path

from rosphere import files
from rosphere.encoder import modules

KINDS = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


def save(folder: Path, *, width: int, length: int, prefix: str = "") -> None:
    """``prefix`` is put before every text that is encoded."""
    said: dict[str, object] = {"similarity_fn_name": "cosine"}
    if prefix:
        said |= {"prompts": {"query": prefix}, "default_prompt_name": "query"}
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    files.write_json(folder / "config_sentence_transformers.json", said)
    files.write_json(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    files.write_json(folder / "1_Pooling" / "config.json", pooling)
    files.write_json(folder / "2_Normalize" / "config.json", {})
    modules.write(folder, KINDS)
