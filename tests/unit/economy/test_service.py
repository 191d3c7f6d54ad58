"""The economy as a service: the laws, what it says, and that nothing is made or lost but what it says.
Lives here: steps as the runtime sees them. Not here: where prices go (test_learning), clearing (test_auction)."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.economy.towns import HOUR_US, directive, hour, live, said, shipped, town
from worldtick.contracts.said import MarketCleared
from worldtick.economy.hours import live_worlds
from worldtick.economy.market import Market
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import MARKET_ORDERS, MARKET_STATE, SERVICE
from worldtick.kit.bench import Bench
from worldtick.kit.golden import check_golden
from worldtick.kit.laws import check_laws
from worldtick.runtime.service import Step

GOLDEN = Path(__file__).with_name("economy.golden.json")
TOWN = EconomyScenario.model_validate(town())


def _eventful(section: EconomyScenario, seed: int = 1, **budgets: int) -> Bench[Market]:
    """A history with everything in it that the step can meet."""
    bench = Bench(SERVICE, section, seed=seed, budgets=budgets)
    bench.run(8)
    bench.direct("supply_shock", commodity=section.plan.commodities[0], ppm=300_000, hours=5)
    bench.direct("demand_shift", district=section.plan.districts[0], ppm=1_700_000, hours=30)
    bench.direct("demand_shift", district="Nowhere", ppm=1_700_000, hours=30)
    bench.run(4)
    bench.fact("demand_ppm", {f"{section.plan.market_ids[-1]}/crowd": 2_500_000}, service="society")
    bench.run(4)
    bench.tick(hours=24)
    bench.run(4)
    return bench


def test_keeps_the_laws() -> None:
    check_laws(
        _eventful(TOWN),
        _eventful(TOWN, seed=-5, market_orders=7),
        _eventful(shipped("tiny"), seed=2**62),
        place="worldtick.economy.service:SERVICE",
    )


def test_gives_the_agreed_bytes(request: pytest.FixtureRequest) -> None:
    check_golden(_eventful(TOWN), GOLDEN, bool(request.config.getoption("--update-golden")))


def _goods(market: Market) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(M,) units that the people of each market's district hold."""
    plan = market.plan
    starts = plan.tables.district_start[:-1]
    return np.add.reduceat(market.stock.astype(np.int64), starts, axis=0).ravel()


