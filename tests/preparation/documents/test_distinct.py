"""First occurrences, against a set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosphere.preparation.documents import distinct
from rosphere.preparation.documents.screening import NAME

NAMES = st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=8)


def named(numbers: list[int]) -> np.ndarray:
    """Names that begin and end alike, with zeros, as fingerprints may."""
    raw = b"".join(bytes([n % 3, 0, 0, n % 2, 0, 0, 0, n, 0, 0, 0, 0]) for n in numbers)
    return np.frombuffer(raw, dtype=NAME)


@pytest.mark.parametrize("bucket", [1 << 20, 4])
@given(parts=NAMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_against_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: int, parts: list[list[int]]) -> None:
    monkeypatch.setattr(distinct, "BUCKET", bucket)
    seen: set[int] = set()
    expected = [not (n in seen or seen.add(n)) for part in parts for n in part]  # type: ignore[func-returns-value]
    found = distinct.first(map(named, parts), len(expected), tmp_path / "names")
    assert found.tolist() == expected
    assert not list(tmp_path.rglob("*.names")), "nothing is left on the disk"


def test_a_million_in_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "BUCKET", 1 << 16)
    numbers = np.random.default_rng(0).integers(0, 300_000, 1_000_000)
    raw = np.zeros((len(numbers), 3), dtype="<u4")
    raw[:, 0], raw[:, 2] = numbers * 2654435761 % 2**32, numbers
    names = np.frombuffer(raw.tobytes(), dtype=NAME)
    found = distinct.first(np.array_split(names, 7), len(names), tmp_path / "names")
    expected = np.zeros(len(numbers), dtype=bool)
    expected[np.unique(numbers, return_index=True)[1]] = True
    assert (found == expected).all()
