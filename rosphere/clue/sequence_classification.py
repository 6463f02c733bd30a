"""A classifier of single texts from [CLS] alone, as transformers' RoFormerForSequenceClassification has it.

Ours is one linear map, y = W h + b. Theirs has a layer before it, W2 f(W1 h + b1) + b2 with the encoder's activation f.
With W1 = I and b1 = SHIFT that layer hands on h + SHIFT, since gelu, relu and silu are the identity so far to the right
(gelu(x) = x Phi(x), and 1 - Phi(48) is 0 in float64); with W2 = W and b2 = b - SHIFT W 1 the answers are ours, but for
the rounding of h + SHIFT in float32: 4e-6 for each h, whose size LayerNorm bounds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rosphere import files
from rosphere.encoder import tensors
from rosphere.encoder.folder import prefix

if TYPE_CHECKING:
    from rosphere.clue.model import TaskModel

SHIFT = 64.0
ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu")  # of those that transformers knows too
ARCHITECTURE = "RoFormerForSequenceClassification"


def fits(model: TaskModel) -> bool:
    """Whether transformers has a head that says what this one says.

    It has none of means, of pairs, whose second text it would mark, and of BERT, whose head begins with a tanh.
    """
    config = model.encoder.config
    return (
        model.task.kind == "classification"
        and not (model.task.pair or model.means)
        and config.model_type == "roformer"
        and config.hidden_act in ACTIVATIONS
    )


def complete(model: TaskModel, folder: Path) -> None:
    """Adds the head and the labels to a folder that holds the encoder alone."""
    weight, bias = (tensor.detach().double().cpu() for tensor in model.head.parameters())
    width = weight.shape[1]
    path = folder / tensors.NAMES[0]
    named = {f"{prefix(model.encoder.config)}{name}": tensor for name, tensor in tensors.read(path).items()}
    named |= {
        "classifier.dense.weight": torch.eye(width),
        "classifier.dense.bias": torch.full((width,), SHIFT),
        "classifier.out_proj.weight": weight.float(),
        "classifier.out_proj.bias": (bias - SHIFT * weight.sum(1)).float(),
    }
    tensors.save(path, named)
    labels = {str(number): label for number, label in enumerate(model.task.labels)}
    config = files.json_object(folder / "config.json")
    config |= {
        "architectures": [ARCHITECTURE],
        "id2label": labels,
        "label2id": {label: int(number) for number, label in labels.items()},
        "problem_type": "single_label_classification",
    }
    files.write_json(folder / "config.json", config)
