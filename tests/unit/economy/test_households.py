"""One hour's rules: budgets and who waits, what people remember and believe, what they eat, change of trade.
Lives here: single rules of the step. Not here: where they lead over weeks (test_learning)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.economy.towns import hour, live, said, shipped, town
from worldtick.economy.hours import IDLE_HOURS_MAX
from worldtick.economy.households import HISTORY, NO_TRADE, Wishes, World, admit
from worldtick.economy.market import Market
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import MARKET_ORDERS, SERVICE

TOWN = EconomyScenario.model_validate(town())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65_535)), min_size=1, max_size=40), st.integers(0, 45))
def test_the_longest_waiting_wishes_get_the_places(wishes: list[tuple[int, int]], budget: int) -> None:
    """Of two commodities; ties go to the lowest person, then to the lowest commodity."""
    wishes += [(0, 9)] * (len(wishes) % 2)
    units, waited = (np.array(column).reshape(-1, 2) for column in zip(*wishes, strict=True))
    nothing = np.zeros(1, np.int64)
    pairs = np.zeros((2, 2), np.int32)
    beliefs = [nothing, nothing, *[pairs] * 5]
    waits = np.ascontiguousarray(waited.T.astype(np.uint16))
    world = World._make([*beliefs, waits, *[nothing] * 4])
    wanted = np.ascontiguousarray(units.T.astype(np.int32))
    found = Wishes(wanted, np.full_like(wanted, 7), np.ones_like(wanted), np.zeros_like(wanted))
    line = sorted((-int(waited[at]), at) for at in np.ndindex(units.shape) if units[at])
    expected = {at for _, at in line[:budget]}
    assert admit(world, np.int64(budget), found) == (len(expected), len(line) - len(expected))
    for at in np.ndindex(units.shape):
        assert found.units.T[at] == (units[at] if at in expected else 0)
        stays = units[at] > 0 and at not in expected
        assert waits.T[at] == (min(65_535, waited[at] + 1) if stays else 0)


@pytest.mark.parametrize("budget", [0, 1, 7])
def test_what_is_over_the_budget_waits_its_turn_and_no_longer(budget: int) -> None:
    state = SERVICE.genesis(TOWN, 2, 0)
    places = TOWN.plan.persons * len(TOWN.plan.commodities)
    for seq in range(1, 120):
        step = SERVICE.step(state, hour(seq, orders=budget))
        used, waiting = step.used[MARKET_ORDERS], (step.state.waited > 0).sum()
        assert used <= budget
        assert step.carried[MARKET_ORDERS] == waiting
        assert used == budget or not waiting
        assert sum(event.data.orders for event in step.events) == used
        assert step.state.waited.max() <= (places / budget + 1 if budget else seq)
        state = step.state
    assert state.waited.max() > 0


def test_a_budget_that_all_fit_in_changes_nothing() -> None:
    step = live(TOWN, 9)[-1]
    used = step.used[MARKET_ORDERS]
    state = live(TOWN, 8)[-1].state
    assert SERVICE.encode(SERVICE.step(state, hour(9, orders=used)).state) == SERVICE.encode(step.state)
    assert SERVICE.encode(SERVICE.step(state, hour(9, orders=used - 1)).state) != SERVICE.encode(step.state)


def test_history_is_ten_trades_and_the_newest() -> None:
    section = shipped("tiny")
    begun = SERVICE.genesis(section, 1, 0)
    assert (begun.past_commodity == NO_TRADE).all()
    steps = live(section, 48)
    market = steps[-1].state
    assert market.past_commodity.shape == (section.plan.persons, HISTORY) == (20, 10)
    assert (market.past_commodity != NO_TRADE).all(), "everybody traded at least ten times in two days"
    assert set(np.unique(market.past_price)) <= set(np.unique([step.state.price for step in steps]))


def test_beliefs_are_ranges_and_move() -> None:
    section = shipped("night_city")
    begun = SERVICE.genesis(section, 1, 0)
    market = live(section, 48)[-1].state
    assert (market.low < market.high).all()
    assert (begun.low < begun.high).all()
    assert (market.low != begun.low).mean() > 0.9
    last: Market = begun
    for step in live(section, 30):
        before = (last.low.astype(np.int64) + last.high) // 2
        moved = np.abs((step.state.low.astype(np.int64) + step.state.high) // 2 - before)
        assert (moved <= before // 32 + 3).all(), "one hour's news moves nobody by more than 1/32"
        last = step.state


def test_nobody_spends_what_he_has_not() -> None:
    poor = EconomyScenario.model_validate(town(households={**town()["households"], "money_ticks": 600}))
    for step in live(poor, 200):
        assert step.state.money.min() >= 0
        assert step.state.money.sum() == 600 * poor.plan.persons


def test_trades_stop_for_want_of_inputs_and_room() -> None:
    """Without salt no bread; and nobody bakes on while the store is full."""
    steps = live(TOWN, 100, more=lambda seq: {"facts": {"demand_ppm": {"x": {0: {"Quay/Cloth/x": 0}}}}})
    plan = TOWN.plan
    cloth = plan.commodities.index("Cloth")
    weavers = steps[-1].state.trade == plan.trades.index("weaver")
    full = plan.tables.store_units[plan.trades.index("weaver")]
    assert said(steps, "volume")[50:, cloth].sum() == 0, "nobody wants any"
    assert said(steps, "price_ticks")[50:, cloth].min() > 0, "an empty market keeps its last price"
    assert steps[-1].state.stock[weavers, cloth].max() <= full + plan.tables.batch_units.max()
    assert steps[-1].events[cloth].data.sources == {"production": 0}


def test_a_day_in_one_tick_is_about_a_day_in_hours() -> None:
    """Flows scale with the hours that a tick spans; clearing happens once."""
    section = shipped("tiny")
    state = live(section, 48)[-1].state
    day = SERVICE.step(state, hour(72, hours=24))
    hourly = live(section, 72)[48:]
    for number, event in enumerate(day.events):
        made = sum(step.events[number].data.sources["production"] for step in hourly)
        assert event.data.sources["production"] == pytest.approx(made, rel=0.1)
        assert event.data.volume > 5 * hourly[0].events[number].data.volume
    assert day.used[MARKET_ORDERS] <= section.plan.persons * len(section.plan.commodities)


def test_who_cannot_work_takes_up_another_trade() -> None:
    lonely = EconomyScenario.model_validate(town(districts={"Quay": {"baker": 9, "salter": 1, "weaver": 2}}))
    plan = lonely.plan
    steps = live(lonely, 400)
    trades = np.array([np.bincount(step.state.trade, minlength=3) for step in steps])
    assert (trades[: IDLE_HOURS_MAX - 1] == trades[0]).all(axis=0)[plan.trades.index("weaver")]
    assert trades.min() >= 1, "the last of a trade stays"
    assert trades[-1][plan.trades.index("baker")] < 9
    assert (trades.sum(axis=1) == plan.persons).all()
