"""Makes params.yaml small enough for a test: python tests/shrink.py params.yaml

Numbers change, the graph does not. Comments and order are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SMALL: dict[str, Any] = {
    "sizes.tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 64,
        "embedding_size": 24,
    },
    "sizes.tiny-wide": {
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "embedding_size": 24,
    },
    "prepare": {"maximum_characters": 120000},
    "prepare.sample": {"sentiment": [200, 60], "entities": [200, 60]},
    "dimension": {"dimensions": [4, 8], "vocabularies": [100, None], "tokens": 20000, "batch_size": 256},
    "dimension.schedule": {"steps": 10, "log_every": 5},
    "dimension.heads": {"width": 32, "counts": [1, 4], "sequence": 32, "batch_size": 4, "dev_rows": 8},
    "dimension.heads.schedule": {"steps": 4, "log_every": 2},
    "pretrain": {"sequence": 32, "batch_size": 4, "dev_rows": 16},
    "pretrain.schedule": {"steps": 40, "evaluate_every": 20, "checkpoint_every": 10},
    "pretrain_wide": {"sequence": 32, "batch_size": 4, "dev_rows": 16},
    "pretrain_wide.schedule": {"steps": 20, "evaluate_every": 10, "checkpoint_every": 10},
    "simbert": {"batch_size": 8, "chunk": 8, "check": True},
    "simbert.schedule": {"steps": 6, "evaluate_every": 3, "log_every": 2},
    "roformer_sim": {"batch_size": 8, "chunk": 8},
    "roformer_sim.schedule": {"steps": 4, "evaluate_every": 2, "log_every": 2},
    "roformer_sim.supervised": {"files": ["data/tasks/faq/train.jsonl"], "batch_size": 4},
    "roformer_sim.supervised.schedule": {"steps": 4, "evaluate_every": 2, "log_every": 2},
    "static": {"dimensions": 16, "pieces": 2000, "sentences": 500, "iterations": 4},
    "evaluate_similarity": {"whitening": 8},
    "evaluate_paraphrases": {"samples": 4},
    "evaluate_vae": {"batch_size": 8},
    "vmf_vae": {"latent": 8, "fresh_decoder": {"layers": 1, "width": 32}, "batch_size": 8},
    "vmf_vae.schedule": {"steps": 8, "evaluate_every": 4, "log_every": 2},
    "evaluate": {"epochs": 1, "minimum_steps": 0, "batch_size": 32},
}


def shrink(path: Path) -> None:
    yaml = YAML()
    yaml.width = 200
    params = yaml.load(path.read_text(encoding="utf-8"))
    for place, values in SMALL.items():
        section = params
        for word in place.split("."):
            section = section[word]
        for key, value in values.items():
            if key not in section:
                raise KeyError(f"{path}: {place}.{key} is not a parameter any more")
            section[key] = value
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
