"""A BERT tokenizer: one token per Chinese character, WordPiece for what is written with spaces.

Saved so that transformers' AutoTokenizer loads it without any extra package.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tokenizers import Encoding
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from rosphere.errors import InputError
from rosphere.text import alignment, published, reading
from rosphere.text.character_encoder import CharacterEncoder, Pieces
from rosphere.text.cleaning import clean
from rosphere.text.published import SPECIALS

__all__ = ["SPECIALS", "UNUSED", "Encoded", "Tokenizer", "read_vocabulary", "save", "train"]

UNUSED = tuple(f"[unused{number}]" for number in range(1, 11))
WORD = re.compile(r"[A-Za-z0-9]+")


def is_ideograph(char: str) -> bool:
    """What BERT's normaliser sets apart with blanks: the CJK unified and compatibility ideographs."""
    code = ord(char)
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )


def is_punctuation(char: str) -> bool:
    """What BERT's pre-tokeniser makes a token of its own: Unicode punctuation and all of ASCII's signs, "$" too."""
    return unicodedata.category(char).startswith("P") or (char.isascii() and char.isprintable() and not char.isalnum())


def fold(text: str) -> str:
    """Small letters without accents, as BERT's normaliser with ``lowercase`` makes them."""
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")


class _Folding(dict[str, str]):
    """``fold`` of every character that was met."""

    def __missing__(self, char: str) -> str:
        self[char] = folded = fold(char)
        return folded


FOLDING = _Folding()


def _folded(text: str) -> str:
    """The characters of ``fold(text)``, some ten times as fast. A sigma is another one at the end of a word; and marks
    that are no accents may stand in another order, which is nothing to who counts."""
    return fold(text) if "Σ" in text else "".join(map(FOLDING.__getitem__, text))


def train(texts: Iterable[str], *, size: int, minimum: int, lowercase: bool = True) -> list[str]:
    """A vocabulary of at most ``size`` entries that occur ``minimum`` times or more in the texts (``vocabulary``)."""
    characters, words = count(texts, lowercase=lowercase)
    return vocabulary(characters, words, size=size, minimum=minimum)


def count(texts: Iterable[str], *, lowercase: bool = True) -> tuple[Counter[str], Counter[str]]:
    """How often each character occurs, and each Latin word or number of two characters or more."""
    characters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for text in texts:
        seen = _folded(text) if lowercase else text
        characters.update(seen)
        words.update(word for word in WORD.findall(seen) if len(word) > 1)
    return characters, words


def vocabulary(characters: Mapping[str, int], words: Mapping[str, int], *, size: int, minimum: int) -> list[str]:
    """Of what was counted.

    Characters first, then whole Latin words and numbers, both by falling count (ties by code point, so that
    the same corpus gives the same file). Characters that can stand inside a word get their "##" form too: letters,
    and signs such as "℃", "～" and "★", for BERT takes "36℃" as one word.
    """
    entries = [*SPECIALS, *UNUSED]
    for char, count in sorted(characters.items(), key=lambda item: (-item[1], item[0])):
        if count >= minimum and not char.isspace():
            inside = not is_ideograph(char) and not is_punctuation(char)
            entries += [char, f"##{char}"] if inside else [char]
    entries += [word for word, count in sorted(words.items(), key=lambda i: (-i[1], i[0])) if count >= minimum]
    return entries[:size]


