"""The market: a world's economy as arrays, and its step for one world or many.
Lives here: state, genesis, the batch. Not here: what households do (households.py, hours.py), events (service.py)."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import WORD_MASK, scaled_high, scaled_low, words
from worldtick.chance.streams import ChanceStream
from worldtick.economy.factors import Shock
from worldtick.economy.hours import live_worlds, scratch
from worldtick.economy.households import HISTORY, INPUT_HOURS, MILLI, NO_TRADE, REPORT_ROWS
from worldtick.economy.plan import Plan

Report = NDArray[np.int64]
WORLDS_AT_ONCE = 64  # of 100 people: a megabyte, which stays in the processor's caches from the copy in to the copy out


class Market(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One world's economy after a tick: its arrays lie in one body, which is what a batch copies and a snapshot holds.

    n persons, P = n x C pairs, M = D x C markets. In this order, little-endian: int64 money (n,), price (M,);
    int32 low, high, stock, purse (P,) each, past_price (10 n,); uint16 waited (P,); uint8 past_commodity (10 n,),
    past_next, trade, idle (n,) each; zeros up to a multiple of 8.
    """

    plan: Plan
    body: NDArray[np.uint8]  # (body_bytes(plan),)
    shocks: tuple[Shock, ...] = ()  # those that have not ended, in canonical order

    def _part(self, start: int, count: int, dtype: Any) -> Any:
        return self.body[start : start + count * np.dtype(dtype).itemsize].view(dtype)

    @property
    def money(self) -> NDArray[np.int64]:
        """(n,) price ticks."""
        return self._part(0, self.plan.persons, np.int64)  # type: ignore[no-any-return]

    @property
    def price(self) -> NDArray[np.int64]:
        """(M,) last price, price ticks."""
        return self._part(8 * self.plan.persons, self.plan.markets, np.int64)  # type: ignore[no-any-return]

    def _pairs(self, column: int) -> NDArray[np.int32]:
        plan = self.plan
        start = 8 * (plan.persons + plan.markets) + 4 * column * plan.pairs
        return self._part(start, plan.pairs, np.int32).reshape(-1, plan.persons).T  # type: ignore[no-any-return]

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
    def past_price(self) -> NDArray[np.int32]:
        """(n, 10) price of each remembered trade, price ticks."""
        n = self.plan.persons
        return self._part(_short(self.plan) - 4 * HISTORY * n, HISTORY * n, np.int32).reshape(-1, n).T  # type: ignore[no-any-return]

    @property
    def waited(self) -> NDArray[np.uint16]:
        """(n, C) ticks that a wish has waited for a place in the budget."""
        return self._part(_short(self.plan), self.plan.pairs, np.uint16).reshape(-1, self.plan.persons).T  # type: ignore[no-any-return]

    def _bytes(self, column: int, count: int) -> NDArray[np.uint8]:
        start = _short(self.plan) + 2 * self.plan.pairs + column * self.plan.persons
        return self.body[start : start + count * self.plan.persons]

    @property
    def past_commodity(self) -> NDArray[np.uint8]:
        """(n, 10) commodity of each remembered trade, 255 where none."""
        return self._bytes(0, HISTORY).reshape(HISTORY, -1).T

    @property
    def past_next(self) -> NDArray[np.uint8]:
        """(n,) the place in its history that each person's next trade takes: its oldest."""
        return self._bytes(HISTORY, 1)

    @property
    def trade(self) -> NDArray[np.uint8]:
        """(n,) index of each person's trade."""
        return self._bytes(HISTORY + 1, 1)


class MarketTick(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What a tick tells one market."""

    seed: int
    seq: int
    hour: int  # world hours since the epoch at the tick's end
    hours: int  # how many of them the tick spans
    market_orders: int  # budget
    supply_ppm: NDArray[np.int64]  # (M,)
    demand_ppm: NDArray[np.int64]  # (M,)
    shocks: tuple[Shock, ...] = ()  # those that outlast the tick


class Lived(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What came of it. report: (REPORT_ROWS, M), rows as in households.py."""

    market: Market
    report: Report
    orders: int  # admitted
    waiting: int  # carried over


def _short(plan: Plan) -> int:
    """Where a body's uint16 begin."""
    return 8 * (plan.persons + plan.markets) + 4 * (4 * plan.pairs + HISTORY * plan.persons)


def body_bytes(plan: Plan) -> int:
    """The length of a body."""
    return -(-(_short(plan) + 2 * plan.pairs + (HISTORY + 3) * plan.persons) // 8) * 8


def genesis(plan: Plan, seed: int) -> Market:
    """The first state: equal money, some stock, beliefs scattered round the base prices, purses begun at random."""
    draws = _draws(seed, plan.persons, len(plan.commodities))
    shift = scaled_low(draws, 401) - 200  # up to a fifth off, in thousandths
    market = Market(plan, np.zeros(body_bytes(plan), np.uint8))
    market.money[:] = plan.money_ticks
    market.price[:] = np.tile(plan.base_price, len(plan.districts))
    market.low[:] = np.maximum(1, plan.base_price * (900 + shift) // 1000)
    market.high[:] = np.maximum(market.low + 1, plan.base_price * (1100 + shift) // 1000)
    market.past_commodity[:] = NO_TRADE
    market.trade[:] = plan.person_trade
    _stock_up(market)
    buys = (plan.tables.spend_ppm > 0) & ~_own(market)
    begun = scaled_high(draws, plan.base_price)  # else nobody could buy what is dear
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
        plan = markets[group[0]].plan
        room = scratch(plan.persons, len(plan.commodities), len(plan.trades))
        for start in range(0, len(group), WORLDS_AT_ONCE):
            some = group[start : start + WORLDS_AT_ONCE]
            for i, result in zip(
                some, _step_some([markets[i] for i in some], [ticks[i] for i in some], room), strict=True
            ):
                lived[i] = result
    return [result for result in lived if result is not None]


def _step_some(markets: Sequence[Market], ticks: Sequence[MarketTick], room: tuple[Any, Any]) -> list[Lived]:
    plan = markets[0].plan
    bodies = np.concatenate([market.body for market in markets]).reshape(len(markets), -1)
    hours = np.array([(tick.hour, tick.hours, tick.market_orders) for tick in ticks], np.int64)
    chance = np.array([(tick.seed & WORD_MASK, tick.seq) for tick in ticks], np.uint64)
    told = [ppm for tick in ticks for ppm in (tick.supply_ppm, tick.demand_ppm)]
    factors = np.concatenate(told).reshape(len(ticks), 2, plan.markets)
    reports = np.zeros((len(ticks), REPORT_ROWS, plan.markets), np.int64)
    counts = np.zeros((len(ticks), 2), np.int64)
    live_worlds(plan.tables, bodies, hours, chance, factors, reports, counts, *room)
    # Copies: a view would keep the whole batch's bodies alive as long as one world is not stepped again.
    return [
        Lived(Market(plan, body.copy(), tick.shocks), report, orders, waiting)
        for body, tick, report, (orders, waiting) in zip(bodies, ticks, reports, counts.tolist(), strict=True)
    ]
