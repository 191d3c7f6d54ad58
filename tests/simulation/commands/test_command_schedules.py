"""Hundreds of seeded schedules of commands, with control's own code on a real PostgreSQL: every promise holds in each.
Lives here: how many schedules, how a failed one is told. Not here: schedules (house), promises, mutants."""

from contextlib import suppress

import pytest

from tests.simulation.commands.database import SimPool
from tests.simulation.commands.plan import crowded, forced, interleaved, unlucky
from tests.simulation.commands.run import SOUND, Mutant, simulate

pytestmark = pytest.mark.postgres

SCHEDULES, FEWER = 120, 15  # in every test run: as they are drawn, and under each of the other circumstances
SOAK_FIRST, SOAK_SCHEDULES, SOAK_FEWER = 1_000_000, 3_000, 300
TRACE_LINES_MAX = 120
CIRCUMSTANCES = (
    SOUND,
    *(Mutant(given.__name__, SOUND.says, circumstances=given) for given in (crowded, interleaved, forced, unlucky)),
)


def told(pool: SimPool, seed: int, broken: BaseException, mutant: Mutant) -> str:
    """What a failed schedule says: the promise, how to replay it, the end of its trace."""
    trace: list[str] = []
    with suppress(Exception):
        simulate(pool, seed, mutant, trace)
    return (
        f"schedule {seed} ({mutant.name}): {type(broken).__name__}: {broken}\n"
        f"replay it: pytest tests/simulation/commands --sim-seed {seed}\n" + "\n".join(trace[-TRACE_LINES_MAX:])
    )


def run_all(pool: SimPool, seeds: range, given: Mutant) -> None:
    """Each of them; the first that breaks a promise is told."""
    for seed in seeds:
        try:
            simulate(pool, seed, given)
        except Exception as broken:  # noqa: BLE001 - whatever it is, the seed must be known
            pytest.fail(told(pool, seed, broken, given), pytrace=False)


@pytest.mark.parametrize("given", CIRCUMSTANCES, ids=lambda given: given.name)
def test_schedules(given: Mutant, sim_pool: SimPool) -> None:
    run_all(sim_pool, range(SCHEDULES if given is SOUND else FEWER), given)


def test_one_schedule(sim_pool: SimPool, request: pytest.FixtureRequest) -> None:
    seed = request.config.getoption("--sim-seed", default=None) or 0
    for given in CIRCUMSTANCES:
        run_all(sim_pool, range(seed, seed + 1), given)


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
@pytest.mark.parametrize("given", CIRCUMSTANCES, ids=lambda given: given.name)
def test_many_schedules(given: Mutant, sim_pool: SimPool) -> None:
    count = SOAK_SCHEDULES if given is SOUND else SOAK_FEWER
    run_all(sim_pool, range(SOAK_FIRST, SOAK_FIRST + count), given)
