"""Folders of sentence encoders, which Hugging Face and sentence-transformers read too.

Encoder, [CLS] or mean, dense layer, unit length; behind them, where there is one, the lexical half. The only module of
sentence-transformers that joins two vectors is its pooling, of [CLS] beside a mean: the encoder's vector takes [CLS]'s
place there, and the lexical half's token vectors are the ones that are pooled.
"""

from __future__ import annotations

from pathlib import Path

import torch

from rosphere import files
from rosphere.encoder import folder as folders
from rosphere.encoder import modules, tensors
from rosphere.encoder.bare import is_bare
from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError
from rosphere.similarity import edits
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.model import Pooling, SimilarityModel
from rosphere.text import mixture
from rosphere.text.tokenizer import Tokenizer

DENSE = "2_Dense"
LENGTH = 64  # tokens that an encoder of ours is made for, [CLS] and [SEP] among them
WORDS, WEIGHTS, PLACED, JOINED = "4_WordEmbeddings", "5_WordWeights", "6_Dense", "7_Pooling"  # of the lexical half
COUNTS, EDITS = "ngrams.safetensors", "edits.json"  # in a folder that writes by them too
AS_TRAINED = "pooler_as_trained.safetensors"  # in a folder whose saved pooler was whitened
WEIGHT = "model.safetensors"
ENCODER = ["Transformer", "Pooling", "Dense", "Normalize"]  # modules, before those of a lexical half
IDENTITY = "torch.nn.modules.linear.Identity"


def save(model: SimilarityModel, folder: Path, *, tokenizer: Path) -> None:
    """A folder of Hugging Face and of sentence-transformers."""
    folders.save(model.language, folder, tokenizer=tokenizer)
    width = model.language.config.hidden_size
    pooling = {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": model.pooling == "cls",
        "pooling_mode_mean_tokens": model.pooling == "mean",
    }
    dense = {"in_features": width, "out_features": width, "bias": True, "activation_function": IDENTITY}
    kinds = dict(zip(("", "1_Pooling", DENSE, "3_Normalize"), ENCODER, strict=True))
    files.write_json(folder / "sentence_bert_config.json", {"max_seq_length": LENGTH, "do_lower_case": False})
    files.write_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
    files.write_json(folder / "1_Pooling" / "config.json", pooling)
    files.write_json(folder / DENSE / "config.json", dense)
    files.write_json(folder / "3_Normalize" / "config.json", {})
    tensors.save(folder / DENSE / WEIGHT, {f"linear.{name}": each for name, each in model.pooler.state_dict().items()})
    if model.lexical:
        kinds |= save_lexical(model.lexical, folder, Tokenizer(tokenizer))
    modules.write(folder, kinds)
    if model.counts:
        mixture.save(model.counts, folder / COUNTS)
    if model.edits:
        edits.save(model.edits, folder / EDITS)


def require_tokens(lexical: Lexical, tokenizer: Tokenizer) -> None:
    """Raises InputError where the lexical half was not made of the tokenizer's tokens."""
    if len(lexical.table_VH) != len(tokenizer):
        count = len(lexical.table_VH)
        raise InputError(f"{tokenizer.folder}: its lexical half has {count} token vectors for {len(tokenizer)} tokens")


def save_lexical(lexical: Lexical, folder: Path, tokenizer: Tokenizer) -> dict[str, str]:
    """The modules behind the first four, by their folders."""
    require_tokens(lexical, tokenizer)
    width, share = lexical.table_VH.shape[1], lexical.share
    vocabulary = tokenizer.vocabulary()
    weights = dict(zip(vocabulary, lexical.weight_V.tolist(), strict=True))
    words = {"vocab": [], "stop_words": [], "do_lower_case": False}  # never asked: the first module cuts texts
    files.write_json(folder / WORDS / "whitespacetokenizer_config.json", words)
    embeddings = {"tokenizer_class": "sentence_transformers.models.tokenizer.WhitespaceTokenizer", "max_seq_length": 64}
    files.write_json(folder / WORDS / "wordembedding_config.json", {**embeddings, "update_embeddings": False})
    tensors.save(folder / WORDS / WEIGHT, {"emb_layer.weight": lexical.table_VH})
    rarity = {"vocab": vocabulary, "word_weights": weights, "unknown_word_weight": 0.0}
    files.write_json(folder / WEIGHTS / "config.json", rarity)
    tensors.save(folder / WEIGHTS / WEIGHT, {"emb_layer.weight": lexical.weight_V[:, None]})
    names = {"module_input_name": "sentence_embedding", "module_output_name": "cls_token_embeddings"}
    dense = {"in_features": width, "out_features": width, "bias": False, "activation_function": IDENTITY}
    files.write_json(folder / PLACED / "config.json", {**dense, **names})
    tensors.save(folder / PLACED / WEIGHT, {"linear.weight": ((1 - share) / share) ** 0.5 * torch.eye(width)})
    files.write_json(
        folder / JOINED / "config.json",
        {"embedding_dimension": width, "pooling_mode": ["cls", "mean_sqrt_len_tokens"], "include_prompt": True},
    )
    files.write_json(folder / "8_Normalize" / "config.json", {})
    kinds = ("WordEmbeddings", "WordWeights", "Dense", "Pooling", "Normalize")
    return dict(zip((WORDS, WEIGHTS, PLACED, JOINED, "8_Normalize"), kinds, strict=True))


