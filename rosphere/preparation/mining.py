"""Pseudo-similar pairs for sentences in general, after RoFormer-Sim (kexue.fm/archives/8454).

Answers to one question are similar; sentences of one passage are, if they have more in common; and near-duplicates are
wherever they stand. What "in common" means is in jaccard.py: characters for the first two, n-grams for the last.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rosphere.preparation.jaccard import grams, jaccard
from rosphere.preparation.minhash import Banding, similar
from rosphere.preparation.source import Group, Origin
from rosphere.text import sentences
from rosphere.text.cleaning import clean, fingerprint

QUESTION = re.compile(
    r"[？?][\s”’」』）)]*$|吗|呢[。！!]*$|什么|啥|怎|咋|如何|为何|哪|谁|多少|多久|多大|多长|多远|几[点天时个次年月号]"
    r"|是否|能否|可否|请问|(\w)[不没]\1"  # 能不能, 有没有
)
NUMBER = re.compile(r"\d+")
Pair = tuple[str, str]
Scored = tuple[float, int, int]


@dataclass(frozen=True, kw_only=True)
class Mining:
    """Least similarities of a pair; null mines none of that origin."""

    enabled: bool = False
    answers: float | None = 0.5
    passages: float | None = 0.6
    near: float | None = 0.5
    identical: float = 0.95  # from here on a pair teaches nothing
    sentence_characters: tuple[int, int] = (6, 64)
    sentences: int = 64  # of a document or of the answers to one question: the first ones
    window: int = 1_000_000  # sentences among which near-duplicates are looked for
    limit: int = 100_000  # pairs of each origin

    def __post_init__(self) -> None:
        for name, least in (("answers", self.answers), ("passages", self.passages), ("near", self.near)):
            if least is not None and not 0 < least < self.identical <= 1:
                raise ValueError(f"expected 0 < {name} < identical <= 1, got {least} and {self.identical}")
        if min(self.sentences, self.window) < 2 or self.limit < 1:
            raise ValueError("expected sentences and window of 2 or more and a limit of 1 or more")


def is_question(text: str) -> bool:
    """Whether a sentence is question-like: it ends in a question mark or has a question word or a form like 能不能.

    A rule of thumb for balancing, no more: 谁都知道 is taken for a question, 退货流程 is not.
    """
    return QUESTION.search(text) is not None


def is_question_group(texts: Sequence[str]) -> bool:
    """Half or more of the sentences are question-like."""
    return 2 * sum(map(is_question, texts)) >= len(texts)


def unlike(one: str, other: str) -> bool:
    """Whether two sentences say different things however much they share: one asks, or their numbers differ."""
    return is_question(one) != is_question(other) or sorted(NUMBER.findall(one)) != sorted(NUMBER.findall(other))


def mine(
    settings: Mining, documents: Iterable[str], answers: Iterable[Sequence[str]], *, seed: int
) -> tuple[list[Group], dict[str, int]]:
    """Groups of two, and how many were found and dropped, by origin.

    ``documents`` are gone through twice: no iterator. Memory beside them: 2 ``limit`` pairs of an origin, and for
    ``near`` the sentences of one window with 128 bytes of hashes each.
    """
    counts: Counter[str] = Counter()
    groups: list[Group] = []
    if settings.answers is not None:
        of_answers = (_answer_pairs(each, settings, settings.answers, counts) for each in answers)
        groups += _kept("answers", itertools.chain.from_iterable(of_answers), settings, counts, seed)
    if settings.passages is not None:
        of_passages = (_passage_pairs(each, settings, settings.passages, counts) for each in documents)
        groups += _kept("passage", itertools.chain.from_iterable(of_passages), settings, counts, seed)
    if settings.near is not None:
        found = itertools.chain.from_iterable(_sentences([text], settings) for text in documents)
        groups += _kept("near", near_pairs(found, settings, settings.near, counts, seed=seed), settings, counts, seed)
    return groups, {f"mined_{key}": count for key, count in counts.items() if count}


def _kept(origin: Origin, pairs: Iterable[Pair], settings: Mining, counts: Counter[str], seed: int) -> list[Group]:
    chosen, found = balanced(pairs, settings.limit, seed=seed)
    counts[f"{origin}_found"] += found
    counts[f"{origin}_dropped_limit"] += found - len(chosen)
    return [Group(name=f"{origin}:{n}", family="", texts=pair, origin=origin) for n, pair in enumerate(chosen)]


def balanced(pairs: Iterable[Pair], limit: int, *, seed: int) -> tuple[list[Pair], int]:
    """At most ``limit`` pairs of a stream, drawn so that as many are question-like as not, as far as there are; in
    order of appearance; and how many there were. Reservoir sampling (Vitter 1985): 2 ``limit`` pairs in memory."""
    generator = random.Random(seed)
    kept: dict[bool, list[tuple[int, Pair]]] = {True: [], False: []}
    met: Counter[bool] = Counter()
    for number, pair in enumerate(pairs):
        kind = is_question_group(pair)
        met[kind] += 1
        place = generator.randrange(met[kind]) if len(kept[kind]) == limit else len(kept[kind])
        if place < limit:
            kept[kind][place : place + 1] = [(number, pair)]
    questions = min(len(kept[True]), max(limit // 2, limit - len(kept[False])))
    general = min(len(kept[False]), limit - questions)
    drawn = generator.sample(kept[True], questions) + generator.sample(kept[False], general)
    return [pair for _, pair in sorted(drawn)], met.total()


def _sentences(texts: Iterable[str], settings: Mining) -> list[str]:
    shortest, max_length = settings.sentence_characters
    split = itertools.chain.from_iterable(sentences.split(clean(text)) for text in texts)
    usable = (sentence for sentence in split if shortest <= len(sentence) <= max_length)
    return list(itertools.islice(usable, settings.sentences))


def _answer_pairs(answers: Sequence[str], settings: Mining, least: float, counts: Counter[str]) -> Iterator[Pair]:
    """Sentences of different answers to one question."""
    counts["answers_read"] += 1
    found = [_sentences([answer], settings) for answer in answers]
    owners = [number for number, each in enumerate(found) for _ in each][: settings.sentences]
    texts = list(itertools.chain.from_iterable(found))[: settings.sentences]
    yield from _pairs(texts, owners, least, settings.identical, counts, "answers")


def _passage_pairs(document: str, settings: Mining, least: float, counts: Counter[str]) -> Iterator[Pair]:
    counts["passage_read"] += 1
    texts = _sentences([document], settings)
    yield from _pairs(texts, range(len(texts)), least, settings.identical, counts, "passage")


def _pairs(
    texts: Sequence[str], owners: Sequence[int], least: float, identical: float, counts: Counter[str], origin: Origin
) -> Iterator[Pair]:
    """The most similar pairs of sentences of different owners; a sentence is in one pair at most."""
    sets = [grams(text, 1) for text in texts]
    scored: list[Scored] = []
    for one, other in itertools.combinations(range(len(texts)), 2):
        if owners[one] != owners[other] and (score := jaccard(sets[one], sets[other])) >= least:
            scored.append((score, one, other))
    usable = [each for each in scored if _usable(each, texts, identical, counts, origin)]
    yield from ((texts[one], texts[other]) for one, other in matched(usable))


def _usable(pair: Scored, texts: Sequence[str], identical: float, counts: Counter[str], origin: Origin) -> bool:
    score, one, other = pair
    reason = "identical" if score >= identical else "unlike" if unlike(texts[one], texts[other]) else None
    counts[f"{origin}_dropped_{reason}"] += int(reason is not None)
    return reason is None


def matched(scored: Iterable[Scored]) -> list[tuple[int, int]]:
    """Pairs without common members, the most similar first; of equal ones the earlier."""
    taken: set[int] = set()
    pairs = []
    for _, one, other in sorted(scored, key=lambda each: (-each[0], each[1:])):
        if one not in taken and other not in taken:
            taken |= {one, other}
            pairs.append((one, other))
    return pairs


def near_pairs(
    lines: Iterable[str],
    settings: Mining,
    least: float,
    counts: Counter[str],
    *,
    seed: int,
    banding: Banding | None = None,
) -> Iterator[Pair]:
    """Near-duplicates among the lines of each window, each line with the most similar one that is left for it."""
    banding = banding or Banding()
    waiting = iter(lines)
    while part := list(itertools.islice(waiting, settings.window)):
        counts["near_read"] += len(part)
        distinct = _distinct(part)
        counts["near_dropped_identical"] += len(part) - len(distinct)
        best: dict[int, Scored] = {}
        for one, other, score in similar(distinct, least, banding, seed=seed):
            if _usable((score, one, other), distinct, settings.identical, counts, "near"):
                for line in (one, other):
                    best[line] = max(best.get(line, (0.0, one, other)), (score, one, other))
        yield from ((distinct[one], distinct[other]) for one, other in matched(set(best.values())))


def _distinct(lines: Iterable[str]) -> list[str]:
    """Of equal lines the first."""
    first: dict[bytes, str] = {}
    for line in lines:
        first.setdefault(fingerprint(line), line)
    return list(first.values())
