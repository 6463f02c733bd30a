"""The README of an exported folder: how to use it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from rosphere.similarity.vectors import Vectors

PAIR = ("怎么挂失银行卡", "银行卡丢了怎么办")

HEAD = """\
---
language: zh
license: $license
library_name: $library
pipeline_tag: $task
tags: [rosphere, onnx]
---

# $title

`onnx/model.onnx`, written by `rosphere export onnx`, takes `input_ids`, `attention_mask` and `token_type_ids`, int64
[batch, sequence], and is meant for at most $most tokens.

"""
SENTENCES = """\
Its output `sentence_embedding` [batch, $width] is the finished vector, of length 1: nothing is to be pooled
or added. `last_hidden_state` is for those who run the modules in `modules.json` themselves.

With onnxruntime and tokenizers alone:

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation($most)
tokenizer.enable_padding()
session = onnxruntime.InferenceSession("onnx/model.onnx")
rows = tokenizer.encode_batch(["$first", "$second"])
ids, mask = np.array([row.ids for row in rows]), np.array([row.attention_mask for row in rows])
feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
vectors = session.run(["sentence_embedding"], feeds)[0]
print(vectors.shape, vectors[0] @ vectors[1])
```

It prints $shape and a cosine of $cosine. A server that finds another cosine leaves something out.
"""
STATES = """\
Its output `last_hidden_state` [batch, sequence, $width] means something where `attention_mask` is 1. The mean
over these tokens is the usual vector of an encoder that was not trained on similarity.
"""
INT8 = """
`onnx/model_quantized.onnx` has weights of 8 bits and $megabytes MB. Over $texts texts the cosine between its $compared
and those of `onnx/model.onnx` is $mean in the mean and $worst at worst.
"""


def license_of(folder: Path) -> str:
    """What the card of the model that is exported says, as Hugging Face spells it."""
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    found = metadata_load(card) if card.is_file() else None
    return str((found or {}).get("license", "unknown"))


def text(
    *,
    sentences: bool,
    lexical: bool,
    license: str,
    most: int,
    pair: Vectors,
    int8: Mapping[str, Any] | None,
) -> str:
    """``pair``: what the graph gives for PAIR; ``int8``: what was measured of weights of 8 bits, if there are any.

    ``lexical``: there is a half that sentence-transformers' ONNX backend cannot load.
    """
    measured = {**int8, **{name: f"{value:.4f}" for name, value in int8["cosine"].items()}} if int8 else {}
    found = {
        "license": license,
        "library": "onnx" if lexical or not sentences else "sentence-transformers",
        "task": "sentence-similarity" if sentences else "feature-extraction",
        "title": f"A {'sentence' if sentences else 'text'} encoder as an ONNX graph",
        "most": most,
        "width": pair.shape[1],
        "first": PAIR[0],
        "second": PAIR[1],
        "shape": (len(PAIR), pair.shape[1]),
        "cosine": f"{float(pair[0] @ pair[1]):.4f}",
    }
    parts = HEAD + (SENTENCES if sentences else STATES) + (INT8 if int8 else "")
    return Template(parts).substitute({**measured, **found})
