"""An hour of many worlds: make, use, quote, clear, settle, learn, in this order, world by world.
Lives here: settlement, learning, change of trade, the kernel over a batch. Not here: wishes (households.py), I/O."""

from typing import Any

import numpy as np

from worldtick.chance.compiled import compiled
from worldtick.economy.auction import BUCKETS_MAX, clear_book, share_ppm, surplus_of
from worldtick.economy.households import (
    BELIEF_MAX,
    DEMAND,
    EFFICIENCY,
    HISTORY,
    IDLE_HOURS_MAX,
    ORDERS,
    SUPPLY,
    VOLUME,
    WAITING,
    Book,
    Hour,
    Wishes,
    World,
    admit,
    consume,
    cut,
    gather,
    wish,
    work,
)


@compiled
def _remembered(world: Any, person: Any, c: Any, price: Any) -> Any:
    """The mean price of the person's remembered trades in a commodity, rounded down; `price` if there is none."""
    total = np.int64(0)
    count = np.int64(0)
    for k in range(HISTORY):
        if world.past_commodity[person, k] == c:
            total += world.past_price[person, k]
            count += 1
    return total // count if count > 0 else price


@compiled
def _remember(world: Any, person: Any, c: Any, price: Any) -> Any:
    place = world.past_next[person]
    world.past_price[person, place] = price
    world.past_commodity[person, place] = c
    world.past_next[person] = (place + 1) % HISTORY


@compiled
def _believe(world: Any, pair: Any, low: Any, high: Any) -> Any:
    """Store a belief, kept at least 1/16 wide and within 1 .. BELIEF_MAX."""
    middle = (low + high) >> 1
    least = (middle >> 5) + 1
    low = min(low, middle - least)
    high = max(high, middle + least)
    low = max(np.int64(1), min(low, np.int64(BELIEF_MAX - 1)))
    world.low[pair] = low
    world.high[pair] = max(low + 1, min(high, np.int64(BELIEF_MAX)))


