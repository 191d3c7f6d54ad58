"""Any scenario that is valid, with any shocks: nothing wraps, nothing is below zero, money stays.
Lives here: extremes of numbers. Not here: sensible economies (test_learning)."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.economy.towns import hour, town
from worldtick.contracts.sealed import Directive
from worldtick.economy.households import BELIEF_MAX
from worldtick.economy.scenario import MONEY_MAX_TICKS, EconomyScenario
from worldtick.economy.service import NAME, SERVICE


def _either(low: int, high: int) -> st.SearchStrategy[int]:
    return st.one_of(st.just(low), st.just(high), st.integers(low, high))


@st.composite
def _sections(draw: st.DrawFn) -> dict[str, Any]:
    section = town()
    section["commodities"] = {name: draw(_either(2, 1_000_000)) for name in section["commodities"]}
    for trade in section["trades"].values():
        trade["batch_units"] = draw(_either(1, 10_000))
        trade["batches_milli"] = draw(_either(1, 100_000))
        trade["uses"] = {name: draw(_either(1, 10_000)) for name in trade.get("uses", {})}
    people = {trade: draw(st.integers(1, 4)) for trade in section["trades"]}
    wants = {
        name: {"spend_ppm": draw(_either(1, 166_000)), "need_milli": draw(_either(0, 100_000))}
        for name in section["commodities"]
    }
    section["districts"] = {"Quay": people}
    section["households"] = {
        "money_ticks": draw(_either(1, MONEY_MAX_TICKS // sum(people.values()))),
        "larder_hours": draw(_either(1, 1_000)),
        "store_hours": draw(_either(1, 1_000)),
        "wants": wants,
    }
    return section


_SHOCKS = st.lists(
    st.tuples(
        st.integers(1, 30),
        st.sampled_from(["supply_shock", "demand_shift"]),
        _either(0, 10_000_000),
        st.integers(1, 20),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(_sections(), _SHOCKS, st.sampled_from([1, 1, 24]), st.integers(0, 2**63 - 1))
def test_no_number_leaves_its_bounds(
    section: dict[str, Any], shocks: list[tuple[int, str, int, int]], hours: int, seed: int
) -> None:
    valid = EconomyScenario.model_validate(section)
    market = SERVICE.genesis(valid, seed, 0)
    money = market.money.sum()
    goods = market.stock.sum(axis=0, dtype=np.int64)
    for seq in range(1, 31):
        now = tuple(
            Directive(NAME, name, {"ppm": ppm, "hours": lasts}, "admin", number)
            for number, (at, name, ppm, lasts) in enumerate(shocks)
            if at == seq
        )
        step = SERVICE.step(market, hour(seq * hours, seed, hours=hours, directives=now))
        market = step.state
        for event in step.events:
            data = event.data
            assert 0 <= data.volume <= min(data.demand, data.supply)
            assert min(*data.sources.values(), *data.sinks.values(), data.orders, data.unmatched) >= 0
            assert 0 <= data.efficiency_ppm <= 1_000_000
        goods += [sum(e.data.sources.values()) - sum(e.data.sinks.values()) for e in step.events]
        assert market.stock.sum(axis=0, dtype=np.int64).tolist() == goods.tolist()
        assert market.money.sum() == money
        assert min(market.money.min(), market.stock.min(), market.purse.min()) >= 0
        assert 1 <= market.low.min() <= market.high.max() <= BELIEF_MAX
        assert (market.low < market.high).all()
        assert 1 <= market.price.min() <= market.price.max() <= BELIEF_MAX
