"""A name that a person gave a flow run stays; one that Prefect made up gives way."""

from __future__ import annotations

import pytest
from prefect.utilities.names import generate_slug

from flows import naming, pipeline, sweep


def test_what_prefect_makes_up_is_known() -> None:
    assert all(naming.is_generated(generate_slug(2)) for _ in range(500))


@pytest.mark.parametrize("name", ["my-run", "kappa 50", "mole", "brawny-mole-2", "夜-跑", ""])
def test_what_a_person_calls_a_run_is_not_taken_for_it(name: str) -> None:
    assert not naming.is_generated(name)


def test_runs_keep_the_names_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.naming.runtime.flow_run", Run("with the new text", {}))
    assert (pipeline.title(), sweep.title()) == ("with the new text", "with the new text")
    given = {"name": None, "targets": ["pretrain"], "overrides": None}
    monkeypatch.setattr("flows.naming.runtime.flow_run", Run("brawny-mole", given))
    assert pipeline.title().startswith("pretrain ")
    monkeypatch.setattr("flows.naming.runtime.flow_run", Run("brawny-mole", {"name": "widths"}))
    assert sweep.title() == "widths"


def test_the_experiment_of_the_dashboard_never_runs_in_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.pipeline.runtime.deployment", Run("experiment", {}))
    state = pipeline.pipeline.fn(name="five")
    assert state.is_failed() and state.message.startswith("expected overrides")


class Run:
    """What Prefect tells a flow of its run."""

    def __init__(self, name: str, parameters: dict[str, object]) -> None:
        self.name, self.parameters = name, parameters
