"""The compiled hour equals the same hour in plain Python, number for number.
Lives here: that comparison over weeks. Not here: the plain market, which is a benchmark's rival (benchmarks/peers)."""

import pytest

from benchmarks.economy_step import assert_same, draws_of, plain_of
from tests.unit.economy.towns import hour, shipped
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import SERVICE


@pytest.mark.parametrize(("seed", "crowd", "days"), [(0, 1, 15), (1, 1, 15), (2, 1, 15), (3, 3, 4)])
def test_two_weeks_are_the_same_in_plain_python(seed: int, crowd: int, days: int) -> None:
    """Both are written by the rules of docs/ECONOMY.md and share no code. 300 people are more than a tile."""
    section = shipped("night_city").model_dump()
    people = section["districts"]["Watson"]
    section["districts"] = {"Watson": {trade: crowd * count for trade, count in people.items()}}
    market = SERVICE.genesis(EconomyScenario.model_validate(section), seed, 0)
    plain = plain_of(market)
    for seq in range(1, days * 24):
        plain.live(seq, draws_of(market, seed, seq))
        step = SERVICE.step(market, hour(seq, seed))
        market = step.state
        assert_same(plain, step)
