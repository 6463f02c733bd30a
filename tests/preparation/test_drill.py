"""Mutated files through the reading of pairs, texts, answers and graded sets: no traceback but our own error, and every
row read is kept or dropped for a named reason."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.preparation import graded, labelled, local
from rosphere.preparation.components import Components
from rosphere.preparation.records import SUFFIXES

ODD = [
    "",
    " ",
    "1",
    "1.0",
    "nan",
    "1e999",
    "⽣",
    "[MASK]",
    "\ud800",
    "\ufeff",
    "\x00",
    "😀",
    "C++",
    '"',
    "sentence1",
    "label",
]
TEXT = st.one_of(st.sampled_from(ODD), st.text(max_size=6))
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)
KEY = st.sampled_from(
    ["sentence1", "sentence2", "query", "title", "label", "score", "text", "synonyms", "question", "answers", "id"]
)
OBJECT = st.dictionaries(KEY, VALUE, max_size=4) | st.fixed_dictionaries(
    {"sentence1": TEXT, "sentence2": TEXT}, optional={"label": VALUE, "score": VALUE}
)
JSON = st.lists(OBJECT, max_size=4).flatmap(
    lambda rows: st.sampled_from([json.dumps(rows), "\n".join(map(json.dumps, rows)), "".join(map(json.dumps, rows))])
)
FIELDS = st.lists(st.lists(TEXT, min_size=1, max_size=5), max_size=4).flatmap(
    lambda rows: st.sampled_from(["\n".join(mark.join(row) for row in rows) for mark in ("\t", ",", "||")])
)
RAW = st.one_of(JSON, FIELDS).map(lambda text: text.encode("utf-8", "surrogatepass"))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A file with some bytes struck out, doubled or put in."""
    raw = draw(st.one_of(RAW, st.binary(max_size=40)))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(raw)))
        raw = (
            raw[:place]
            + draw(st.sampled_from([b"", b"\t", b"\n", b'"', b"[", b"{", b"\xff", raw[:4]]))
            + raw[place + 1 :]
        )
    return raw


def drill(folder: Path, raw: bytes, suffix: str, positive_from: float | None) -> None:
    path = folder / f"dev{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(InputError):
        found = labelled.read(path, positive_from=positive_from)
        dropped = sum(count for name, count in found.counts.items() if name.startswith("dropped_"))
        assert found.counts["read"] == found.counts["kept"] + dropped
        assert found.counts["kept"] == len(found.groups) + len(found.negatives)
        list((connected := Components(found.groups)).apart(found.negatives))
        lost = sum(
            n for name, n in connected.counts.items() if name.startswith("groups_dropped") or name == "groups_merged"
        )
        assert connected.counts["groups_read"] == connected.counts["groups_kept"] + lost
    with contextlib.suppress(InputError):
        made = graded.read_set("set", path)
        assert made.counts["read"] == len(made.rows) + made.counts["dropped_unlabelled"]
    for read in (local.read_documents, local.read_answers):
        with contextlib.suppress(InputError):
            list(read(path))


INPUTS = (mutated(), st.sampled_from(SUFFIXES), st.sampled_from([None, 0.5, 4.0]))


@given(*INPUTS)
@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutated_files_are_read_or_refused(
    tmp_path: Path, raw: bytes, suffix: str, positive_from: float | None
) -> None:
    drill(tmp_path, raw, suffix, positive_from)


@pytest.mark.slow
@given(*INPUTS)
@settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_mutated_files_are_read_or_refused(
    tmp_path: Path, raw: bytes, suffix: str, positive_from: float | None
) -> None:
    drill(tmp_path, raw, suffix, positive_from)
