"""Where prices go: to the analytic equilibrium, after shocks and facts, and on for months without dying.
Lives here: markets of learning people over many hours. Not here: one hour's rules (test_households)."""

from typing import Any

import numpy as np
import pytest

from tests.unit.economy.towns import Real, directive, equilibria, live, prices, said, shipped, town
from worldtick.economy.equilibrium import equilibrium
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import SERVICE

SEEDS = range(8)


def _rebased(section: EconomyScenario, factor: float) -> EconomyScenario:
    """The same economy whose people begin with other ideas of prices."""
    document = section.model_dump()
    document["commodities"] = {name: max(2, int(price * factor)) for name, price in section.commodities.items()}
    return EconomyScenario.model_validate(document)


def _off(found: Real, expected: Real) -> float:
    return float(np.abs(found / expected - 1).max())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["night_city", "tiny"])
def test_mean_prices_of_hours_100_to_200_are_the_equilibrium(name: str, seed: int) -> None:
    section = shipped(name)
    mean = prices(live(section, 200, seed))[100:].mean(axis=0)
    assert _off(mean, equilibria(section)) < 0.10


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_people_who_begin_with_wrong_ideas_learn(factor: float) -> None:
    section = _rebased(shipped("tiny"), factor)
    mean = np.mean([prices(live(section, 200, seed))[100:].mean(axis=0) for seed in SEEDS], axis=0)
    assert _off(mean, equilibria(section)) < 0.10
    market = live(section, 200)[-1].state
    middle = (market.low.astype(np.int64) + market.high) / 2
    begun = SERVICE.genesis(section, 1, 0)
    before = (begun.low.astype(np.int64) + begun.high) / 2
    assert _off(middle.mean(axis=0), equilibria(section)) < 0.15 < _off(before.mean(axis=0), equilibria(section))


def test_prices_follow_a_supply_shock_and_come_back() -> None:
    section = shipped("night_city")
    foods = [number for number, name in enumerate(section.plan.market_ids) if name.endswith("/Food")]
    halved = np.array([0.5 if name == "Food" else 1.0 for name in section.plan.commodities])
    shock = directive("supply_shock", commodity="Food", ppm=500_000, hours=200)
    found = prices(live(section, 600, 2, more=lambda seq: shock if seq == 200 else {}))
    calm = prices(live(section, 250, 2))
    assert np.array_equal(found[:199], calm[:199])
    before, after = equilibria(section)[foods], equilibria(section, supply=halved)[foods]
    assert (after / before).min() > 3
    assert (found[209, foods] > calm[209, foods] * 1.15).all(), "within ten hours"
    assert _off(found[300:400][:, foods].mean(axis=0), after) < 0.10
    assert _off(found[500:600][:, foods].mean(axis=0), before) < 0.10


def test_a_demand_fact_moves_food_only_from_the_tick_that_carries_it() -> None:
    """Two worlds of one seed, one with a signal: byte for byte the same before it, dearer food from it on."""
    section = shipped("night_city")
    signal: dict[str, Any] = {"facts": {"demand_ppm": {"society": {0: {"Watson/Food/crowd": 1_500_000}}}}}
    calm = live(section, 300)
    moved = live(section, 300, more=lambda seq: signal if seq >= 100 else {})
    assert SERVICE.encode(moved[98].state) == SERVICE.encode(calm[98].state)
    assert SERVICE.encode(moved[99].state) != SERVICE.encode(calm[99].state)
    numbers = section.plan.market_numbers
    food = numbers["Watson/Food"]
    dearer = prices(moved)[:, food] / prices(calm)[:, food]
    assert (dearer[:99] == 1).all()
    assert dearer[99:105].mean() > 1.02
    assert (dearer[110:] > 1.2).all()
    wish = np.array([1.5 if name == "Food" else 1.0 for name in section.plan.commodities])
    expected = equilibrium(section.plan, section.plan.districts.index("Watson"), demand=wish)
    assert prices(moved)[200:, food].mean() == pytest.approx(expected[section.plan.commodities.index("Food")], rel=0.12)
    elsewhere = [number for name, number in numbers.items() if not name.startswith("Watson/")]
    assert np.array_equal(prices(moved)[:, elsewhere], prices(calm)[:, elsewhere])


