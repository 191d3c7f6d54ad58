"""Options of the simulation's tests.
Lives here: which single schedule to run. Not here: how many run otherwise (test_simulation)."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """--sim-seed N runs the schedule N alone, with its trace if it breaks a promise."""
    parser.addoption("--sim-seed", type=int, default=None, help="run this one schedule of the simulation alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --sim-seed only that schedule's test is left."""
    if config.getoption("--sim-seed", default=None) is None:
        return
    items[:] = [item for item in items if item.name == "test_one_schedule"]
