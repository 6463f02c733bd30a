"""MinHash against its definition, and its buckets against all pairs."""

from __future__ import annotations

import itertools
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from rosphere.preparation import minhash
from rosphere.preparation.jaccard import grams, jaccard
from rosphere.preparation.minhash import Banding, similar
from rosphere.text.cleaning import letters

REAL = os.environ.get("ROSPHERE_DATA") or None
needs_data = pytest.mark.skipif(REAL is None, reason="ROSPHERE_DATA does not name a folder with texts")
WORD = 2**64


def varied(count: int, seed: int) -> list[str]:
    """Lines of which many are copies of others with up to every second character changed."""
    generator = random.Random(seed)
    alphabet = [chr(0x4E00 + n) for n in range(800)]
    lines: list[str] = []
    while len(lines) < count:
        first = generator.choices(alphabet, k=generator.randint(8, 30))
        lines.append("".join(first))
        for _ in range(generator.randint(0, 3)):
            rate = generator.uniform(0.02, 0.5)
            lines.append("".join(generator.choice(alphabet) if generator.random() < rate else c for c in first))
    return lines[:count]


def all_pairs(lines: list[str], threshold: float, n: int) -> dict[tuple[int, int], float]:
    sets = [grams(line, n) for line in lines]
    scored = {(i, j): jaccard(sets[i], sets[j]) for i, j in itertools.combinations(range(len(lines)), 2)}
    return {pair: score for pair, score in scored.items() if score >= threshold}


def assert_found_as_expected(lines: list[str], threshold: float, banding: Banding) -> None:
    """Every pair found is one, with its exact score; and over several seeds the share found is what the S-curve says.

    Pairs of one cluster share their hashes, so one seed strays further than independent draws would: on real questions
    a share of 0.73 had a standard deviation of 0.032 (twelve seeds), hence of 0.013 over six.
    """
    truth = all_pairs(lines, threshold, banding.n)
    shares = []
    for seed in range(6):
        found = {(one, other): score for one, other, score in similar(lines, threshold, banding, seed=seed)}
        assert found.items() <= truth.items()
        shares.append(len(found) / len(truth))
    assert len(truth) > 100
    expected = sum(map(banding.recall, truth.values())) / len(truth)
    assert sum(shares) / len(shares) == pytest.approx(expected, abs=0.04)


def mixed(x: int) -> int:
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB % WORD
    return x ^ x >> 31


@pytest.mark.parametrize("n", [1, 2, 3])
def test_keys_by_their_definition(n: int) -> None:
    lines, banding = ["怎么退货", "退 货？怎么退", "ABC公司𠀀"], Banding(n=n, bands=3, rows=2)
    a, b = np.random.default_rng([7, 11]).integers(0, WORD, size=(2, 3, 2), dtype=np.uint64).tolist()
    for line, keys in zip(lines, minhash.keys(lines, banding, seed=7).tolist(), strict=True):
        kept = letters(line)
        codes = {kept[at : at + n] for at in range(len(kept) - n + 1)}
        numbers = {sum(ord(c) << 21 * (n - 1 - place) for place, c in enumerate(gram)) for gram in codes}
        for band in range(3):
            key = 0
            for row in range(2):
                key = mixed(key ^ min(((a[band][row] | 1) * mixed(x) + b[band][row]) % WORD for x in numbers))
            assert keys[band] == key >> 32


def test_two_lines_agree_with_the_probability_of_their_similarity() -> None:
    banding = Banding(n=1, bands=2000, rows=1)
    pairs = [
        ("一二三四五六七八九十", "一二三四五六七八东西"),
        ("一二三四五六", "一二三南北上下"),
        ("甲乙丙丁", "子丑寅卯"),
    ]
    for one, other in pairs:
        keys = minhash.keys([one, other], banding, seed=1)
        score = jaccard(grams(one, 1), grams(other, 1))
        assert (keys[0] == keys[1]).mean() == pytest.approx(score, abs=0.045)  # 4 standard deviations at most


def test_the_curve() -> None:
    banding = Banding(bands=32, rows=4)
    assert banding.recall(0.6) == pytest.approx(0.988, abs=0.001)
    assert banding.recall(0.2) == pytest.approx(0.05, abs=0.001)
    assert Banding(bands=1, rows=1).recall(0.3) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("threshold", "banding"),
    [(0.3, Banding(neighbours=2000)), (0.3, Banding(n=1, bands=8, rows=6, neighbours=2000)), (0.5, Banding())],
)
def test_as_many_pairs_are_found_as_the_curve_says(threshold: float, banding: Banding) -> None:
    assert_found_as_expected(varied(1500, 1), threshold, banding)


@needs_data
def test_as_many_real_pairs_are_found_as_the_curve_says() -> None:
    with (Path(str(REAL)) / "clue" / "afqmc" / "dev.json").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in itertools.islice(file, 1000)]
    lines = dict.fromkeys(row[key] for row in rows for key in ("sentence1", "sentence2"))
    assert_found_as_expected(list(lines), 0.4, Banding(neighbours=3000))


def test_lines_with_fewer_letters_than_n_are_in_no_pair() -> None:
    lines = ["甲", "甲。", "", "怎么退货", "怎么退货？"]
    assert list(similar(lines, 0.5, Banding(n=2), seed=1)) == [(3, 4, 1.0)]
    assert list(similar([], 0.5, Banding(), seed=1)) == list(similar(["甲"], 0.5, Banding(), seed=1)) == []


def test_boilerplate_stays_linear() -> None:
    lines = ["欢迎光临我们的店铺。"] * 3000
    found = list(similar(lines, 0.5, Banding(neighbours=8), seed=1))
    assert len(found) == 8 * 3000 - 36  # each line with the eight after it


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = varied(50, 2)
    whole = minhash.keys(lines, Banding(), seed=1)
    monkeypatch.setattr(minhash, "CHUNK", 7)
    assert (minhash.keys(lines, Banding(), seed=1) == whole).all()
