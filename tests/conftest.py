"""For all tests."""

import pytest
from hypothesis import settings

# How long an example takes says something about the machine's load, not about the code.
settings.register_profile("rosphere", deadline=None)
settings.load_profile("rosphere")

# Tests that start a Prefect server, a whole flow or the real graph: `make quick` leaves them out. Other files that do
# such things say so themselves (pytestmark).
STARTING = {"prefect_server", "served_toy", "kept_toy"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if STARTING & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
