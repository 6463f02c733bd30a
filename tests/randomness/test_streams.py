"""Streams do not meet: other numbers for another stream, seed or step, and the same ones again."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from rosphere.randomness.streams import Stream, generator

ROOT = Path(__file__).resolve().parents[2]


def test_a_stream_is_a_function_of_its_arguments_alone() -> None:
    drawn = {
        (seed, stream, step): generator(seed, stream, step).integers(2**62, size=4).tobytes()
        for seed in (0, 1)
        for stream in Stream
        for step in (0, 1)
    }
    assert len(set(drawn.values())) == len(drawn)
    assert generator(1, Stream.PAIRS, 1).integers(2**62, size=4).tobytes() == drawn[1, Stream.PAIRS, 1]
    np.testing.assert_array_equal(  # as it is written, so that runs of earlier versions can be repeated
        generator(8, Stream.MASKING, 3).random(5), np.random.default_rng([8, 3, 3]).random(5)
    )


def test_the_library_draws_from_named_streams_only() -> None:
    """A list of numbers as a seed stands in one place; else two of them would be the same one day, as once happened."""
    for path in sorted((ROOT / "rosphere").rglob("*.py")) + sorted((ROOT / "stages").glob("*.py")):
        if path == ROOT / "rosphere" / "randomness" / "streams.py":
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        named = {ast.unparse(call.func) for call in calls}
        assert "np.random.default_rng" not in named, path
