"""Rows of similar pairs for RoFormer-Sim: [CLS] a [SEP] b [SEP] and [CLS] b [SEP] a [SEP], one after the other.

Half of the sources are corrupted as in BART: whole words masked, the target clean (kexue.fm/archives/8454).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity.negatives import Negatives
from rosphere.similarity.unlabelled import Unlabelled
from rosphere.text import reading
from rosphere.text.corruption import corrupt
from rosphere.text.tokenising import tokenise
from rosphere.text.tokenizer import Tokenizer

OFTENER = 4
GENERAL = "general"  # the origin of groups that are not the user's own
NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """N = 2 x pairs rows, padded; rows 2i and 2i + 1 are the two directions of pair i. Behind them M rows with the hard
    negatives of some.

    ``sentence_N``, ``anchor_M``, ``meaning_N`` and ``tokens`` are those of the whole batch, also in a part of it: what
    compares all vectors, or divides by all targets, needs to know.
    """

    ids_NL: Tensor  # sources corrupted
    segments_NL: Tensor  # 0 source, 1 target and padding
    keep_NL: Tensor  # 1 where there is a token
    sentence_N: Tensor  # which sentence is the source of the row
    tokens: int  # targets
    anchor_M: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))  # whose negative row N + m is
    meaning_N: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))  # alike where equal, or empty

    def to(self, device: torch.device) -> Batch:
        names = ("ids_NL", "segments_NL", "keep_NL", "sentence_N", "anchor_M", "meaning_N")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def share(self, rank: int, processes: int) -> Batch:
        """The pairs that fall to process ``rank`` of ``processes``."""
        pairs = len(self.ids_NL) // 2
        if pairs < processes:
            raise InputError(f"pairs: expected one or more for each of {processes} processes, got {pairs}")
        return self._rows(slice(2 * (pairs * rank // processes), 2 * (pairs * (rank + 1) // processes)))

    def split(self, size: int) -> list[Batch]:
        """Chunks of at most ``size`` rows, each cut to its own longest row."""
        return [self._rows(slice(start, start + size)) for start in range(0, len(self.ids_NL), size)]

    def _rows(self, part: slice) -> Batch:
        max_length = int(self.keep_NL[part].sum(1).max())
        names = ("ids_NL", "segments_NL", "keep_NL")
        return replace(self, **{name: getattr(self, name)[part, :max_length] for name in names})

    @property
    def targets(self) -> Tensor:
        """[N, L - 1] bool: position t predicts token t + 1, where that belongs to the target."""
        return (self.segments_NL[:, 1:] * self.keep_NL[:, 1:]).bool()


class Groups:
    """Similar sentences, tokenised once. ``members[g]`` are the numbers of the sentences of group g.

    ``kinds`` are the groups of questions and those of sentences in general, where a file tells them apart; ``general``
    those of the origin "general", which are in no kind: pairs of others, mixed in against forgetting.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer, *, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.texts: list[str] = []
        self.members: list[list[int]] = []
        self.families: list[str] = []
        kinds: dict[bool, list[int]] = {True: [], False: []}
        self.general: list[int] = []
        for number, row in reading.rows(path):
            texts = [reading.text_field(row, "text", path=path, number=number), *row["synonyms"]]
            kind = self.general if row.get("origin") == GENERAL else kinds[bool(row.get("question", True))]
            kind.append(len(self.members))
            self.members.append(list(range(len(self.texts), len(self.texts) + len(texts))))
            self.families.append(row.get("family", ""))
            self.texts += texts
        if not self.members:
            raise InputError(f"{path}: expected groups of similar sentences, the file is empty")
        self.kinds = [groups for groups in kinds.values() if groups]
        whole = list(tokenise(self.texts, tokenizer, True))
        self.tokens = [(ids[:max_length], starts[:max_length]) for ids, starts in whole]
        self.cut = sum(len(ids) > max_length for ids, _ in whole)  # sentences that were longer

    def __len__(self) -> int:
        return len(self.members)

    @property
    def group_of(self) -> NDArray[np.int64]:
        """The group of every sentence."""
        return np.concatenate([[group] * len(members) for group, members in enumerate(self.members)])


