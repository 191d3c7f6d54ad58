"""Factors on markets: which shocks live, how they and facts multiply, whatever order they come in.
Lives here: arithmetic of factors. Not here: what they do to prices (test_learning)."""

import itertools

from tests.unit.economy.towns import HOUR_US, town
from worldtick.economy.factors import (
    DEMAND,
    EVERY,
    FACTOR_MAX_PPM,
    SUPPLY,
    WHOLE_PPM,
    Facts,
    Shock,
    factors_of,
    live_shocks,
    shock_at,
)
from worldtick.economy.scenario import EconomyScenario

PLAN = EconomyScenario.model_validate(
    town(districts={"Moor": {"baker": 1, "salter": 1, "weaver": 1}, "Quay": {"baker": 1, "salter": 1, "weaver": 1}})
).plan
BREAD = PLAN.commodities.index("Bread")
QUAY = PLAN.districts.index("Quay")


def _demand(facts: Facts, *shocks: Shock) -> dict[str, int]:
    """Market -> demand factor, where it is not 1."""
    _, demand = factors_of(PLAN, shocks, facts, 0, HOUR_US)
    return {name: ppm for name, ppm in zip(PLAN.market_ids, demand.tolist(), strict=True) if ppm != WHOLE_PPM}


def test_without_anything_all_is_as_it_was() -> None:
    supply, demand = factors_of(PLAN, (), {}, 0, HOUR_US)
    assert supply.tolist() == demand.tolist() == [WHOLE_PPM] * PLAN.markets


def test_facts_of_all_services_multiply_in_any_order() -> None:
    said = [
        ("crowd", 0, {"Quay/Bread/crowd": 1_500_001, "Moor/Salt/crowd": 333_333}),
        ("npc", 0, {"Quay/Bread/npc": 1_999_999}),
        ("npc", 1, {"Quay/Bread/npc/north": 700_003, "Quay/Ale/npc": 5, "Bread": 5, "Quay/Bread": WHOLE_PPM}),
    ]
    found = []
    for order in itertools.permutations(said):
        facts: dict[str, dict[int, dict[str, int]]] = {}
        for service, slice_no, values in order:
            facts.setdefault(service, {})[slice_no] = values
        found.append(_demand(facts))
    exact = 1_500_001 * 1_999_999 * 700_003 // WHOLE_PPM**2
    assert found == [{"Quay/Bread": exact, "Moor/Salt": 333_333}] * 6


def test_products_are_clamped() -> None:
    assert _demand({"crowd": {0: {"Quay/Bread/a": 9_000_000, "Quay/Bread/b": 9_000_000}}}) == {
        "Quay/Bread": FACTOR_MAX_PPM
    }
    assert _demand({"crowd": {0: {"Quay/Bread/a": -5, "Quay/Bread/b": 2 * WHOLE_PPM}}}) == {"Quay/Bread": 0}


def test_shocks_reach_the_markets_that_they_name() -> None:
    shocks = (
        Shock(DEMAND, EVERY, BREAD, 2_000_000, HOUR_US),
        Shock(DEMAND, QUAY, EVERY, 500_000, HOUR_US),
        Shock(SUPPLY, EVERY, EVERY, 100_000, HOUR_US),
    )
    assert _demand({}, *shocks) == {"Moor/Bread": 2_000_000, "Quay/Cloth": 500_000, "Quay/Salt": 500_000}
    supply, _ = factors_of(PLAN, shocks, {}, 0, HOUR_US)
    assert supply.tolist() == [100_000] * PLAN.markets


def test_a_shock_counts_for_the_share_of_the_tick_that_it_lasts() -> None:
    six_hours = Shock(DEMAND, QUAY, BREAD, 2_000_000, 6 * HOUR_US)
    _, day = factors_of(PLAN, (six_hours,), {}, 0, 24 * HOUR_US)
    assert day[PLAN.market_numbers["Quay/Bread"]] == 1_250_000
    _, after = factors_of(PLAN, (six_hours,), {}, 6 * HOUR_US, 7 * HOUR_US)
    assert after[PLAN.market_numbers["Quay/Bread"]] == WHOLE_PPM


def test_a_later_shock_on_the_same_target_replaces_the_earlier() -> None:
    old = (Shock(SUPPLY, EVERY, EVERY, 5, 9), Shock(DEMAND, 0, 0, 1, 5))
    alive = live_shocks(old, [Shock(DEMAND, 0, 0, 2, 3), Shock(DEMAND, 0, EVERY, 7, 8)])
    assert alive == (Shock(SUPPLY, EVERY, EVERY, 5, 9), Shock(DEMAND, 0, EVERY, 7, 8), Shock(DEMAND, 0, 0, 2, 3))
    assert live_shocks(alive, []) == alive
    places = 2 * (len(PLAN.districts) + 1) * (len(PLAN.commodities) + 1)
    for number in range(1_000):
        district, commodity = number % 3 - 1, number // 3 % 4 - 1
        alive = live_shocks(alive, [Shock(number // 12 % 2, district, commodity, number, number)])
    assert len(alive) == places, "bounded by what there is to shock"


def test_names_become_places() -> None:
    assert shock_at(PLAN, SUPPLY, "*", "Bread", 1, 2) == Shock(SUPPLY, EVERY, BREAD, 1, 2)
    assert shock_at(PLAN, SUPPLY, "Quay", "*", 1, 2) == Shock(SUPPLY, QUAY, EVERY, 1, 2)
    assert shock_at(PLAN, SUPPLY, "Quay", "Gold", 1, 2) is None
