"""Models by name: folders first, the hub only for names that are none."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from rosphere.encoder import hub
from rosphere.errors import InputError


def test_a_folder_is_itself(tmp_path: Path) -> None:
    with patch("huggingface_hub.snapshot_download", side_effect=AssertionError("asked the hub")):
        assert hub.located(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("given", ["models/no/such", "nowhere"])
def test_what_can_be_neither_is_refused_without_asking(given: str) -> None:
    with patch("huggingface_hub.snapshot_download", side_effect=AssertionError("asked the hub")):
        with pytest.raises(InputError, match=f"{given}: no such folder, and not the name of a hub repository"):
            hub.located(given)


@pytest.mark.parametrize("published", ["model.safetensors", "pytorch_model.bin"])
def test_torch_files_are_asked_for_only_where_there_are_no_safetensors(tmp_path: Path, published: str) -> None:
    asked: list[list[str]] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        if Path(published).suffix == Path(allow_patterns[-1]).suffix:
            (tmp_path / published).touch()
        return str(tmp_path)

    with patch("huggingface_hub.snapshot_download", side_effect=download):
        assert hub.located("someone/small-bert") == tmp_path
    assert len(asked) == (1 if published == "model.safetensors" else 2)


def test_a_hub_that_does_not_answer_is_one_line() -> None:
    with patch("huggingface_hub.snapshot_download", side_effect=OSError("no route\nmore")):
        with pytest.raises(
            InputError, match="someone/small-bert: no such folder, and the hub did not give it: no route$"
        ):
            hub.located("someone/small-bert")
