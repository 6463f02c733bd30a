"""Writes the file that rosphere/importing/packed.py reads, by the format's own description and not by its reader."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

PIECES = [
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "▁",
    "银",
    "行",
    "卡",
    "银行",
    "丢",
    "▁the",
    "ing",
    "了",
    ",",
    "▁card",
    "q",
    "▁query",
    ":",
]
PIECES += ["<mask>"]
SCORES = [0.0, 0.0, 0.0, 0.0, -2.0, -5.0, -5.5, -5.0, -6.0, -7.0, -4.0, -6.0, -3.0, -3.0, -8.0, -9.0, -6.0, -4.0, 0.0]
HIDDEN, LAYERS, HEADS, FEED, POSITIONS = 32, 4, 4, 64, 24
NAMES = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}


def bert() -> BertModel:
    """Of weights that four bits hold as they are: a scale that float16 has, times whole numbers from -8 to 7."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES) + 2,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=FEED,
        max_position_embeddings=POSITIONS,
        layer_norm_eps=1e-12,
        pad_token_id=1,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and "position" not in name and "token_type" not in name:
                weight.copy_(torch.randint(-8, 8, weight.shape) * 0.03125)
            else:
                weight.add_(0.1 * torch.randn_like(weight))
    return model


def quantised(values: NDArray[np.float32], scale: float = 0.03125) -> bytes:
    found = b""
    for block in np.round(values.reshape(-1, 32) / scale).astype(int) + 8:
        found += np.float16(scale).tobytes() + bytes(int(block[j]) | int(block[j + 16]) << 4 for j in range(16))
    return found


def write(path: Path, model: BertModel) -> Path:
    blob = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, blob)])
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7i", HIDDEN, LAYERS, HEADS, FEED, model.config.vocab_size, POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(offsets[-1]))
    head += offsets.astype("<u4").tobytes() + np.array(SCORES, "<f4").tobytes() + b"".join(blob)
    table = struct.pack("<IB", 0xFF21, 1) + struct.pack("<I", 0x41)  # A wide A is an A
    head += struct.pack("<iI", 1, len(table)) + table
    rows = [(named(name), weight.detach().numpy()) for name, weight in model.named_parameters()]
    packed = [
        (name, 1, values.size, quantised(values))
        if values.ndim == 2 and name not in ("emb.pos", "emb.type")
        else (name, 0, values.size, values.astype("<f4").tobytes())
        for name, values in rows
    ]
    directory = sum(2 + len(name) + 1 + 4 + 16 for name, *_ in packed)
    at = len(head) + 4 + directory
    listed, tensors = struct.pack("<i", len(packed)), b""
    for name, kind, count, raw in packed:
        listed += struct.pack("<H", len(name)) + name.encode()
        listed += struct.pack("<BIQQ", kind, count, at + len(tensors), len(raw))
        tensors += raw
    path.write_bytes(head + listed + tensors)
    return path


def named(name: str) -> str:
    outer = {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.weight": "emb.ln.w",
        "embeddings.LayerNorm.bias": "emb.ln.b",
    }
    if name in outer:
        return outer[name]
    _, _, layer, rest = name.split(".", 3)
    stem, kind = rest.rsplit(".", 1)
    return f"l{layer}.{NAMES[stem]}.{kind[0]}"