def test_a_demand_shift_is_a_fact_for_some_hours() -> None:
    section = shipped("tiny")
    food = section.plan.market_numbers["Clearing/Food"]
    shift = directive("demand_shift", district="Clearing", commodity="Food", ppm=1_500_000, hours=100)
    calm, moved = prices(live(section, 500)), prices(live(section, 500, more=lambda seq: shift if seq == 100 else {}))
    assert np.array_equal(calm[:99], moved[:99])
    assert moved[150:200, food].mean() > calm[150:200, food].mean() * 1.25
    assert moved[400:, food].mean() == pytest.approx(calm[400:, food].mean(), rel=0.10)


@pytest.mark.parametrize("name", ["night_city", "tiny"])
def test_an_economy_lives_on(name: str) -> None:
    """2000 hours: nobody is ruined, every market trades, prices stay near where they belong."""
    section = shipped(name)
    steps = live(section, 2000, seed=5)
    share = prices(steps)[100:] / equilibria(section)
    assert share.min() > 0.7
    assert share.max() < 1.35
    volume = said(steps, "volume")[-200:]
    assert (volume.sum(axis=0) > 0).all()
    assert (volume > 0).mean() > 0.95
    assert steps[-1].state.money.min() > section.households.money_ticks // 3


def test_an_economy_that_begins_badly_mends_itself() -> None:
    """Three quarters are smiths, and there is hardly any metal: they find other work, and all markets live again."""
    section = shipped("night_city").model_dump()
    section["districts"] = {"Forge": {"farmer": 5, "woodcutter": 5, "miner": 5, "smith": 75, "prospector": 10}}
    bad = EconomyScenario.model_validate(section)
    steps = live(bad, 1500)
    trades = np.bincount(steps[-1].state.trade, minlength=len(bad.plan.trades))
    assert trades.min() >= 1
    assert trades.max() < 40
    assert steps[-1].state.money.min() > 0
    volume = said(steps, "volume")
    assert (volume[-100:].mean(axis=0) > 2 * volume[:100].mean(axis=0)).sum() >= 3
    assert prices(steps)[-500:].std(axis=0).max() < 0.5 * prices(steps)[-500:].mean(axis=0).max()


def test_the_equilibrium_says_where_there_is_none() -> None:
    section = EconomyScenario.model_validate(town())
    no_salt = np.array([0.2 if name == "Salt" else 1.0 for name in section.plan.commodities])
    with pytest.raises(ValueError, match="Quay: trades use up all Salt"):
        equilibrium(section.plan, supply=no_salt)
    section = shipped("night_city")
    plenty = np.array([1.5 if name == "Food" else 1.0 for name in section.plan.commodities])
    with pytest.raises(ValueError, match="farmer, smith would earn less than their inputs cost"):
        equilibrium(section.plan, supply=plenty)


def test_the_equilibrium_balances_goods_and_money() -> None:
    """By hand for two trades without inputs: each lives off the other's spending."""
    section = shipped("tiny")
    price = dict(zip(section.plan.commodities, equilibrium(section.plan), strict=True))
    money_in_all = 20 * 100_000
    # 10 farmers, 2 Food an hour less 0.9 eaten; they spend 3000 ppm on Wood. 10 woodcutters, 1 less 0.4; 4000 on Food.
    farmers = money_in_all * 4 / 7
    assert price["Wood"] == pytest.approx(farmers * 0.003 / 6)
    assert price["Food"] == pytest.approx((money_in_all - farmers) * 0.004 / 11)
