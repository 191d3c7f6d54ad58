"""An hour of many worlds: make, use, quote, clear, settle, learn, in this order, world by world.
Lives here: settlement, change of trade, the kernel over a batch. Not here: wishes (households), learning (beliefs)."""

from typing import Any, NamedTuple

import numpy as np

from worldtick.chance.compiled import compiled
from worldtick.economy.auction import BUCKETS_MAX, clear_book, most_surplus, share_ppm
from worldtick.economy.beliefs import believe, hear
from worldtick.economy.households import (
    DEMAND,
    EFFICIENCY,
    HISTORY,
    ORDERS,
    PHASE_STEP,
    PPM,
    SUPPLY,
    VOLUME,
    WAITING,
    Hour,
    Wishes,
    World,
    admit,
    consume,
    whole,
    wish,
    work,
)

TEN = np.uint64(HISTORY)
IDLE_HOURS_MAX = 48  # a person with nothing to make and nothing to sell for so long takes up another trade
REVIEW_HOURS = 480  # so often a poor person asks itself whether another trade is better; prime to PHASE_STEP
POOR = 2  # times its money are less than its district's mean; what one has is what one earned of late
BETTER = 2  # times what its own trade earns


class Book(NamedTuple):
    """Scratch of one side of one market, (n,) int32 each, of which the first `count` are used."""

    pair: Any
    price: Any
    value: Any  # what a unit is worth to its owner: the far end of its belief
    units: Any  # 0 for an order that the budget keeps waiting
    wanted: Any  # the same with those that wait
    filled: Any


@compiled
def _gather(plan: Any, world: Any, wishes: Any, district: Any, c: Any, bids: Any, asks: Any) -> Any:
    """Copy the wishes of one market into its book; (bids, asks, admitted, waiting)."""
    commodities = plan.spend_ppm.shape[0]
    bid_count = ask_count = admitted = waiting = 0
    for person in range(plan.district_start[district], plan.district_start[district + 1]):
        pair = person * commodities + c
        units = wishes.units[pair]
        if units == 0:
            continue
        within = wishes.admitted[pair]
        admitted += within
        waiting += not within
        asking = plan.makes[world.trade[person]] == c
        side = asks if asking else bids
        at = ask_count if asking else bid_count
        side.pair[at] = pair
        side.price[at] = wishes.quote[pair]
        side.value[at] = world.low[pair] if asking else world.high[pair]
        side.wanted[at] = units
        side.units[at] = units if within else 0
        ask_count += asking
        bid_count += not asking
    return bid_count, ask_count, admitted, waiting


@compiled
def _cut(book: Any, count: Any) -> Any:
    """The used part of a side."""
    return Book(
        book.pair[:count], book.price[:count], book.value[:count], book.units[:count], book.wanted[:count],
        book.filled[:count],
    )  # fmt: skip


@compiled
def _settle(plan: Any, world: Any, book: Any, c: Any, price: Any, sign: Any) -> Any:
    """Hand over goods and money of one side, then let each admitted order's owner learn. sign: 1 bids, -1 asks.

    What the side gained by trade: price ticks x units by which its values beat the price.
    """
    commodities = plan.spend_ppm.shape[0]
    gained = np.int64(0)
    for i in range(book.pair.shape[0]):
        units = np.int64(book.units[i])
        if units == 0:
            continue
        pair = np.uint64(book.pair[i])
        person = np.uint64(whole(book.pair[i], commodities))
        filled = np.int64(book.filled[i])
        first = person * TEN
        remembered = np.int64(price)
        if filled > 0:
            gained += (np.int64(book.value[i]) - price) * sign * filled
            world.money[person] -= sign * filled * price
            world.stock[pair] += sign * filled
            if sign > 0 and plan.uses[np.uint64(world.trade[person]), c] == 0:
                world.purse[pair] -= filled * price  # never below 0: the units were what it could pay at its quote
            place = world.past_next[person]
            world.past_price[first + np.uint64(place)] = price
            world.past_commodity[first + np.uint64(place)] = c
            world.past_next[person] = place + 1 if place + 1 < HISTORY else 0
            if filled * 2 >= units:
                total = count = np.int64(0)
                for k in range(HISTORY):
                    same = np.int64(world.past_commodity[first + np.uint64(k)] == c)
                    total += same * world.past_price[first + np.uint64(k)]
                    count += same
                remembered = whole(total, count)
        world.low[pair], world.high[pair] = believe(
            np.int64(world.low[pair]), np.int64(world.high[pair]), units, book.price[i], filled, price, remembered, sign
        )
    return gained


@compiled
def _spread_news(plan: Any, world: Any, wishes: Any, district: Any, c: Any, price: Any) -> Any:
    """Let all who had no order in a market hear of its price."""
    commodities = plan.spend_ppm.shape[0]
    for person in range(plan.district_start[district], plan.district_start[district + 1]):
        pair = person * commodities + c
        if not wishes.admitted[pair]:
            world.low[pair], world.high[pair] = hear(np.int64(world.low[pair]), np.int64(world.high[pair]), price)


