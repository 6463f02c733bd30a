"""For all tests."""

import re
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says something about the machine's load, not about the code. `make quick` draws the same few
# examples every time, `make test` other ones and more.
settings.register_profile("rosphere", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20, derandomize=True)

# Tests that start a Prefect server, a whole flow or the real graph: `make quick` leaves them out. Other files that do
# such things say so themselves (pytestmark).
STARTING = {"prefect_server", "served_toy", "kept_toy"}
STARTING_FILE = re.compile(r"^pytestmark = (\[[^\]]*)?pytest\.mark\.integration\b", re.MULTILINE)


def without_integration(config: pytest.Config) -> bool:
    return "not integration" in config.option.markexpr


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("quick" if without_integration(config) else "rosphere")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files of which nothing is asked are not even imported: MLflow and Prefect take seconds in every process."""
    if collection_path.suffix == ".py" and without_integration(config):
        return STARTING_FILE.search(collection_path.read_text(encoding="utf-8")) is not None or None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if STARTING & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
