"""Each deliberate bug is found within a bounded number of schedules; so the promises can tell.
Lives here: the bounds. Not here: the bugs (mutants), what finds them (promises)."""

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import Mutant, simulate

SEEDS_MAX = 1_500


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_is_found(mutant: Mutant) -> None:
    for seed in range(SEEDS_MAX):
        try:
            simulate(seed, mutant)
        except AssertionError:
            return
    pytest.fail(f"{mutant.name} ({mutant.says}) was not found in {SEEDS_MAX} schedules")


def test_there_are_enough_of_them() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