@dataclass(frozen=True, kw_only=True)
class Row:
    """A source, and a target to write after it unless it is empty; ``sentence``: the number of the clean source."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    sentence: int


def training_batch(
    groups: Groups,
    step: int,
    *,
    batch_size: int,
    noise: float,
    rate: float,
    seed: int,
    unlabelled: Unlabelled | None = None,
    negatives: Negatives | None = None,
    meanings: NDArray[np.int64] | None = None,
    general_share: float = 0.0,
    targets: bool = True,
) -> Batch:
    """Batch ``step`` of a run: ``batch_size`` different groups, two sentences of each, of which ``general_share`` in
    the mean are general ones where there are any; ``noise``: share of the sources that are corrupted; without
    ``targets`` the rows are sources alone, with nothing to write. Behind them, if given, two views of each
    ``unlabelled`` sentence, without targets; these sentences are numbered after those of the groups. Last, if given,
    the hard ``negatives`` of the pairs that have any.
    ``meanings``: of every sentence by its number, as ``meanings.of_batches`` has them.

    Of questions and sentences in general as many groups each, as far as there are (kexue.fm/archives/8454) and no group
    comes OFTENER times as often as the mean: one that is alone of its kind, perhaps misjudged, is not in every batch.
    """
    generator = stream(seed, Stream.PAIRS, step)
    chosen = drawn(groups, batch_size, general_share=general_share, generator=generator)
    rows = [pair for one, other in chosen for pair in ((one, other), (other, one))]
    rows.sort(key=lambda row: sum(len(groups.tokens[number][0]) for number in row))  # chunks of like lengths; stable
    written = written_rows(groups, rows, noise=noise, rate=rate, generator=generator)
    if not targets:
        written = [replace(row, target=NOTHING) for row in written]
    if unlabelled is not None:
        first = len(groups.tokens)
        views = unlabelled.draw(generator)
        views.sort(key=lambda view: len(unlabelled.sentences[view[0]]))
        seen = [Row(source=ids, target=NOTHING, sentence=first + number) for number, *both in views for ids in both]
        written = [*seen, *written]
    if negatives is None:
        batch = assemble(written, groups.tokenizer)
    else:
        batch = _with_negatives(written, len(written) - len(rows), rows, negatives, groups.tokenizer, generator)
    return batch if meanings is None else replace(batch, meaning_N=torch.from_numpy(meanings)[batch.sentence_N])


def _with_negatives(
    written: Sequence[Row],
    first: int,
    pairs: Sequence[tuple[int, int]],
    negatives: Negatives,
    tokenizer: Tokenizer,
    generator: np.random.Generator,
) -> Batch:
    """The rows, of which those from ``first`` on are the pairs' (source, target) numbers, and their hard negatives."""
    found: list[Row] = []
    anchors: list[int] = []
    for place in range(0, len(pairs), 2):
        drawn = negatives.draw(pairs[place], generator)
        found += [Row(source=ids, target=NOTHING, sentence=0) for ids in drawn]
        anchors += [first + place + side for side in range(len(drawn))]
    batch = assemble([*written, *found], tokenizer)
    return replace(batch, sentence_N=batch.sentence_N[: len(written)], anchor_M=torch.tensor(anchors, dtype=torch.long))


def drawn(groups: Groups, count: int, *, general_share: float, generator: np.random.Generator) -> list[tuple[int, int]]:
    """The numbers of two sentences of each of ``count`` different groups, or of as many as there are, by the rules of
    ``training_batch``."""
    mixed = _mixed(groups, general_share * count, generator)
    found = []
    for group in [*_chosen(groups, count - len(mixed), generator), *mixed]:
        one, other = generator.choice(groups.members[int(group)], size=2, replace=False)
        found.append((int(one), int(other)))
    return found


