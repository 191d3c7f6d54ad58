"""An hour of many worlds: make, use, quote, clear, settle, learn, in this order, world by world.
Lives here: settlement, change of trade, the kernel over a batch. Not here: wishes (households), learning (beliefs)."""

from typing import Any, NamedTuple

import numpy as np

from worldtick.chance.compiled import compiled, spliced
from worldtick.economy.auction import BUCKETS_MAX, clear_book, most_surplus, share_ppm
from worldtick.economy.beliefs import FILLED, SIGN, learn, remember
from worldtick.economy.households import (
    DEMAND,
    EFFICIENCY,
    HISTORY,
    ORDERS,
    PHASE_STEP,
    PPM,
    RATES,
    SUPPLY,
    TILE,
    TILE_ROWS,
    VOLUME,
    WAITING,
    WORD_ROWS,
    Hour,
    Wishes,
    World,
    admit,
    set_rates,
    wish,
    work,
)

IDLE_HOURS_MAX = 48  # a person with nothing to make and nothing to sell for so long takes up another trade
REVIEW_HOURS = 480  # so often a poor person asks itself whether another trade is better; prime to PHASE_STEP
POOR = 2  # times its money are less than its district's mean; what one has is what one earned of late
BETTER = 2  # times what its own trade earns


class Book(NamedTuple):
    """Scratch of one side of one market, (n,) int32 each, of which the first `count` are used."""

    person: Any
    price: Any
    value: Any  # what a unit is worth to its owner: the far end of its belief
    units: Any  # 0 for an order that the budget keeps waiting
    wanted: Any  # the same with those that wait
    filled: Any


class Room(NamedTuple):
    """Scratch of a batch: what no world keeps."""

    tile: Any  # (TILE_ROWS x TILE,) int64
    words: Any  # (WORD_ROWS x TILE,) int64
    rates: Any  # (RATES, T) int64
    bids: Book
    asks: Book
    filled: Any  # (n,) int32, units that each person traded in the market at hand
    buckets: Any  # (BUCKETS_MAX,) int64


@spliced
def _gather(world: Any, wishes: Any, first: Any, end: Any, c: Any, bids: Any, asks: Any) -> Any:
    """Copy the wishes of one market into its books, persons ascending; (bids, asks, admitted)."""
    wanted, units, quote, net = wishes.wanted[c], wishes.units[c], wishes.quote[c], wishes.net[c]
    low, high = world.low[c], world.high[c]
    bid_count = ask_count = admitted = np.int64(0)
    for person in range(first, end):  # whoever wants nothing is written too, and then written over
        wants = np.int64(wanted[person] > 0)
        admitted += np.int64(units[person] > 0)
        if net[person] > 0:
            asks.person[ask_count] = person
            asks.price[ask_count] = quote[person]
            asks.value[ask_count] = low[person]
            asks.wanted[ask_count] = wanted[person]
            asks.units[ask_count] = units[person]
            ask_count += wants
        else:
            bids.person[bid_count] = person
            bids.price[bid_count] = quote[person]
            bids.value[bid_count] = high[person]
            bids.wanted[bid_count] = wanted[person]
            bids.units[bid_count] = units[person]
            bid_count += wants
    return bid_count, ask_count, admitted


@spliced
def _cut(book: Any, count: Any) -> Any:
    """The used part of a side."""
    return Book(
        book.person[:count], book.price[:count], book.value[:count], book.units[:count], book.wanted[:count],
        book.filled[:count],
    )  # fmt: skip


@compiled
def _settle(world: Any, net: Any, book: Any, c: Any, price: Any, sign: Any, filled_of: Any) -> Any:
    """Hand over goods and money of one side, and note the trades. sign: 1 bids, -1 asks.

    What the side gained by trade: price ticks x units by which its values beat the price.
    """
    stock, purse = world.stock[c], world.purse[c]
    gained = np.int64(0)
    for i in range(book.person.shape[0]):
        filled = np.int64(book.filled[i])
        if filled == 0:
            continue
        person = np.uint64(book.person[i])
        gained += (np.int64(book.value[i]) - price) * filled
        filled_of[person] = filled
        world.money[person] -= sign * filled * price
        stock[person] += sign * filled
        if net[person] == 0:
            purse[person] -= filled * price  # never below 0: the units were what it could pay at its quote
        place = np.uint64(world.past_next[person])
        world.past_price[place, person] = price
        world.past_commodity[place, person] = c
        world.past_next[person] = place + np.uint64(1) if place + np.uint64(1) < HISTORY else 0
    return gained * sign


