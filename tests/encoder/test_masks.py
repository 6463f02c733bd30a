"""Attention masks, drawn."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rosphere.encoder import masks


def drawing(mask: Tensor) -> list[str]:
    """One text, a string per query: x where it sees the key."""
    assert mask.dtype == torch.bool and mask.shape[:2] == (1, 1)
    return ["".join("x" if seen else "." for seen in row) for row in mask[0, 0].tolist()]


def test_packed_documents_and_padding_see_themselves() -> None:
    assert drawing(masks.packed(torch.tensor([[1, 1, 2, 2, 2, 0]]))) == [
        "xx....",
        "xx....",
        "..xxx.",
        "..xxx.",
        "..xxx.",
        ".....x",
    ]


def test_padded_with_integers_and_booleans() -> None:
    expected = ["xx..", "xx..", "..xx", "..xx"]
    assert drawing(masks.padded(torch.tensor([[1, 1, 0, 0]]))) == expected
    assert drawing(masks.padded(torch.tensor([[True, True, False, False]]))) == expected


def test_seq2seq_the_source_sees_itself_the_target_its_past() -> None:
    segments, keep = torch.tensor([[0, 0, 0, 1, 1, 1]]), torch.tensor([[1, 1, 1, 1, 1, 0]])
    assert drawing(masks.seq2seq(segments, keep)) == [
        "xxx...",
        "xxx...",
        "xxx...",
        "xxxx..",
        "xxxxx.",
        ".....x",
    ]


def test_texts_of_a_batch_have_masks_of_their_own() -> None:
    both = masks.packed(torch.tensor([[1, 1, 0], [1, 2, 2]]))
    assert both.shape == (2, 1, 3, 3)
    assert drawing(both[:1]) == ["xx.", "xx.", "..x"]
    assert drawing(both[1:]) == ["x..", ".xx", ".xx"]


@given(source=st.integers(1, 6), target=st.integers(0, 6), padding=st.integers(0, 4))
def test_no_row_of_the_softmax_is_empty_and_no_text_sees_padding(source: int, target: int, padding: int) -> None:
    places = torch.arange(source + target + padding)[None]
    keep = places < source + target
    mask = masks.seq2seq((places >= source).long(), keep)[0, 0]
    assert mask.any(-1).all()
    assert not mask[: source + target, source + target :].any()
    assert not mask[source + target :, : source + target].any()


@given(
    lengths=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=4),
    room=st.integers(10, 12),
)
def test_the_last_token_sees_what_it_sees_in_a_full_pass(lengths: list[tuple[int, int]], room: int) -> None:
    """Padding on the left; (source, target) lengths. The last row of UniLM's mask, of each text."""
    places = torch.arange(room)[None]
    source, target = torch.tensor(lengths).T[:, :, None]
    keep, segments = places >= room - source - target, places >= room - target
    whole = masks.seq2seq(segments.long(), keep)
    for mask in (masks.last(keep), masks.last(keep.long())):
        assert mask.dtype == torch.bool
        assert torch.equal(mask, whole[:, :, -1:])
