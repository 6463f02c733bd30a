"""Sizes by name: the dimension rule, the activation, a name that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.run import settings as config
from rosphere.dimension.sizes import Size, encoder_config, rule
from rosphere.errors import InputError

SIZES = """
sizes:
  plain: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, embedding_size: rule}
  smooth: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, embedding_size: 24,
           hidden_act: "smooth_relu_gaussian:0.5"}
"""


@pytest.fixture
def sizes(tmp_path: Path) -> dict[str, Size]:
    path = tmp_path / "params.yaml"
    path.write_text(SIZES, encoding="utf-8")
    return config.load(path, "sizes", dict[str, Size])


def test_the_activation_and_the_rule_reach_the_encoder(sizes: dict[str, Size]) -> None:
    plain, smooth = (encoder_config(sizes, name, vocabulary=5000, dropout=0.1) for name in ("plain", "smooth"))
    assert (plain.hidden_act, smooth.hidden_act) == ("gelu", "smooth_relu_gaussian:0.5")
    assert (plain.embedding_size, smooth.embedding_size) == (rule(5000), 24) == (72, 24)


def test_refuses_a_size_that_is_not_there(sizes: dict[str, Size]) -> None:
    with pytest.raises(InputError, match="sizes: no size is called 'large'; there are plain, smooth"):
        encoder_config(sizes, "large", vocabulary=5000, dropout=0.1)