@spliced
def _learn(world: Any, wishes: Any, first: Any, end: Any, c: Any, price: Any, traded: Any, room: Any) -> None:
    """Let everybody in a district learn of one market, a tile at a time."""
    for start in range(first, end, TILE):
        stop = min(end, start + TILE)
        _take_part(wishes.net[c][start:stop], room.filled[start:stop], room.tile)
        remember(world.past_price, world.past_commodity, c, start, stop - start, room.tile)
        learn(
            world.low[c][start:stop], world.high[c][start:stop], wishes.units[c][start:stop],
            wishes.quote[c][start:stop], price, traded, room.tile,
        )  # fmt: skip


@spliced
def _take_part(net: Any, filled: Any, t: Any) -> None:
    for i in range(net.shape[0]):
        t[SIGN + i] = -1 if net[i] > 0 else 1
        t[FILLED + i] = filled[i]


@spliced
def _clear_market(plan: Any, world: Any, wishes: Any, district: Any, c: Any, room: Any, report: Any) -> None:
    """Clear and settle one market and write its column of the report, all but its flows."""
    first, end = plan.district_start[district], plan.district_start[district + 1]
    market = district * plan.spend_ppm.shape[0] + c
    bid_count, ask_count, admitted = _gather(world, wishes, first, end, c, room.bids, room.asks)
    bids, asks = _cut(room.bids, bid_count), _cut(room.asks, ask_count)
    most = most_surplus(bids.value, bids.wanted, asks.value, asks.wanted, room.buckets)
    volume, price, demand, supply, _ = clear_book(
        bids.price, bids.units, bids.person, asks.price, asks.units, asks.person, bids.filled, asks.filled, room.buckets
    )
    if volume > 0:
        world.price[market] = price
    price = world.price[market]
    room.filled[first:end] = 0
    gained = _settle(world, wishes.net[c], bids, c, price, np.int64(1), room.filled)
    gained += _settle(world, wishes.net[c], asks, c, price, np.int64(-1), room.filled)
    _learn(world, wishes, first, end, c, price, volume, room)
    report[VOLUME, market] = volume
    report[DEMAND, market] = demand
    report[SUPPLY, market] = supply
    report[ORDERS, market] = admitted
    report[WAITING, market] = bid_count + ask_count - admitted
    report[EFFICIENCY, market] = share_ppm(gained, most)


@compiled
def _worth(plan: Any, world: Any, hour: Any, market: Any, trade: Any) -> Any:
    """(what an hour of a trade earns at the district's last prices, price ticks x milli; cost of a batch's inputs)."""
    cost = np.int64(0)
    for c in range(plan.spend_ppm.shape[0]):
        cost += plan.uses[trade, c] * world.price[market + c]
    made = market + plan.makes[trade]
    earned = plan.batch_units[trade] * world.price[made] - cost
    return earned * (plan.batches_milli[trade] * hour.supply_ppm[made] // PPM), cost


@compiled
def _best_trade(plan: Any, world: Any, hour: Any, market: Any, money: Any) -> Any:
    """(the trade that earns most of those whose inputs `money` can buy, what it earns); -1 if none earns anything."""
    best = np.int64(-1)
    most = np.int64(0)
    for trade in range(plan.makes.shape[0]):
        earned, cost = _worth(plan, world, hour, market, trade)
        if cost <= money and earned > most:
            most = earned
            best = np.int64(trade)
    return best, most


@compiled
def _change_trades(plan: Any, world: Any, hour: Any, district: Any) -> Any:
    """Whoever has been idle too long takes up the best paid trade; so does, now and then, who is poor in a bad one.

    Never the last of a trade in the district. Money, goods and beliefs stay with the person: nothing is made or lost.
    """
    first, end = plan.district_start[district], plan.district_start[district + 1]
    market = district * plan.spend_ppm.shape[0]
    mean = np.sum(world.money[first:end]) // (end - first)
    for person in range(first, end):
        at = hour.hour + person * PHASE_STEP
        reviews = at // REVIEW_HOURS != (at - hour.hours) // REVIEW_HOURS and world.money[person] * POOR < mean
        idle = world.idle[person] >= IDLE_HOURS_MAX
        if not (idle or reviews):
            continue
        trade = np.int64(world.trade[person])
        best, most = _best_trade(plan, world, hour, market, world.money[person])
        if best < 0 or best == trade or not (idle or most >= BETTER * _worth(plan, world, hour, market, trade)[0]):
            continue
        mates = 0
        for other in range(first, end):
            mates += world.trade[other] == trade
        if mates > 1:
            world.trade[person] = best
            world.idle[person] = 0


@spliced
def _live(plan: Any, world: Any, hour: Any, wishes: Any, room: Any, report: Any) -> Any:
    """One world's tick; (orders admitted, orders waiting)."""
    commodities = plan.spend_ppm.shape[0]
    districts = plan.district_start.shape[0] - 1
    for district in range(districts):
        market = district * commodities
        end = plan.district_start[district + 1]
        set_rates(plan, hour, market, room.rates)
        for first in range(plan.district_start[district], end, TILE):
            stop = min(end, first + TILE)
            work(plan, world, hour, market, first, stop, room.rates, room.tile, wishes, report)
            wish(plan, world, hour, market, first, stop, room.tile, room.words, wishes)
    used, waiting = admit(world, hour.market_orders, wishes)
    for district in range(districts):
        for c in range(commodities):
            _clear_market(plan, world, wishes, district, c, room, report)
        _change_trades(plan, world, hour, district)
    return used, waiting


@spliced
def _side(rows: Any) -> Any:
    return Book(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5])


