"""A mixture is the weighted sum of its parts, and the same after it was saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rosphere.errors import InputError
from rosphere.text import mixture, ngrams
from rosphere.text.mixture import Mixture

BEGIN, END, A, B, C, D = range(6)
PARTS = [
    ngrams.fit(text, order=order, vocabulary=6, begin=BEGIN, end=END)
    for text, order in (([[A, B], [A, C]], 2), ([[B, D, A], [C]], 3))
]
MIXED = Mixture(parts=PARTS, shares=[0.25, 0.75])


def test_probabilities_are_weighted_sums() -> None:
    one, other = (part.distribution([A]) for part in PARTS)
    assert MIXED.distribution([A]) == pytest.approx(0.25 * one + 0.75 * other)
    assert MIXED.distribution([A]).sum() == pytest.approx(1, abs=1e-6)
    assert np.exp(MIXED.log_probabilities([[A, D]])[0][1]) == pytest.approx(MIXED.distribution([A])[D])
    assert MIXED.unigrams() == pytest.approx(0.25 * PARTS[0].unigrams() + 0.75 * PARTS[1].unigrams())


def test_followers_are_those_of_any_part() -> None:
    assert MIXED.followers([A], 1).tolist() == [END, B, C]
    assert MIXED.followers([D, B], 2).tolist() == []


def test_a_saved_mixture_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    mixture.save(MIXED, path)
    again, first = mixture.load(path), path.read_bytes()
    assert (again.vocabulary, again.end, again.shares) == (6, END, [0.25, 0.75])
    assert [part.order for part in again.parts] == [2, 3]
    for written in ([], [A], [B, D]):
        assert np.array_equal(again.distribution(written), MIXED.distribution(written))
    mixture.save(again, path)
    assert path.read_bytes() == first


def test_refuses_another_file(tmp_path: Path) -> None:
    (tmp_path / "n.safetensors").write_bytes(b"{}")
    for name in ("n.safetensors", "none.safetensors"):
        with pytest.raises(InputError, match=f"{name}: expected counted n-grams"):
            mixture.load(tmp_path / name)
