"""A few hundred cases of the drill with every run, many of them under `slow`; 100,000 by `python -m tests.drill`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.drill import cases


def ends(seed: int, count: int) -> Counter[str]:
    found: Counter[str] = Counter()
    with cases.prepared() as place:
        for number in range(count):
            target, end = cases.run(place, seed, number)
            assert not end.startswith("finding"), f"seed {seed}, case {number}, {target}: {end}"
            found[f"{target} {end.partition(':')[0]}"] += 1
    return found


def test_spoilt_inputs_are_read_or_refused() -> None:
    found = ends(seed=1, count=200)
    assert found["file through"] == 185 and found.total() == 200
    assert {name.partition(" ")[0] for name in found} == {"file", "task", "workspace"}


@pytest.mark.slow
def test_many_spoilt_inputs_are_read_or_refused() -> None:
    found = ends(seed=2, count=10_000)
    assert min(found["workspace through"], found["workspace refused by the check"], found["task through"]) > 50, found
