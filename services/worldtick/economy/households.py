"""The households: they make and use goods, quote prices that they believe in, settle, and learn.
Lives here: one world's hour as integer kernels. Not here: how a book clears (auction.py), batches (market.py).

The agents are BazaarBot's (Doran & Parberry, "Emergent economies for role playing games", 2010): inventory, money,
and for each commodity a believed price range [low, high] that narrows with success, widens and moves with failure.
docs/ECONOMY.md says where ours differ and why.
"""

from typing import Any, NamedTuple

import numpy as np

from worldtick.chance.compiled import compiled
from worldtick.chance.philox import block
from worldtick.chance.streams import ChanceStream

HISTORY = 10  # trades that a person remembers
NO_TRADE = 255  # an empty place in the history
BELIEF_MAX = 100_000_000  # price ticks
HUNGER_HOURS = 6  # a household goes on wanting what it could not get, up to what so many hours would buy
IDLE_HOURS_MAX = 48  # a person with nothing to make and nothing to sell for so long takes up another trade
INPUT_HOURS = 8  # a trade keeps inputs for so many hours of work
MILLI = 1000
PPM = 1_000_000
PHASE_STEP = 617  # spreads the persons' odd units over the hours; prime to 1000
QUOTE = np.uint64(ChanceStream.ECONOMY_QUOTE)
LOW_HALF = np.uint64(0xFFFFFFFF)
HALF_BITS = np.uint64(32)


class World(NamedTuple):
    """One world's state, changed in place. P = n x C pairs, at person x C + commodity; M = D x C markets."""

    money: Any  # (n,) int64, price ticks
    price: Any  # (M,) int64, the last price at which anything traded, price ticks
    low: Any  # (P,) int32, believed price range, price ticks
    high: Any  # (P,) int32
    stock: Any  # (P,) int32, units
    waited: Any  # (P,) int32, ticks that a wish to trade has waited for a place in the budget
    past_price: Any  # (n, HISTORY) int32, price ticks; a ring of the person's last trades
    past_commodity: Any  # (n, HISTORY) uint8, NO_TRADE where empty
    past_next: Any  # (n,) uint8, the place that the next trade takes
    hunger: Any  # (P,) uint8, units that a household wanted and did not get
    trade: Any  # (n,) uint8
    idle: Any  # (n,) uint8, hours without work or wares


class Hour(NamedTuple):
    """What a tick tells one world; integers."""

    seed: Any  # uint64
    seq: Any  # uint64
    hour: Any  # int64, world hours since the epoch at the tick's end
    hours: Any  # int64, how many of them the tick spans
    market_orders: Any  # int64, the budget
    supply_ppm: Any  # (M,) int64, factor on production
    demand_ppm: Any  # (M,) int64, factor on households' wishes


class Wishes(NamedTuple):
    """Scratch of one world: what each pair wants to trade this tick."""

    units: Any  # (P,) int64, 0 = nothing
    quote: Any  # (P,) int64, price ticks
    admitted: Any  # (P,) bool, within the budget


class Book(NamedTuple):
    """Scratch of one side of one market, (n,) int64 each, of which the first `count` are used."""

    pair: Any
    price: Any
    value: Any  # what the unit is worth to its owner: the far end of its belief
    units: Any  # 0 for an order that the budget keeps waiting
    wanted: Any  # the same with those that wait
    filled: Any


# Rows of a world's report, (REPORT_ROWS, M).
VOLUME, DEMAND, SUPPLY, ORDERS, EFFICIENCY, MADE, INPUTS, EATEN, WAITING = range(9)
REPORT_ROWS = 9


@compiled
def _flow(rate_milli: Any, ppm: Any, hour: Any, hours: Any, person: Any) -> Any:
    """Whole units that a rate gives in the `hours` up to `hour`; over time exactly the rate, though no rest is kept."""
    rate = rate_milli * ppm // PPM
    phase = person * PHASE_STEP % MILLI
    return (hour * rate + phase) // MILLI - ((hour - hours) * rate + phase) // MILLI