def load_lexical(folder: Path, width: int) -> Lexical:
    """The lexical half of a folder whose encoder is so wide. Raises InputError where a part is missing or misshapen."""
    table = tensors.one(folder / WORDS / WEIGHT, "emb_layer.weight", (None, width))
    weight = tensors.one(folder / WEIGHTS / WEIGHT, "emb_layer.weight", (len(table), 1))[:, 0]
    ratio = float(tensors.one(folder / PLACED / WEIGHT, "linear.weight", (width, width))[0, 0]) ** 2
    return Lexical(table, weight, 1 / (1 + ratio))


def weights_of(folder: Path) -> Path:
    """The file of the linear layer, by which a folder is known. Raises InputError where it is no sentence encoder."""
    path = folder / DENSE / WEIGHT
    if not path.is_file():
        raise InputError(f"{folder}: not a sentence encoder, {DENSE}/{WEIGHT} is missing")
    return path


def load(folder: Path, *, dropout: float | None = None) -> SimilarityModel:
    """The model of a folder that ``save`` wrote, under another dropout rate if one is given. One whose
    config.json says that it has no vocabulary head does not write (``SimilarityModel.writes``)."""
    weights = weights_of(folder)
    model = SimilarityModel(folders.load(folder, dropout=dropout, fresh_head=is_bare(folder)), pooling_of(folder))
    _fill_pooler(model, weights, "linear.")
    if (folder / COUNTS).is_file():
        model.counts = mixture.load(folder / COUNTS)
    if (folder / EDITS).is_file():
        model.edits = edits.load(folder / EDITS)
    if (folder / WORDS).is_dir():
        model.lexical = load_lexical(folder, model.language.config.hidden_size)
    return model


def _fill_pooler(model: SimilarityModel, path: Path, before: str) -> None:
    found = {name.removeprefix(before): tensor for name, tensor in tensors.read(path).items()}
    tensors.require_shapes(found, model.pooler.state_dict(), path)
    model.pooler.load_state_dict(found)


def pooling_of(folder: Path) -> Pooling:
    """What the sentence-transformers folder takes for the sentence: one of the two ways that are ours.

    Raises:
        InputError: it is neither.
    """
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "cls"
    found = files.json_object(path)
    modes = sorted(key for key, value in found.items() if key.startswith("pooling_mode_") and value)
    named = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
    if len(modes) != 1 or modes[0] not in named:
        raise InputError(f"{path}: expected the pooling to be [CLS] or the mean of tokens, got {modes}")
    return named[modes[0]]  # type: ignore[return-value]  # a literal of the two


def max_length(folder: Path, config: EncoderConfig) -> int:
    """How many tokens of a text a folder's encoder is to read, as the folder says; LENGTH where it does not."""
    path = folder / "sentence_bert_config.json"
    said = files.json_object(path).get("max_seq_length") if path.is_file() else None
    if said is None:
        said = LENGTH
    if type(said) is not int or said < 3:
        raise InputError(f"{path}: max_seq_length: expected a whole number from 3 on, got {said!r:.80}")
    return said if config.rotary else min(said, config.max_position_embeddings)


def save_pooler(model: SimilarityModel, folder: Path) -> None:
    """The pooler as it is now, beside a model that is saved with another."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors.save(folder / AS_TRAINED, model.pooler.state_dict())


def load_as_trained(folder: Path) -> SimilarityModel:
    """The model of a folder under the pooler that ``save_pooler`` kept there, without a lexical half."""
    model = load(folder)
    model.lexical = None
    if not (folder / AS_TRAINED).is_file():
        raise InputError(f"{folder}: expected the pooler as it was trained, {AS_TRAINED} is missing")
    _fill_pooler(model, folder / AS_TRAINED, "")
    return model
