"""Mined hard negatives against a loop over all pairs; what each rule takes out; how they enter a batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rosphere.errors import InputError
from rosphere.similarity import hard_negatives, teacher_vectors
from rosphere.similarity.hard_negatives import HardNegatives
from rosphere.similarity.negatives import Negatives
from rosphere.similarity.pairs import Groups
from rosphere.similarity.teacher_vectors import StoredVectors
from rosphere.similarity.vectors import unit
from rosphere.text import tokenizer
from rosphere.text.cleaning import fingerprint
from rosphere.text.tokenizer import Tokenizer


def settings(**changed: float) -> HardNegatives:
    return HardNegatives(**{"teacher": "t", "per_sentence": 1, "nearest": 3, "below": 0.95, **changed})  # type: ignore[arg-type]


def written(folder: Path, rows: list[list[str]], families: list[str]) -> Groups:
    tokenizer.save(tokenizer.train([text for row in rows for text in row], size=200, minimum=1), folder)
    lines = [{"text": t, "synonyms": more, "family": f} for (t, *more), f in zip(rows, families, strict=True)]
    (folder / "groups.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return Groups(folder / "groups.jsonl", Tokenizer(folder), max_length=16)


def at(*degrees: float) -> StoredVectors:
    angles = np.radians(np.array(degrees))
    return teacher_vectors.in_memory(np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32))


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return written(
        tmp_path, [["退货", "退货。吗"], ["换货", "换货吗"], ["退货！", "发票"], ["天气", "下雨"]], ["a", "b", "c", "a"]
    )


def test_each_rule_takes_out_what_it_is_for(groups: Groups) -> None:
    """Of sentence 0, at 0 degrees with its partner at 30: in letters 4 is the same as it, at 1 degree; 2 is nearer than
    the partner; 6, at 40 degrees, is of its family; the next is 3, at 50."""
    found = hard_negatives.mined(groups, at(0, 30, 10, 50, 1, 200, 40, 210), settings(nearest=6))
    assert found.of[0] == [3]
    only = hard_negatives.mined(groups, at(0, 30, 10, 50, 1, 200, 40, 210), settings(nearest=3))
    assert 0 not in only.of


def test_it_is_the_loop_over_all_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hard_negatives, "ASKED", 7)
    monkeypatch.setattr(hard_negatives, "SEARCHED", 11)
    generator = np.random.default_rng(0)
    signs = "甲乙丙丁戊己庚辛壬癸"
    rows = [["".join(generator.choice(list(signs), 2)) + mark for mark in "子丑寅"[: 2 + n % 2]] for n in range(16)]
    groups = written(tmp_path, rows, [("", "x", "y")[n % 3] for n in range(16)])
    vectors = unit(generator.standard_normal((len(groups.texts), 5)) + 1.5).astype(np.float32)
    asked = settings(per_sentence=2, nearest=9, below=0.9)
    found = hard_negatives.mined(groups, teacher_vectors.in_memory(vectors), asked)
    cosine, of = vectors @ vectors.T, groups.group_of
    prints = [fingerprint(text) for text in groups.texts]
    said = np.array([of == number for number in range(16)])
    alike = np.eye(16, dtype=bool)
    for one in range(16):
        for other in range(16):
            alike[one, other] |= bool(
                {prints[n] for n in np.flatnonzero(said[one])} & {prints[n] for n in np.flatnonzero(said[other])}
            )
    for _ in range(5):
        alike = alike @ alike
    taken, counts = {}, dict.fromkeys(("candidates", "near_duplicates", "same_family", "too_near", "taken"), 0)
    for n in range(len(of)):
        partners = [m for m in range(len(of)) if of[m] == of[n] and m != n]
        order = sorted((m for m in range(len(of)) if of[m] != of[n]), key=lambda m: (-cosine[n, m], m))[:9]
        kept = []
        for m in order:
            counts["candidates"] += 1
            if alike[of[n], of[m]]:
                counts["near_duplicates"] += 1
            elif groups.families[of[n]] and groups.families[of[n]] == groups.families[of[m]]:
                counts["same_family"] += 1
            elif cosine[n, m] >= 0.9 * min(cosine[n, p] for p in partners):
                counts["too_near"] += 1
            elif len(kept) < 2:
                kept.append(m)
        counts["taken"] += len(kept)
        taken |= {n: kept} if kept else {}
    assert found.of == taken
    assert found.counts == {**counts, "sentences": len(taken)}
    assert all(counts.values()), "every rule is met"
    again = hard_negatives.mined(groups, teacher_vectors.in_memory(vectors), asked)
    assert again == found


def test_where_there_are_fewer_sentences_than_are_looked_at(groups: Groups) -> None:
    found = hard_negatives.mined(groups, at(0, 30, 100, 120, 200, 220, 300, 320), settings(nearest=50))
    assert found.counts["candidates"] == 8 * 6
    for number, others in found.of.items():
        assert all(groups.group_of[other] != groups.group_of[number] for other in others)


def test_they_stand_beside_those_that_people_named(groups: Groups, tmp_path: Path) -> None:
    (tmp_path / "negatives.jsonl").write_text(json.dumps({"sentence1": "换货", "sentence2": "天气"}), "utf-8")
    negatives = Negatives(tmp_path / "negatives.jsonl", groups.texts, groups.tokenizer, max_length=16)
    negatives.add({0: [3], 2: [7, 4]}, [ids for ids, _ in groups.tokens])
    t = groups.tokenizer
    found = {number: [t.decode(ids.tolist()) for ids in each] for number, each in negatives.of.items()}
    assert found == {2: ["天气", "下雨", "退货！"], 6: ["换货"], 0: ["换货吗"]}
    drawn = {tuple(negatives.draw((3, 2), np.random.default_rng(n))[0].tolist()) for n in range(30)}
    assert drawn == {tuple(ids.tolist()) for ids in negatives.of[2]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"per_sentence": 4}, "expected 1 <= per_sentence <= nearest, got per_sentence 4, nearest 3"),
        ({"per_sentence": 0}, "got per_sentence 0"),
        ({"below": 0.0}, r"below: expected a share in \(0, 1\], got 0.0"),
        ({"below": 1.1}, "got 1.1"),
    ],
)
def test_refuses(changed: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings(**changed)