@compiled
def _clear_market(
    plan: Any, world: Any, wishes: Any, district: Any, c: Any, bid_room: Any, ask_room: Any, report: Any, scratch: Any
) -> Any:
    """Clear and settle one market and write its column of the report, all but its flows."""
    commodities = plan.spend_ppm.shape[0]
    market = district * commodities + c
    bid_count, ask_count, admitted, waiting = _gather(plan, world, wishes, district, c, bid_room, ask_room)
    bids, asks = _cut(bid_room, bid_count), _cut(ask_room, ask_count)
    most = most_surplus(bids.value, bids.wanted, asks.value, asks.wanted, scratch)
    volume, price, demand, supply, _ = clear_book(
        bids.price, bids.units, bids.pair, asks.price, asks.units, asks.pair, bids.filled, asks.filled, scratch
    )
    if volume > 0:
        world.price[market] = price
        _spread_news(plan, world, wishes, district, c, price)
    gained = _settle(plan, world, bids, c, world.price[market], 1)
    gained += _settle(plan, world, asks, c, world.price[market], -1)
    report[VOLUME, market] = volume
    report[DEMAND, market] = demand
    report[SUPPLY, market] = supply
    report[ORDERS, market] = admitted
    report[WAITING, market] = waiting
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
    best = -1
    most = np.int64(0)
    for trade in range(plan.makes.shape[0]):
        earned, cost = _worth(plan, world, hour, market, trade)
        if cost <= money and earned > most:
            most = earned
            best = trade
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
        trade = world.trade[person]
        best, most = _best_trade(plan, world, hour, market, world.money[person])
        if best < 0 or best == trade or not (idle or most >= BETTER * _worth(plan, world, hour, market, trade)[0]):
            continue
        mates = 0
        for other in range(first, end):
            mates += world.trade[other] == trade
        if mates > 1:
            world.trade[person] = best
            world.idle[person] = 0


@compiled
def _live(plan: Any, world: Any, hour: Any, wishes: Any, bids: Any, asks: Any, report: Any, scratch: Any) -> Any:
    """One world's tick; (orders admitted, orders waiting)."""
    commodities = plan.spend_ppm.shape[0]
    districts = plan.district_start.shape[0] - 1
    for district in range(districts):
        work(plan, world, hour, district, report)
        consume(plan, world, hour, district, report)
        wish(plan, world, hour, district, wishes)
    used, waiting = admit(world, hour.market_orders, wishes)
    for district in range(districts):
        for c in range(commodities):
            _clear_market(plan, world, wishes, district, c, bids, asks, report, scratch)
        _change_trades(plan, world, hour, district)
    return used, waiting


@compiled
def _side(room: Any) -> Any:
    return Book(room[0], room[1], room[2], room[3], room[4], room[5])


@compiled
def live_worlds(plan: Any, bodies: Any, hours: Any, chance: Any, factors: Any, reports: Any, counts: Any) -> Any:
    """Step W worlds of one plan in place, one after another: what a world becomes does not depend on its neighbours.

    bodies (W, bytes) uint8: states as market.py lays them out. hours (W, 3) int64: hour, hours, market_orders.
    chance (W, 2) uint64: seed, seq. factors (W, 2, M) int64 ppm: supply, demand.
    reports (W, REPORT_ROWS, M) int64, zeros. counts (W, 2) int64.
    """
    n = plan.district_start[-1]
    p = n * plan.spend_ppm.shape[0]
    m = factors.shape[2]
    wishes = Wishes(np.empty(p, np.int32), np.empty(p, np.int32), np.empty(p, np.bool_))
    bids, asks = _side(np.empty((6, n), np.int32)), _side(np.empty((6, n), np.int32))
    scratch = np.empty(BUCKETS_MAX, np.int64)
    narrow = 8 * (n + m)
    short = narrow + 4 * (4 * p + HISTORY * n)
    small = short + 2 * p
    for w in range(bodies.shape[0]):
        wide = bodies[w, :narrow].view(np.int64)
        row = bodies[w, narrow:short].view(np.int32)
        byte = bodies[w, small : small + (HISTORY + 3) * n]
        end = HISTORY * n
        world = World(
            wide[:n], wide[n:], row[:p], row[p : 2 * p], row[2 * p : 3 * p], row[3 * p : 4 * p], row[4 * p :],
            bodies[w, short:small].view(np.uint16), byte[:end], byte[end : end + n], byte[end + n : end + 2 * n],
            byte[end + 2 * n :],
        )  # fmt: skip
        hour = Hour(chance[w, 0], chance[w, 1], hours[w, 0], hours[w, 1], hours[w, 2], factors[w, 0], factors[w, 1])
        counts[w, 0], counts[w, 1] = _live(plan, world, hour, wishes, bids, asks, reports[w], scratch)