@compiled
def work(plan: Any, world: Any, hour: Any, person: Any, market: Any, report: Any) -> Any:
    """Make what inputs, time and room allow; note whether the person is idle. `market`: the district's first."""
    trade = world.trade[person]
    made = plan.makes[trade]
    commodities = plan.spend_ppm.shape[0]
    pair = person * commodities
    batches = _flow(plan.batches_milli[trade], hour.supply_ppm[market + made], hour.hour, hour.hours, person)
    batches = min(batches, max(0, plan.store_units[trade] - world.stock[pair + made]) // plan.batch_units[trade])
    lacking = False
    for c in range(commodities):
        uses = plan.uses[trade, c]
        if uses > 0:
            lacking = lacking or world.stock[pair + c] < uses
            batches = min(batches, world.stock[pair + c] // uses)
    for c in range(commodities):
        used = batches * plan.uses[trade, c]
        world.stock[pair + c] -= used
        report[INPUTS, market + c] += used
    world.stock[pair + made] += batches * plan.batch_units[trade]
    report[MADE, market + made] += batches * plan.batch_units[trade]
    idle = lacking and world.stock[pair + made] == 0
    world.idle[person] = min(255, world.idle[person] + hour.hours) if idle else 0


@compiled
def consume(plan: Any, world: Any, hour: Any, person: Any, market: Any, report: Any) -> Any:
    """A household uses up what it needs, and of what its larder cannot hold a quarter in an hour.

    The inputs of its own trade it leaves alone; of its own product it takes only what it needs.
    """
    trade = world.trade[person]
    commodities = plan.spend_ppm.shape[0]
    for c in range(commodities):
        pair = person * commodities + c
        if plan.uses[trade, c] == 0 and world.stock[pair] > 0:
            need = _flow(plan.need_milli[c], hour.demand_ppm[market + c], hour.hour, hour.hours, person)
            over = world.stock[pair] - plan.larder_units[c]
            if over > 0 and c != plan.makes[trade]:
                need += (over + 3) >> 2
            eaten = min(world.stock[pair], need)
            world.stock[pair] -= eaten
            report[EATEN, market + c] += eaten


@compiled
def _pays(plan: Any, world: Any, pair: Any, trade: Any) -> Any:
    """Whether a batch is worth more than its inputs, by the person's own beliefs; `pair`: the person's first."""
    made = plan.makes[trade]
    worth = plan.batch_units[trade] * (world.low[pair + made] + world.high[pair + made])
    for c in range(plan.spend_ppm.shape[0]):
        worth -= plan.uses[trade, c] * (world.low[pair + c] + world.high[pair + c])
    return worth > 0


@compiled
def _household_units(plan: Any, world: Any, hour: Any, person: Any, c: Any, demand_ppm: Any, odd: Any) -> Any:
    """Units that a household wants to buy: a share of its money, by its own idea of the price.

    odd: 32 random bits that round the share to whole units, fairly.
    """
    pair = person * plan.spend_ppm.shape[0] + c
    most = world.money[person] // 4
    share = min(most, min(most, world.money[person] * plan.spend_ppm[c] // PPM * hour.hours) * demand_ppm // PPM)
    middle = (np.int64(world.low[pair]) + world.high[pair]) >> 1
    fresh = (share + (odd * middle >> 32)) // middle
    return fresh + min(np.int64(world.hunger[pair]), (share * HUNGER_HOURS) // middle + 1)


@compiled
def wish(plan: Any, world: Any, hour: Any, person: Any, market: Any, wishes: Any) -> Any:
    """Set units and quote of all of one person's pairs; bids together never exceed its money."""
    trade = world.trade[person]
    commodities = plan.spend_ppm.shape[0]
    first = person * commodities
    made = plan.makes[trade]
    pays = _pays(plan, world, first, trade)
    free = world.money[person]
    words = block(hour.seed, hour.seq, np.uint64(person), QUOTE, np.uint64(0))
    for c in range(commodities):
        if c & 3 == 0 and c > 0:
            words = block(hour.seed, hour.seq, np.uint64(person), QUOTE, np.uint64(c >> 2))
        word = words[c & 3]
        pair = first + c
        width = np.int64(world.high[pair]) - world.low[pair]
        place = np.int64(word & LOW_HALF) * (width + 1) >> 32
        uses = plan.uses[trade, c]
        if c == made:
            over = max(np.int64(0), np.int64(world.stock[pair]) - plan.larder_units[c])
            pace = plan.batch_units[trade] * plan.batches_milli[trade] * hour.hours // MILLI
            units = min(over, pace + 1 + (over >> 3))
            full = plan.store_units[trade]
            place -= place * min(over, full) // full  # the fuller the store, the nearer to the lowest price
        else:
            if uses > 0:
                enough = uses * max(1, plan.batches_milli[trade] * max(INPUT_HOURS, hour.hours) // MILLI)
                units = max(np.int64(0), enough - world.stock[pair]) if pays else np.int64(0)
                place += (width - place) * units // enough  # the less it has, the nearer to the highest price
            else:
                odd = np.int64(word >> HALF_BITS)
                units = _household_units(plan, world, hour, person, c, hour.demand_ppm[market + c], odd)
                place += (width - place) * min(units, np.int64(world.hunger[pair])) // max(units, 1)  # so the hungrier
        quote = world.low[pair] + place
        if c != made and units > 0:
            units = min(units, free // quote)
            free -= units * quote
        wishes.units[pair] = units
        wishes.quote[pair] = quote


@compiled
def admit(world: Any, market_orders: Any, wishes: Any) -> Any:
    """Let the longest waiting wishes in, as many as the budget has places; (admitted, waiting). Ties: lowest pair."""
    count = 0
    for pair in range(wishes.units.shape[0]):
        wishes.admitted[pair] = wishes.units[pair] > 0
        count += wishes.admitted[pair]
    if count > market_orders:
        keys = np.empty(count, np.int64)
        k = 0
        for pair in range(wishes.units.shape[0]):
            if wishes.admitted[pair]:
                keys[k] = pair - (np.int64(world.waited[pair]) << 32)
                wishes.admitted[pair] = False
                k += 1
        keys.sort()
        for k in range(market_orders):
            wishes.admitted[keys[k] & 0xFFFFFFFF] = True
    for pair in range(wishes.units.shape[0]):
        waits = wishes.units[pair] > 0 and not wishes.admitted[pair]
        world.waited[pair] = world.waited[pair] + 1 if waits else 0
    return min(count, market_orders), max(0, count - market_orders)


@compiled
def gather(plan: Any, world: Any, wishes: Any, district: Any, c: Any, bids: Any, asks: Any) -> Any:
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
        if plan.makes[world.trade[person]] == c:
            asks.pair[ask_count] = pair
            asks.price[ask_count] = wishes.quote[pair]
            asks.value[ask_count] = world.low[pair]
            asks.wanted[ask_count] = units
            asks.units[ask_count] = units if within else 0
            ask_count += 1
        else:
            bids.pair[bid_count] = pair
            bids.price[bid_count] = wishes.quote[pair]
            bids.value[bid_count] = world.high[pair]
            bids.wanted[bid_count] = units
            bids.units[bid_count] = units if within else 0
            bid_count += 1
    return bid_count, ask_count, admitted, waiting


@compiled
def cut(book: Any, count: Any) -> Any:
    """The used part of a side."""
    return Book(
        book.pair[:count], book.price[:count], book.value[:count], book.units[:count], book.wanted[:count],
        book.filled[:count],
    )  # fmt: skip