def save(vocabulary: Sequence[str], folder: Path, *, lowercase: bool = True) -> None:
    """Writes vocab.txt, tokenizer.json and tokenizer_config.json of a BERT tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    backend = BertWordPieceTokenizer(
        {token: number for number, token in enumerate(vocabulary)}, lowercase=lowercase, strip_accents=lowercase
    )
    backend.save(str(folder / "tokenizer.json"))
    settings = published.settings(lowercase=lowercase)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def read_vocabulary(path: Path) -> list[str]:
    """A vocab.txt: one entry a line, no entry twice, the five special tokens among them."""
    vocabulary = [line for _, line in reading.lines(path)]
    while vocabulary and not vocabulary[-1]:
        vocabulary.pop()
    twice = [token for token, count in Counter(vocabulary).items() if count > 1]
    if twice:
        raise InputError(f"{path}: {twice[0]!r} stands in it more than once (line {vocabulary.index(twice[0]) + 1})")
    missing = [token for token in SPECIALS if token not in vocabulary]
    if missing:
        raise InputError(f"{path}: the special token {missing[0]} is missing")
    return vocabulary


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A text as tokens. ``offsets`` are characters [begin, end) of the text as it was given."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]

    @classmethod
    def of(cls, encoding: Encoding, aligned: alignment.Aligned) -> Encoded:
        offsets = encoding.offsets if aligned.spans is None else list(map(aligned.raw, encoding.offsets))
        return cls(ids=encoding.ids, tokens=encoding.tokens, offsets=offsets)


class Tokenizer:
    """Texts to token ids and back.

    A tokenizer that we made cuts cleaned text, as it was trained on; a published one (``published``) cuts the text as
    it is given, as its own library does.
    """

    def __init__(self, folder: Path) -> None:
        if not published.there(folder):
            raise InputError(f"{folder}: not a tokenizer folder, it has neither tokenizer.json nor vocab.txt")
        if not (folder / published.WHOLE).is_file():
            read_vocabulary(folder / published.VOCABULARY)  # refuses what is none, by the line
        self.folder, self.made_here = folder, published.made_here(folder)
        found = published.ours(folder) if self.made_here else published.taken(folder)
        self.backend, self.names = found.backend, found.names
        self.backend.no_truncation()
        self.backend.no_padding()
        self.pad, self.unk, self.cls, self.sep, self.mask = (self.identity(found.names[r]) for r in published.ROLES)
        self.count = 1 + max(self.backend.get_vocab().values())
        self._characters = CharacterEncoder(self.backend) if self.made_here else None

    def identity(self, token: str) -> int:
        number = self.backend.token_to_id(token)
        if number is None:
            raise InputError(f"{self.folder}: the tokenizer has no {token}")
        return int(number)

    def __len__(self) -> int:
        """One more than the largest token number."""
        return self.count

    def require(self, vocab_size: int, *, model: Path) -> None:
        """Refuses a model with fewer token vectors than tokens. More of them are padding, as in published models."""
        if vocab_size < len(self):
            raise InputError(
                f"{model}: the model has {vocab_size} token vectors, "
                f"the tokenizer in {self.folder} has {len(self)} tokens"
            )

    def require_same(self, model: Path) -> None:
        """Refuses a model's folder whose tokenizer is another, naming the first token or the setting that differs.

        Of one that cuts words by code of its own, as RoFormer's does, the entries alone are compared.
        """
        try:
            theirs = Tokenizer(model)
        except published.CustomTokenizer:
            if not (model / published.VOCABULARY).is_file():
                raise
            self._require_entries(read_vocabulary(model / published.VOCABULARY), model, published.VOCABULARY)
            return
        self._require_entries(theirs.vocabulary(), model)
        self._require_manner(theirs, model)

    def _require_entries(self, theirs: Sequence[str], model: Path, file: str = "") -> None:
        for number, (their, our) in enumerate(zip_longest(theirs, self.vocabulary())):
            if their != our:
                raise InputError(
                    f"{model}: token {number} is {their!r}, in {self.folder} it is {our!r}: this model needs its own "
                    f"vocabulary (params.yaml: prepare.vocabulary.path: {model / file})"
                )

    def _require_manner(self, theirs: Tokenizer, model: Path) -> None:
        wanted = self.manner()
        for name, value in theirs.manner().items():
            if value != wanted[name]:
                raise InputError(
                    f"{model}: its tokenizer has {name} {value}, that in {self.folder} has {wanted[name]}: "
                    f"this model needs its own (params.yaml: prepare.vocabulary.path: {model})"
                )

    def manner(self) -> dict[str, str]:
        """How texts are cut, by the setting's name, as JSON."""
        whole = json.loads(self.backend.to_str())
        normaliser = whole["normalizer"] or {}
        if normaliser.get("type") == "BertNormalizer" and normaliser.get("strip_accents") is None:
            normaliser["strip_accents"] = normaliser.get("lowercase")  # as BERT's own rule is
        added = sorted(token["content"] for token in whole["added_tokens"])
        first = {"lowercase": normaliser.get("lowercase")}  # which says most, and decides others
        parts = {**first, **normaliser, "pre_tokenizer": whole["pre_tokenizer"], "added tokens": added}
        return {name: json.dumps(value, ensure_ascii=False) for name, value in parts.items()}

    def vocabulary(self) -> list[str]:
        """All tokens by number; "" for a number that no token has."""
        found = [""] * len(self)
        for token, number in self.backend.get_vocab().items():
            found[number] = token
        return found

    def encodings(self, texts: Sequence[str], *, marks: bool = False) -> list[Encoded]:
        """Ids of the texts, and of which characters of the texts as given they are; without special tokens.

        "[MASK]" in a text is five letters and two brackets, for it is the user's; with ``marks`` it is the token.
        """
        aligned = [alignment.clean(text) if self.made_here else alignment.as_it_is(text) for text in texts]
        self.backend.encode_special_tokens = not marks
        found = self.backend.encode_batch([each.text for each in aligned], add_special_tokens=False)
        return [Encoded.of(encoding, each) for encoding, each in zip(found, aligned, strict=True)]

    def ids(self, texts: Sequence[str], *, marks: bool = False) -> list[list[int]]:
        """Ids of the texts, as ``encodings`` has them."""
        if self._characters is None or marks:
            return [encoding.ids for encoding in self.encodings(texts, marks=marks)]
        return [pieces.ids.tolist() for pieces in self._characters([clean(text) for text in texts])]

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """The tokens of clean texts (``cleaning.clean``), of which a tokenizer that we made needs no more."""
        if self._characters is not None:
            return self._characters(texts)
        return list(map(Pieces.of, self.encodings(texts)))

    def decode(self, ids: Sequence[int]) -> str:
        """Text with blanks only between pieces that were Latin words."""
        text = ""
        silent = (self.pad, self.cls, self.sep)
        for token in (self.backend.id_to_token(number) for number in ids if number not in silent):
            if token is None:
                continue
            piece = token.removeprefix("##")
            apart = piece is token and text[-1:].isascii() and text[-1:].isalnum() and piece[:1].isascii()
            text += (" " if apart and piece[:1].isalnum() else "") + piece
        return text