def sentences(
    groups: Groups, steps: int, *, batch_size: int, general_share: float, seed: int, most: int
) -> NDArray[np.int64] | None:
    """The numbers of all sentences that ``training_batch`` draws in so many steps, ascending; None if more than
    ``most``."""
    found: set[int] = set()
    for step in range(steps):
        if len(found) > most:
            return None
        generator = stream(seed, Stream.PAIRS, step)
        for pair in drawn(groups, batch_size, general_share=general_share, generator=generator):
            found.update(pair)
    return np.array(sorted(found), np.int64) if len(found) <= most else None


def _mixed(groups: Groups, mean: float, generator: np.random.Generator) -> list[int]:
    """As many general groups, or where that is no whole number one more as often as it takes."""
    if not groups.general:
        return []
    size = min(int(mean) + int(generator.random() < mean % 1), len(groups.general))
    return [groups.general[int(place)] for place in generator.choice(len(groups.general), size=size, replace=False)]


def _chosen(groups: Groups, count: int, generator: np.random.Generator) -> list[int]:
    found: list[int] = []
    for left, kind in zip(range(len(groups.kinds), 0, -1), sorted(groups.kinds, key=len), strict=True):
        size = min((count - len(found)) // left, len(kind))
        if left > 1:  # whatever is not taken of this kind is taken of the larger one
            often = OFTENER * count * len(kind) / (len(groups) - len(groups.general))
            size = min(size, int(often) + int(generator.random() < often % 1))
        found += [kind[int(place)] for place in generator.choice(len(kind), size=size, replace=False)]
    return found


def written_rows(
    groups: Groups, pairs: Sequence[tuple[int, int]], *, noise: float, rate: float, generator: np.random.Generator
) -> list[Row]:
    """Rows of (source, target) numbers of sentences."""
    found = []
    for source, target in pairs:
        ids = groups.tokens[source][0].astype(np.int64)
        if generator.random() < noise:
            ids = corrupted(ids, groups.tokens[source][1], groups.tokenizer, rate=rate, generator=generator)
        found.append(Row(source=ids, target=groups.tokens[target][0].astype(np.int64), sentence=source))
    return found


def assemble(rows: Sequence[Row], t: Tokenizer) -> Batch:
    """[CLS] source [SEP] target [SEP], or [CLS] source [SEP] where there is no target."""
    sequences, sources = [], []
    for row in rows:
        written = [*row.target, t.sep] if len(row.target) else []
        sequences.append([t.cls, *row.source, t.sep, *written])
        sources.append(len(row.source) + 2)
    max_length = max(map(len, sequences))
    ids_NL = np.full((len(rows), max_length), t.pad, dtype=np.int64)
    for number, sequence in enumerate(sequences):
        ids_NL[number, : len(sequence)] = sequence
    places = np.arange(max_length)
    return Batch(
        ids_NL=torch.from_numpy(ids_NL),
        segments_NL=torch.from_numpy((places >= np.array(sources)[:, None]).astype(np.int64)),
        keep_NL=torch.from_numpy((places < np.array([len(s) for s in sequences])[:, None]).astype(np.int64)),
        sentence_N=torch.tensor([row.sentence for row in rows]),
        tokens=sum(len(sequence) for sequence in sequences) - sum(sources),
    )


def corrupted(
    ids: NDArray[np.int64],
    starts: NDArray[np.bool_],
    tokenizer: Tokenizer,
    *,
    rate: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Whole words chosen at ``rate`` and corrupted as for the masked language model."""
    word = np.cumsum(starts)
    chosen = (generator.random(len(ids) + 1) < rate)[word]
    hidden = ids.copy()
    hidden[chosen] = corrupt(ids[chosen], tokenizer, generator)
    return hidden
