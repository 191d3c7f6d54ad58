"""Hundreds of seeded schedules of commands, with control's own code on a real PostgreSQL: every promise holds in each.
Lives here: how many schedules, how a failed one is told. Not here: schedules (house), promises, mutants."""

from contextlib import suppress

import pytest

from tests.simulation.commands.database import SimPool
from tests.simulation.commands.run import SOUND, Mutant, simulate

pytestmark = pytest.mark.postgres

SCHEDULES = 160  # in every test run
SOAK_FIRST, SOAK_SCHEDULES = 1_000_000, 3_000
TRACE_LINES_MAX = 120


def told(pool: SimPool, seed: int, broken: BaseException, mutant: Mutant) -> str:
    """What a failed schedule says: the promise, how to replay it, the end of its trace."""
    trace: list[str] = []
    with suppress(Exception):
        simulate(pool, seed, mutant, trace)
    return (
        f"schedule {seed}: {type(broken).__name__}: {broken}\n"
        f"replay it: pytest tests/simulation/commands --sim-seed {seed}\n" + "\n".join(trace[-TRACE_LINES_MAX:])
    )


def run_all(pool: SimPool, seeds: range) -> None:
    """Each of them; the first that breaks a promise is told."""
    for seed in seeds:
        try:
            simulate(pool, seed)
        except Exception as broken:  # noqa: BLE001 - whatever it is, the seed must be known
            pytest.fail(told(pool, seed, broken, SOUND), pytrace=False)


def test_schedules(sim_pool: SimPool) -> None:
    run_all(sim_pool, range(SCHEDULES))


def test_one_schedule(sim_pool: SimPool, request: pytest.FixtureRequest) -> None:
    seed = request.config.getoption("--sim-seed", default=None) or 0
    run_all(sim_pool, range(seed, seed + 1))


def test_a_seed_is_one_history(sim_pool: SimPool) -> None:
    traces: list[list[str]] = [[], []]
    for trace in traces:
        for seed in (0, 3, 6, 10):
            simulate(sim_pool, seed, trace=trace)
    assert sum("held up" in line for line in traces[0]) > 5
    assert sum("killed" in line for line in traces[0]) > 5
    assert traces[0] == traces[1]


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_many_schedules(sim_pool: SimPool) -> None:
    run_all(sim_pool, range(SOAK_FIRST, SOAK_FIRST + SOAK_SCHEDULES))
