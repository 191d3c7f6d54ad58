"""The market: a world's economy as arrays, and its step for one world or many.
Lives here: state, genesis, the batch. Not here: what households do (households.py, hours.py), events (service.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import WORD_MASK, words
from worldtick.chance.streams import ChanceStream
from worldtick.economy.factors import Shock
from worldtick.economy.hours import live_worlds
from worldtick.economy.households import HISTORY, NO_TRADE, REPORT_ROWS
from worldtick.economy.plan import Plan

Report = NDArray[np.int64]
FIRST_STOCK_HOURS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One world's economy after a tick. n persons, P = n x C pairs, M = D x C markets; see hours.live_worlds."""

    plan: Plan
    wide: NDArray[np.int64]  # (n + M,) money, last price
    narrow: NDArray[np.int32]  # (4 P + 10 n,) low, high, stock, waited, remembered prices
    small: NDArray[np.uint8]  # (P + 13 n,) hunger, remembered commodities, next place, trade, idle
    shocks: tuple[Shock, ...] = ()  # those that have not ended, in canonical order

    @property
    def money(self) -> NDArray[np.int64]:
        """(n,) price ticks."""
        return self.wide[: self.plan.persons]

    @property
    def price(self) -> NDArray[np.int64]:
        """(M,) last price, price ticks."""
        return self.wide[self.plan.persons :]

    def _pairs(self, column: int) -> NDArray[np.int32]:
        n, c = self.plan.persons, len(self.plan.commodities)
        return self.narrow[column * n * c : (column + 1) * n * c].reshape(n, c)

    @property
    def low(self) -> NDArray[np.int32]:
        """(n, C) lowest price that a person believes in."""
        return self._pairs(0)

    @property
    def high(self) -> NDArray[np.int32]:
        """(n, C) highest price that a person believes in."""
        return self._pairs(1)

    @property
    def stock(self) -> NDArray[np.int32]:
        """(n, C) units."""
        return self._pairs(2)

    @property
    def waited(self) -> NDArray[np.int32]:
        """(n, C) ticks that a wish has waited for a place in the budget."""
        return self._pairs(3)

    @property
    def past_commodity(self) -> NDArray[np.uint8]:
        """(n, 10) commodity of each remembered trade, 255 where none."""
        n, p = self.plan.persons, self.plan.persons * len(self.plan.commodities)
        return self.small[p : p + HISTORY * n].reshape(n, HISTORY)

    @property
    def trade(self) -> NDArray[np.uint8]:
        """(n,) index of each person's trade."""
        n, p = self.plan.persons, self.plan.persons * len(self.plan.commodities)
        return self.small[p + (HISTORY + 1) * n : p + (HISTORY + 2) * n]


@dataclass(frozen=True, slots=True, eq=False)
class MarketTick:
    """What a tick tells one market."""

    seed: int
    seq: int
    hour: int  # world hours since the epoch at the tick's end
    hours: int  # how many of them the tick spans
    market_orders: int  # budget
    supply_ppm: NDArray[np.int64]  # (M,)
    demand_ppm: NDArray[np.int64]  # (M,)
    shocks: tuple[Shock, ...] = ()  # those that outlast the tick


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """What came of it. report: (REPORT_ROWS, M), rows as in households.py."""

    market: Market
    report: Report
    orders: int  # admitted
    waiting: int  # carried over


def sizes(plan: Plan) -> tuple[int, int, int]:
    """Lengths of the wide, narrow and small arrays."""
    n, pairs = plan.persons, plan.persons * len(plan.commodities)
    return n + plan.markets, 4 * pairs + HISTORY * n, pairs + (HISTORY + 3) * n


def genesis(plan: Plan, seed: int) -> Market:
    """The first state: equal money, half a day's stock, beliefs scattered round the scenario's base prices."""
    n, c = plan.persons, len(plan.commodities)
    draws = np.concatenate(
        [words(seed, 0, np.arange(n, dtype=np.uint64) + np.uint64(page * n), ChanceStream.ECONOMY_GENESIS)
         for page in range(-(-c // 4))], axis=1)[:, :c]  # fmt: skip
    base = plan.base_price[None, :]
    shift = (draws % np.uint64(401)).astype(np.int64) - 200  # up to a fifth off, in thousandths
    low = np.maximum(1, base * (900 + shift) // 1000)
    high = np.maximum(low + 1, base * (1100 + shift) // 1000)
    market = Market(
        plan,
        np.concatenate([np.full(n, plan.money_ticks, np.int64), np.tile(plan.base_price, len(plan.districts))]),
        np.concatenate([low.ravel(), high.ravel(), np.zeros(2 * n * c + HISTORY * n, np.int64)]).astype(np.int32),
        np.zeros(n * c + (HISTORY + 3) * n, np.uint8),
    )
    market.past_commodity[:] = NO_TRADE
    market.trade[:] = plan.person_trade
    _stock_up(market)
    return market


def _stock_up(market: Market) -> None:
    """Half a day's inputs and wares for every trade, and a larder's quarter for every household."""
    tables = market.plan.tables
    people = np.arange(market.plan.persons)
    trade = market.trade
    market.stock[:] = tables.larder_units[None, :] // 4
    day = tables.batches_milli[trade] * FIRST_STOCK_HOURS // 1000
    market.stock[:] += (tables.uses[trade] * day[:, None]).astype(np.int32)
    wares = tables.larder_units[tables.makes[trade]] * 3 // 4 + tables.batch_units[trade] * (
        1 + tables.batches_milli[trade] * 2 // 1000
    )
    market.stock[people, tables.makes[trade]] += wares.astype(np.int32)


def step(market: Market, tick: MarketTick) -> Lived:
    """One tick of one world."""
    return step_batch([market], [tick])[0]


def step_batch(markets: Sequence[Market], ticks: Sequence[MarketTick]) -> list[Lived]:
    """One tick of many worlds, one kernel call for all that share a plan; bit for bit the same as one by one."""
    by_plan: dict[int, list[int]] = {}
    for i, market in enumerate(markets):
        by_plan.setdefault(id(market.plan), []).append(i)
    lived: list[Lived | None] = [None] * len(markets)
    for group in by_plan.values():
        for i, result in zip(group, _step_group([markets[i] for i in group], [ticks[i] for i in group]), strict=True):
            lived[i] = result
    return [result for result in lived if result is not None]


def _step_group(markets: Sequence[Market], ticks: Sequence[MarketTick]) -> list[Lived]:
    plan = markets[0].plan
    wide = np.stack([market.wide for market in markets])
    narrow = np.stack([market.narrow for market in markets])
    small = np.stack([market.small for market in markets])
    hours = np.array([(tick.hour, tick.hours, tick.market_orders) for tick in ticks], np.int64)
    chance = np.array([(tick.seed & WORD_MASK, tick.seq) for tick in ticks], np.uint64)
    factors = np.array([(tick.supply_ppm, tick.demand_ppm) for tick in ticks], np.int64)
    reports = np.zeros((len(ticks), REPORT_ROWS, plan.markets), np.int64)
    counts = np.zeros((len(ticks), 2), np.int64)
    live_worlds(plan.tables, wide, narrow, small, hours, chance, factors, reports, counts)
    orders = counts.tolist()
    # Copies: a view would keep the whole batch's arrays alive as long as one world is not stepped again.
    return [
        Lived(Market(plan, wide[w].copy(), narrow[w].copy(), small[w].copy(), ticks[w].shocks), reports[w], *orders[w])
        for w in range(len(ticks))
    ]
