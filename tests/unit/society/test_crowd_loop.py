"""The crowd and the markets: what people want moves prices, and prices move people.
Lives here: both side by side in memory. Not here: either alone, diplomacy, the real parts (tests/integration)."""

import pytest

from tests.unit.society.crowd_markets import City, dread, scarce

SHOCK_FROM, SHOCK_DAYS = 40, 15


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
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


def test_scarce_food_grows_dear_people_grow_angry_and_both_pass() -> None:
    city = City(3)
    city.live(SHOCK_FROM)
    city.live(SHOCK_DAYS, scarce(24 * SHOCK_DAYS))
    city.live(45)
    calm, during, after = (
        slice(SHOCK_FROM - 20, SHOCK_FROM),
        slice(SHOCK_FROM + 2, SHOCK_FROM + SHOCK_DAYS),
        slice(-15, None),
    )
    for series, times in ((city.price, 2), (city.unrest_ppm, 3)):
        usual, high, again = (sum(series[days]) / len(series[days]) for days in (calm, during, after))
        assert high > times * usual
        assert again < high / 2
    told = [(day - SHOCK_FROM, event.data["signal_type"]) for day, event in city.signals if day > SHOCK_FROM]
    assert ("unrest" in [name for day, name in told if day <= 3]) is True
    assert {"food_demand_rising", "food_demand_falling"} & {name for day, name in told if day <= SHOCK_DAYS + 5}


def test_markets_that_hear_the_crowd_are_lively_and_not_wild() -> None:
    """The crowd's demand goes round through prices: the loop must not drive itself up."""
    city = City(4)
    city.live(90)
    settled = city.price[30:]
    mean = sum(settled) / len(settled)
    assert all(mean / 2 < price < 2 * mean for price in settled)
    assert 950_000 < sum(city.demand_ppm[30:]) / 60 < 1_050_000
