"""What counts and source add to the model's share of the next token."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rosphere.similarity import guidance
from rosphere.similarity.guidance import Guide, following
from rosphere.text import ngrams
from rosphere.text.mixture import Mixture

BEGIN, END, A, B, C, D, E = range(7)
TEXT = [[A, B, C], [A, C, B], [C, A, B, D]]
COUNTS = Mixture(parts=[ngrams.fit(TEXT, order=3, vocabulary=7, begin=BEGIN, end=END)], shares=[1.0])


def test_what_follows_in_the_source() -> None:
    assert following([A, B, A, C], [D, A]) == {B, C}
    assert following([A, B], []) == following([A, B], [B]) == set()


def test_only_pairs_of_the_text_or_of_the_source_are_left() -> None:
    """After a come b and c in the text; e follows it in the source. The end may always come."""
    added = Guide(COUNTS, [[A, E]]).added([A, E], [A])
    assert set(np.flatnonzero(np.isfinite(added))) == {B, C, E, END}
    assert set(np.flatnonzero(np.isfinite(Guide(COUNTS, []).added([D], [])))) == {A, C, END}


def test_the_source_lifts_what_is_due_and_lowers_what_was_written() -> None:
    """Source a b c, written a: b follows there, c is due. Written a b a: b is neither."""
    guide, plain = Guide(COUNTS, []), guidance.COUNTS * np.log(COUNTS.distribution([A]))
    added = guide.added([A, B, C], [A])
    assert added[B] == pytest.approx(plain[B] + guidance.COPY + guidance.AHEAD)
    assert added[C] == pytest.approx(plain[C] + guidance.COPY)
    assert added[END] == pytest.approx(plain[END])
    again = guide.added([A, B, C], [A, B, A])
    assert again[B] == pytest.approx(guidance.COUNTS * np.log(COUNTS.distribution([A, B, A])[B]) - guidance.REPEAT)


def test_rows_are_weighed_apart() -> None:
    """Each by its own source and tokens, and the model's share by its own logits; what is banned stays so."""
    logits = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    logits[:, BEGIN] = -torch.inf
    guide = Guide(COUNTS, [[A, B], [C], [B, B]])
    written = [[A], [], [C, A]]
    whole = guide(logits, [0, 1, 2], written)
    for row in range(3):
        assert torch.equal(guide(logits[row : row + 1], [row], written)[0], whole[row])
    assert torch.isneginf(whole[:, BEGIN]).all() and torch.isfinite(whole[:, END]).all()
    model = guidance.MODEL * logits.log_softmax(-1)[1]
    torch.testing.assert_close(whole[1], model + torch.from_numpy(guide.added([C], [])))
