"""Each deliberate bug in control is found within a bounded number of schedules; so the promises can tell.
Lives here: the bound. Not here: the bugs (mutants), what finds them (promises, effects)."""

import pytest

from tests.simulation.commands.database import SimPool
from tests.simulation.commands.mutants import MUTANTS
from tests.simulation.commands.run import Mutant, simulate

pytestmark = pytest.mark.postgres

SEEDS_MAX = 150


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_is_found(mutant: Mutant, sim_pool: SimPool) -> None:
    for seed in range(SEEDS_MAX):
        try:
            simulate(sim_pool, seed, mutant)
        except AssertionError:
            return
    pytest.fail(f"{mutant.name} (without: {mutant.says}) was not found in {SEEDS_MAX} schedules")


def test_there_are_enough_of_them() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
