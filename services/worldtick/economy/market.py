"""The market: a world's economy as arrays, and its step for one world or many.
Lives here: state, genesis, the batch. Not here: what households do (households.py, hours.py), events (service.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import WORD_MASK, words
from worldtick.chance.streams import ChanceStream
from worldtick.economy.factors import Shock
from worldtick.economy.hours import live_worlds
from worldtick.economy.households import HISTORY, INPUT_HOURS, MILLI, NO_TRADE, REPORT_ROWS
from worldtick.economy.plan import Plan

Report = NDArray[np.int64]
_LOW_HALF = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One world's economy after a tick. n persons, P = n x C pairs, M = D x C markets; see hours.live_worlds."""

    plan: Plan
    wide: NDArray[np.int64]  # (n + M,) money, last price
    narrow: NDArray[np.int32]  # (4 P + 10 n,) low, high, stock, purse, remembered prices
    short: NDArray[np.uint16]  # (P,) waited
    small: NDArray[np.uint8]  # (13 n,) remembered commodities, next place, trade, idle
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
    def purse(self) -> NDArray[np.int32]:
        """(n, C) price ticks set aside for a commodity and not spent yet."""
        return self._pairs(3)

    @property
    def waited(self) -> NDArray[np.uint16]:
        """(n, C) ticks that a wish has waited for a place in the budget."""
        return self.short.reshape(self.plan.persons, -1)

    @property
    def past_price(self) -> NDArray[np.int32]:
        """(n, 10) price of each remembered trade, price ticks."""
        return self.narrow[4 * self.plan.persons * len(self.plan.commodities) :].reshape(self.plan.persons, HISTORY)

    @property
    def past_commodity(self) -> NDArray[np.uint8]:
        """(n, 10) commodity of each remembered trade, 255 where none."""
        n = self.plan.persons
        return self.small[: HISTORY * n].reshape(n, HISTORY)

    @property
    def trade(self) -> NDArray[np.uint8]:
        """(n,) index of each person's trade."""
        n = self.plan.persons
        return self.small[(HISTORY + 1) * n : (HISTORY + 2) * n]


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


def sizes(plan: Plan) -> tuple[int, int, int, int]:
    """Lengths of the wide, narrow, short and small arrays."""
    n, pairs = plan.persons, plan.persons * len(plan.commodities)
    return n + plan.markets, 4 * pairs + HISTORY * n, pairs, (HISTORY + 3) * n


def genesis(plan: Plan, seed: int) -> Market:
    """The first state: equal money, some stock, beliefs scattered round the base prices, purses begun at random."""
    n, c = plan.persons, len(plan.commodities)
    wide, narrow, short, small = sizes(plan)
    draws = _draws(seed, n, c)
    shift = (draws & _LOW_HALF).astype(np.int64) * 401 // (1 << 32) - 200  # up to a fifth off, in thousandths
    market = Market(
        plan,
        np.empty(wide, np.int64),
        np.zeros(narrow, np.int32),
        np.zeros(short, np.uint16),
        np.zeros(small, np.uint8),
    )
    market.money[:] = plan.money_ticks
    market.price[:] = np.tile(plan.base_price, len(plan.districts))
    market.low[:] = np.maximum(1, plan.base_price * (900 + shift) // 1000)
    market.high[:] = np.maximum(market.low + 1, plan.base_price * (1100 + shift) // 1000)
    market.past_commodity[:] = NO_TRADE
    market.trade[:] = plan.person_trade
    _stock_up(market)
    buys = (plan.tables.spend_ppm > 0) & ~_own(market)
    begun = (draws >> np.uint64(32)).astype(np.int64) * plan.base_price >> 32  # else nobody could buy what is dear
    market.purse[:] = np.where(buys, np.minimum(begun, plan.money_ticks // 4), 0)
    return market


def _draws(seed: int, persons: int, commodities: int) -> NDArray[np.uint64]:
    """(n, C) words: page k of a person's commodities is entity person + k n."""
    people = np.arange(persons, dtype=np.uint64)
    pages = [
        words(seed, 0, people + np.uint64(page * persons), ChanceStream.ECONOMY_GENESIS)
        for page in range(-(-commodities // 4))
    ]
    return np.concatenate(pages, axis=1)[:, :commodities]


def _own(market: Market) -> NDArray[np.bool_]:
    """(n, C) what a person makes, and what it makes it of."""
    tables = market.plan.tables
    own: NDArray[np.bool_] = tables.uses[market.trade] > 0
    own[np.arange(market.plan.persons), tables.makes[market.trade]] = True
    return own


def _stock_up(market: Market) -> None:
    """Inputs for some hours and an hour's wares for every trade, a quarter of a larder for every household."""
    tables = market.plan.tables
    trade = market.trade
    market.stock[:] = tables.larder_units // 4
    market.stock[:] += tables.uses[trade] * (tables.batches_milli[trade] * INPUT_HOURS // MILLI)[:, None]
    wares = tables.larder_units[tables.makes[trade]] + tables.batch_units[trade]
    market.stock[np.arange(market.plan.persons), tables.makes[trade]] = wares


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
    short = np.stack([market.short for market in markets])
    small = np.stack([market.small for market in markets])
    hours = np.array([(tick.hour, tick.hours, tick.market_orders) for tick in ticks], np.int64)
    chance = np.array([(tick.seed & WORD_MASK, tick.seq) for tick in ticks], np.uint64)
    factors = np.array([(tick.supply_ppm, tick.demand_ppm) for tick in ticks], np.int64)
    reports = np.zeros((len(ticks), REPORT_ROWS, plan.markets), np.int64)
    counts = np.zeros((len(ticks), 2), np.int64)
    live_worlds(plan.tables, wide, narrow, short, small, hours, chance, factors, reports, counts)
    orders = counts.tolist()
    return [
        Lived(_taken(plan, w, (wide, narrow, short, small), ticks[w].shocks), reports[w], orders[w][0], orders[w][1])
        for w in range(len(ticks))
    ]


def _taken(plan: Plan, w: int, batch: tuple[Any, Any, Any, Any], shocks: tuple[Shock, ...]) -> Market:
    """World w of a batch, as copies: a view would keep the whole batch's arrays alive while one world rests."""
    wide, narrow, short, small = batch
    return Market(plan, wide[w].copy(), narrow[w].copy(), short[w].copy(), small[w].copy(), shocks)