@compiled
def live_worlds(
    plan: Any, bodies: Any, hours: Any, chance: Any, factors: Any, reports: Any, counts: Any, wide: Any, narrow: Any
) -> None:
    """Step W worlds of one plan in place, one after another: what a world becomes does not depend on its neighbours.

    bodies (W, bytes) uint8: states as market.py lays them out. hours (W, 3) int64: hour, hours, market_orders.
    chance (W, 2) uint64: seed, seq. factors (W, 2, M) int64 ppm: supply, demand.
    reports (W, REPORT_ROWS, M) int64, zeros. counts (W, 2) int64.
    Scratch: wide (wide_scratch,) int64, narrow (narrow_scratch,) int32.
    """
    n = plan.district_start[-1]
    commodities = plan.spend_ppm.shape[0]
    p = n * commodities
    m = factors.shape[2]
    pairs = narrow[: 4 * p].reshape(4, commodities, n)
    wishes = Wishes(pairs[0], pairs[1], pairs[2], pairs[3])
    sides = narrow[4 * p : 4 * p + 12 * n].reshape(2, 6, n)
    words, rates = TILE_ROWS * TILE, (TILE_ROWS + WORD_ROWS) * TILE
    buckets = rates + RATES * plan.makes.shape[0]
    room = Room(
        wide[:words], wide[words:rates], wide[rates:buckets].reshape(RATES, plan.makes.shape[0]),
        _side(sides[0]), _side(sides[1]), narrow[4 * p + 12 * n :], wide[buckets : buckets + BUCKETS_MAX],
    )  # fmt: skip
    longs = 8 * (n + m)
    shorts = longs + 4 * (4 * p + HISTORY * n)
    small = shorts + 2 * p
    for w in range(bodies.shape[0]):
        long = bodies[w, :longs].view(np.int64)
        pair = bodies[w, longs : longs + 16 * p].view(np.int32).reshape(4, commodities, n)
        byte = bodies[w, small : small + (HISTORY + 3) * n].reshape(HISTORY + 3, n)
        world = World(
            long[:n], long[n:], pair[0], pair[1], pair[2], pair[3],
            bodies[w, longs + 16 * p : shorts].view(np.int32).reshape(HISTORY, n),
            bodies[w, shorts:small].view(np.uint16).reshape(commodities, n),
            byte[:HISTORY], byte[HISTORY], byte[HISTORY + 1], byte[HISTORY + 2],
        )  # fmt: skip
        hour = Hour(chance[w, 0], chance[w, 1], hours[w, 0], hours[w, 1], hours[w, 2], factors[w, 0], factors[w, 1])
        counts[w, 0], counts[w, 1] = _live(plan, world, hour, wishes, room, reports[w])


def scratch(persons: int, commodities: int, trades: int) -> tuple[Any, Any]:
    """What `live_worlds` needs as scratch: int64, int32."""
    wide = (TILE_ROWS + WORD_ROWS) * TILE + BUCKETS_MAX + RATES * trades
    return np.empty(wide, np.int64), np.empty((4 * commodities + 13) * persons, np.int32)
