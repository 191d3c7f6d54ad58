"""The loop: scarce food grows dear, the crowd wants more and grows angry, factions fall out, and it passes.
Lives here: markets, crowd and diplomacy side by side in memory. Not here: any of them alone, the real parts
(tests/integration)."""

import pytest

from tests.unit.society.city_life import City, dread, scarce
from worldtick.contracts.sealed import Directive

SHOCK_FROM, SHOCK_DAYS, AFTER_DAYS = 40, 15, 45


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_dread_makes_food_dearer_from_the_next_day_on_and_changes_nothing_before(seed: int) -> None:
    calm, afraid = City(seed), City(seed)
    for city, told in ((calm, ()), (afraid, (dread("Harbor", 20),))):
        city.live(20)
        city.live(1, *told)
        city.live(1)
    assert calm.digests[:20] == afraid.digests[:20]
    assert calm.digests[20][0] == afraid.digests[20][0], "the markets of that day had heard nothing yet"
    prices = [city.facts["prices"]["economy"][0]["Harbor/Food"] for city in (calm, afraid)]
    assert prices[1] > prices[0]
    rising = [day for day, data in afraid.signals() if data["signal_type"] == "food_demand_rising"]
    assert 21 in rising or 22 in rising


def _lived(seed: int, *told: Directive) -> City:
    city = City(seed)
    city.live(SHOCK_FROM)
    city.live(SHOCK_DAYS, *told)
    city.live(AFTER_DAYS)
    return city


def _mean(series: list[float], first: int, last: int) -> float:
    return sum(series[first:last]) / (last - first)


@pytest.mark.parametrize("seed", [2, 3])
def test_a_cut_of_food_goes_round_through_prices_people_and_factions_and_passes(seed: int) -> None:
    calm, hungry = _lived(seed), _lived(seed, scarce(24 * SHOCK_DAYS))
    assert calm.digests[:SHOCK_FROM] == hungry.digests[:SHOCK_FROM]
    shock = SHOCK_FROM + 2, SHOCK_FROM + SHOCK_DAYS
    end = SHOCK_FROM + SHOCK_DAYS + AFTER_DAYS
    for name, times in (("price", 2), ("unrest_ppm", 4)):
        usual, high = getattr(calm, name), getattr(hungry, name)
        assert _mean(high, *shock) > times * _mean(usual, *shock), name
        assert _mean(high, end - 15, end) < 2 * _mean(usual, end - 15, end), f"{name} stays high"
    assert _mean(hungry.score, *shock) < _mean(calm.score, *shock) - 10, "factions fall out"
    assert _mean(hungry.score, end - 5, end) > _mean(hungry.score, *shock) + 10, "and make up"
    told = [data["signal_type"] for day, data in hungry.signals() if SHOCK_FROM < day <= SHOCK_FROM + 4]
    assert "unrest" in told
    wanted = {
        event.data["origin"] for day, event in hungry.events if event.type == "demand_signal" and day > SHOCK_FROM
    }
    assert wanted == {"crowd"}
    assert "scarcity" in _reasons(hungry) - _reasons(calm)


def _reasons(city: City) -> set[str]:
    """Why relations changed in the days of the shock."""
    days = range(SHOCK_FROM + 1, SHOCK_FROM + SHOCK_DAYS + 1)
    return {event.data["reason"] for day, event in city.events if event.type == "diplomacy_update" and day in days}


def test_markets_that_hear_the_crowd_are_lively_and_not_wild() -> None:
    """The crowd's demand goes round through prices: the loop must not drive itself up."""
    city = City(4)
    city.live(90)
    settled = city.price[30:]
    mean = sum(settled) / len(settled)
    assert all(mean / 2 < price < 2 * mean for price in settled)
    assert 950_000 < sum(city.demand_ppm[30:]) / 60 < 1_050_000