@compiled
def _learn(
    world: Any, pair: Any, person: Any, c: Any, units: Any, quote: Any, filled: Any, price: Any, sign: Any
) -> Any:
    """Move one belief after one order. sign: 1 a buyer, -1 a seller; price: at which the market traded last."""
    low = np.int64(world.low[pair])
    high = np.int64(world.high[pair])
    middle = (low + high) >> 1
    if filled * 2 >= units:
        narrower = (high - low) >> 4
        move = ((price * 3 + _remembered(world, person, c, price)) // 4 - middle) >> 2
        low += narrower
        high -= narrower
    else:
        wider = (middle >> 6) + 1
        missed = (price - quote) * sign > 0  # the market traded beyond what this one offered
        move = (price - middle) >> 1 if missed else np.int64(0)
        move += sign * ((middle >> 6) + 1) if filled == 0 else np.int64(0)
        low -= wider
        high += wider
    most = (middle >> 5) + 1  # one hour's news moves nobody further: thin markets would swing
    move = max(-most, min(most, move))
    _believe(world, pair, low + move, high + move)


@compiled
def _settle(world: Any, book: Any, commodities: Any, c: Any, price: Any, sign: Any) -> Any:
    """Hand over goods and money of one side, then let each admitted order's owner learn. sign: 1 bids, -1 asks."""
    for i in range(book.pair.shape[0]):
        units = book.units[i]
        if units == 0:
            continue
        pair = book.pair[i]
        person = pair // commodities
        filled = book.filled[i]
        if filled > 0:
            world.money[person] -= sign * filled * price
            world.stock[pair] += sign * filled
            _remember(world, person, c, price)
        if sign > 0:
            world.hunger[pair] = min(255, units - filled)
        _learn(world, pair, person, c, units, book.price[i], filled, price, sign)


@compiled
def _clear_market(
    plan: Any, world: Any, wishes: Any, district: Any, c: Any, bid_room: Any, ask_room: Any, report: Any, scratch: Any
) -> Any:
    """Clear and settle one market and write its column of the report, all but its flows."""
    commodities = plan.spend_ppm.shape[0]
    market = district * commodities + c
    bid_count, ask_count, admitted, waiting = gather(plan, world, wishes, district, c, bid_room, ask_room)
    bids, asks = cut(bid_room, bid_count), cut(ask_room, ask_count)
    _, _, _, _, most = clear_book(
        bids.value, bids.wanted, bids.pair, asks.value, asks.wanted, asks.pair, bids.filled, asks.filled, scratch
    )
    volume, price, demand, supply, _ = clear_book(
        bids.price, bids.units, bids.pair, asks.price, asks.units, asks.pair, bids.filled, asks.filled, scratch
    )
    if volume > 0:
        world.price[market] = price
    gained = surplus_of(bids.value, bids.filled, asks.value, asks.filled)
    _settle(world, bids, commodities, c, world.price[market], 1)
    _settle(world, asks, commodities, c, world.price[market], -1)
    report[VOLUME, market] = volume
    report[DEMAND, market] = demand
    report[SUPPLY, market] = supply
    report[ORDERS, market] = admitted
    report[WAITING, market] = waiting
    report[EFFICIENCY, market] = share_ppm(gained, most)


@compiled
def _best_trade(plan: Any, world: Any, market: Any) -> Any:
    """The trade that earns most in an hour at the district's last prices; the first of equals."""
    best = 0
    most = np.int64(-1)
    for trade in range(plan.makes.shape[0]):
        worth = plan.batch_units[trade] * world.price[market + plan.makes[trade]]
        for c in range(plan.spend_ppm.shape[0]):
            worth -= plan.uses[trade, c] * world.price[market + c]
        if worth * plan.batches_milli[trade] > most:
            most = worth * plan.batches_milli[trade]
            best = trade
    return best


@compiled
def _change_trades(plan: Any, world: Any, district: Any) -> Any:
    """Whoever has been idle too long takes up the best paid trade, unless it is the last of its own in the district.

    Money, goods and beliefs stay with the person: nothing is made or lost.
    """
    first, end = plan.district_start[district], plan.district_start[district + 1]
    for person in range(first, end):
        if world.idle[person] < IDLE_HOURS_MAX:
            continue
        mates = 0
        for other in range(first, end):
            mates += world.trade[other] == world.trade[person]
        if mates > 1:
            world.trade[person] = _best_trade(plan, world, district * plan.spend_ppm.shape[0])
        world.idle[person] = 0


@compiled
def _live(plan: Any, world: Any, hour: Any, wishes: Any, bids: Any, asks: Any, report: Any, scratch: Any) -> Any:
    """One world's tick; (orders admitted, orders waiting)."""
    commodities = plan.spend_ppm.shape[0]
    districts = plan.district_start.shape[0] - 1
    for district in range(districts):
        market = district * commodities
        for person in range(plan.district_start[district], plan.district_start[district + 1]):
            work(plan, world, hour, person, market, report)
            consume(plan, world, hour, person, market, report)
            wish(plan, world, hour, person, market, wishes)
    used, waiting = admit(world, hour.market_orders, wishes)
    for district in range(districts):
        for c in range(commodities):
            _clear_market(plan, world, wishes, district, c, bids, asks, report, scratch)
        _change_trades(plan, world, district)
    return used, waiting


@compiled
def _side(room: Any) -> Any:
    return Book(room[0], room[1], room[2], room[3], room[4], room[5])


@compiled
def live_worlds(
    plan: Any, wide: Any, narrow: Any, small: Any, hours: Any, chance: Any, factors: Any, reports: Any, counts: Any
) -> Any:
    """Step W worlds of one plan in place, one after another: what a world becomes does not depend on its neighbours.

    wide (W, n + M) int64: money, price. narrow (W, 4 P + HISTORY n) int32: low, high, stock, waited, past_price.
    small (W, P + (HISTORY + 3) n) uint8: hunger, past_commodity, past_next, trade, idle.
    hours (W, 3) int64: hour, hours, market_orders. chance (W, 2) uint64: seed, seq.
    factors (W, 2, M) int64 ppm: supply, demand. reports (W, REPORT_ROWS, M) int64, zeros. counts (W, 2) int64.
    """
    commodities = plan.spend_ppm.shape[0]
    n = plan.district_start[-1]
    p = n * commodities
    wishes = Wishes(np.empty(p, np.int64), np.empty(p, np.int64), np.empty(p, np.bool_))
    bids, asks = _side(np.empty((6, n), np.int64)), _side(np.empty((6, n), np.int64))
    scratch = np.empty(BUCKETS_MAX, np.int64)
    for w in range(wide.shape[0]):
        row, byte = narrow[w], small[w]
        end = p + HISTORY * n
        world = World(
            wide[w, :n], wide[w, n:], row[:p], row[p : 2 * p], row[2 * p : 3 * p], row[3 * p : 4 * p],
            row[4 * p :].reshape(n, HISTORY), byte[p:end].reshape(n, HISTORY), byte[end : end + n], byte[:p],
            byte[end + n : end + 2 * n], byte[end + 2 * n :],
        )  # fmt: skip
        hour = Hour(chance[w, 0], chance[w, 1], hours[w, 0], hours[w, 1], hours[w, 2], factors[w, 0], factors[w, 1])
        counts[w, 0], counts[w, 1] = _live(plan, world, hour, wishes, bids, asks, reports[w], scratch)
