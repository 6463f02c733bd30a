"""Every key is one that MLflow takes, and no two of ours become one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("mlflow")

from mlflow.utils.validation import (  # noqa: E402
    _validate_metric_name,
    _validate_param,
    _validate_param_name,
    _validate_tag,
)

from pipeline.tracking.mlflow.values import as_params, as_tags, key, stage_key, text  # noqa: E402
from pipeline.workspace import numbers  # noqa: E402

leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3)
names = st.text(max_size=4) | st.text("./ -:@", max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, leaves | st.dictionaries(names, leaves | st.lists(leaves, max_size=2)), max_size=4))
@example({"a/../b": 1.0, "": 2, "//": 3, "全 部": {"F1@10%": 0.5}, "长@" * 200: 1})
def test_every_name_is_made_acceptable_to_mlflow(values: dict[str, Any]) -> None:
    for name in numbers.flat(values):
        _validate_metric_name(key(name))
    for name, said in as_params(values).items():
        _validate_param_name(name)
        assert _validate_param(name, said).value == said  # MLflow had nothing to cut
    for name, said in as_tags({name: "v" * 9000 for name in numbers.flat(values)}).items():
        _validate_tag(name, said)


@given(st.lists(names | st.text("a@+(/.", min_size=1, max_size=4), unique=True, max_size=30))
@example(["F1@10%", "F1_10_", "F1+10%", "长" * 260, "长" * 261])
def test_two_names_stay_two(several: list[str]) -> None:
    assert len({key(name) for name in several}) == len(several)


@pytest.mark.parametrize("name", ["loss", "evaluate/c3/accuracy", "全 部/体育", "a.b-c_d: e", "dep.data/pairs"])
def test_what_mlflow_takes_stays_as_it_is(name: str) -> None:
    assert key(name) == name


def test_values_are_cut_with_a_mark() -> None:
    assert text("short", 10) == "short"
    assert text("x" * 10_000, 6000).endswith("x … (cut, 10000 characters)")
    assert len(text("x" * 10_000, 6000)) == 6000
    assert stage_key("evaluate@c3") == "evaluate/c3"
