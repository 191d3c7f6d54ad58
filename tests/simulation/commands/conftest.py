"""The database of the schedules of commands.
Lives here: one for all of a test's, emptied by each. Not here: options (tests/simulation/conftest)."""

from collections.abc import Iterator

import pytest

from tests.simulation.commands.database import SimPool


@pytest.fixture
def sim_pool(postgres_url: str) -> Iterator[SimPool]:
    """The test's own database, over connections that break."""
    pool = SimPool(postgres_url)
    yield pool
    pool.close()