def _flow(steps: list[Step[Market]], field: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(
        [sum(sum(getattr(s.events[m].data, field).values()) for s in steps) for m in range(_markets(steps))]
    )


def _markets(steps: list[Step[Market]]) -> int:
    return len(steps[0].events)


@pytest.mark.parametrize("name", ["night_city", "tiny"])
def test_money_and_goods_are_conserved_but_for_what_events_declare(name: str) -> None:
    section = shipped(name)
    begun = SERVICE.genesis(section, 3, 0)
    money = begun.money.sum()
    goods = _goods(begun)
    shocks = {20: directive("supply_shock", ppm=0, hours=24), 60: directive("demand_shift", ppm=4_000_000, hours=9)}
    steps = live(section, 150, seed=3, more=lambda seq: shocks.get(seq, {}))
    for step in steps:
        assert step.state.money.sum() == money, "no event declares a source or sink of money"
        assert step.state.money.min() >= 0
        assert step.state.stock.min() >= 0
        assert step.state.purse.min() >= 0
    expected = goods + _flow(steps, "sources") - _flow(steps, "sinks")
    assert _goods(steps[-1].state).tolist() == expected.tolist()
    assert said(steps, "volume").sum() > 0


def test_an_event_says_all_of_its_market() -> None:
    section = shipped("night_city")
    tick = hour(14, hours=1, epoch_s=1_705_190_400)
    step = SERVICE.step(live(section, 13)[-1].state, tick)
    assert [event.type for event in step.events] == ["market_cleared"] * section.plan.markets
    for event, market_id in zip(step.events, section.plan.market_ids, strict=True):
        data: MarketCleared = event.data
        district, commodity = market_id.split("/")
        assert (data.market_id, data.district, data.commodity) == (market_id, district, commodity)
        assert (data.world, data.seq, data.tick_id) == (tick.world, 14, tick.tick_id)
        assert (data.timestamp, data.period, data.game_hour) == ("2024-01-14T14:00:00Z", "hourly", 14)
        assert data.price_ticks is not None
        assert data.price * 100 == data.price_ticks > 0
        assert data.demand is not None
        assert data.supply is not None
        assert data.volume <= min(data.demand, data.supply)
        assert data.unmatched == data.demand + data.supply - 2 * data.volume
        assert 0 <= (data.efficiency_ppm or 0) <= 1_000_000
        assert set(data.sources or {}) == {"production"}
        assert set(data.sinks or {}) == {"inputs", "consumption"}
    assert sum(event.data.orders for event in step.events) == step.used[MARKET_ORDERS] > 0
    assert sum(event.data.volume for event in step.events) > 0


def test_facts_and_rows_say_what_events_say() -> None:
    step = live(shipped("tiny"), 5)[-1]
    assert step.facts == {"prices": {event.data.market_id: event.data.price_ticks for event in step.events}}
    projection = SERVICE.projections[0]
    rows = [dict(zip(projection.columns, row, strict=True)) for row in step.rows[MARKET_STATE]]
    for row, event in zip(rows, step.events, strict=True):
        assert row.pop("slot_us") == 5 * HOUR_US
        assert row == {name: getattr(event.data, name) for name in row}


def test_a_batch_shares_one_call_where_the_section_is_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(plan: Any, wide: Any, *rest: Any) -> None:
        calls.append(len(wide))
        live_worlds(plan, wide, *rest)

    monkeypatch.setattr("worldtick.economy.market.live_worlds", counted)
    sections = [EconomyScenario.model_validate(town()) for _ in range(3)] + [shipped("tiny")]
    states = [SERVICE.genesis(section, seed, 0) for seed, section in enumerate(sections)]
    SERVICE.steps(states, [hour(1, seed) for seed in range(4)])
    assert sorted(calls) == [1, 3]


def test_history_does_not_depend_on_neighbours_or_on_being_stored() -> None:
    section = TOWN
    alone = SERVICE.genesis(section, 7, 0)
    crowd = [SERVICE.genesis(section, seed, 0) for seed in (7, 8, 9)]
    for seq in range(1, 30):
        alone = SERVICE.decode(SERVICE.encode(SERVICE.step(alone, hour(seq, 7)).state), section, 0)
        ticks = [hour(seq, seed) for seed in (7, 8, 9)]
        crowd = [step.state for step in SERVICE.steps(crowd[::-1], ticks[::-1])][::-1]
    assert SERVICE.encode(alone) == SERVICE.encode(crowd[0])
    assert SERVICE.encode(crowd[1]) != SERVICE.encode(crowd[2])


def test_bytes_of_another_plan_are_refused() -> None:
    body = SERVICE.encode(live(TOWN, 3, more=lambda seq: directive("supply_shock", ppm=5, hours=9))[-1].state)
    assert SERVICE.encode(SERVICE.decode(body, TOWN, 0)) == body
    for wrong in (body[:-1], body + b"\0", b""):
        with pytest.raises(ValueError, match="bytes"):
            SERVICE.decode(wrong, TOWN, 0)
    with pytest.raises(ValueError, match="bytes, not"):
        SERVICE.decode(body, shipped("tiny"), 0)


def test_shocks_act_and_expire_in_world_time() -> None:
    """Six hours without harvest: the state remembers the shock so long, in hourly ticks and coalesced ones."""
    section = shipped("tiny")
    food = section.plan.market_numbers["Clearing/Food"]
    steps = live(
        section, 9, more=lambda seq: directive("supply_shock", commodity="Food", ppm=0, hours=6) if seq == 2 else {}
    )
    made = [step.events[food].data.sources["production"] for step in steps]
    assert [units > 0 for units in made] == [True] + [False] * 6 + [True] * 2
    assert [len(step.state.shocks) for step in steps] == [0] + [1] * 5 + [0] * 3
    day = hour(24, hours=24, **directive("supply_shock", commodity="Food", ppm=0, hours=12))
    half = SERVICE.step(SERVICE.genesis(section, 1, 0), day)
    whole = SERVICE.step(SERVICE.genesis(section, 1, 0), hour(24, hours=24))
    assert half.state.shocks == ()
    assert 0 < half.events[food].data.sources["production"] < whole.events[food].data.sources["production"]


def test_a_directive_that_names_no_market_of_the_world_changes_nothing() -> None:
    lost = directive("supply_shock", district="Atlantis", ppm=0, hours=9)
    assert SERVICE.encode(live(TOWN, 5, more=lambda seq: lost)[-1].state) == SERVICE.encode(live(TOWN, 5)[-1].state)


if __name__ == "__main__":  # python -m tests.unit.economy.test_service --update-golden
    check_golden(_eventful(TOWN), GOLDEN, update="--update-golden" in sys.argv)
