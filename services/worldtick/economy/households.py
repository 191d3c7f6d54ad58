"""The households: they make and use goods, set money aside, and quote prices that they believe in.
Lives here: one world's state as kernels see it, its work, its wishes. Not here: clearing (auction), learning (beliefs).

The agents are BazaarBot's (Doran & Parberry, "Emergent economies for role playing games", 2010): inventory, money,
and for each commodity a believed price range [low, high] that narrows with success, widens and moves with failure.
docs/ECONOMY.md says where ours differ and why.

A kernel here loops over all persons of a district: a call costs numba an atomic count for each array that it is given,
and for a person that took longer than its work. What is called for one person or pair takes plain numbers only.
"""

from typing import Any, NamedTuple

import numpy as np

from worldtick.chance.compiled import compiled
from worldtick.chance.philox import block
from worldtick.chance.streams import ChanceStream

HISTORY = 10  # trades that a person remembers
NO_TRADE = 255  # an empty place in the history
BELIEF_MAX = 100_000_000  # price ticks
PURSE_MAX = (1 << 31) - 1  # price ticks
ORDER_UNITS_MAX = 80_000  # of one order: 100,000 people's orders then stay within auction.UNITS_MAX
WAITED_MAX = 65_535
PURSE_HOURS = 6  # what a household could not spend it goes on wanting to, up to what it gives out in so many hours
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
    purse: Any  # (P,) int32, price ticks that a household has set aside for a commodity and not spent yet
    past_price: Any  # (n x HISTORY,) int32, price ticks; a ring of each person's last trades
    waited: Any  # (P,) uint16, ticks that a wish to trade has waited for a place in the budget
    past_commodity: Any  # (n x HISTORY,) uint8, NO_TRADE where empty
    past_next: Any  # (n,) uint8, the place that the next trade takes
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


# Rows of a world's report, (REPORT_ROWS, M).
VOLUME, DEMAND, SUPPLY, ORDERS, EFFICIENCY, MADE, INPUTS, EATEN, WAITING = range(9)
REPORT_ROWS = 9


@compiled
def whole(dividend: Any, divisor: Any) -> Any:
    """dividend // divisor for 0 <= dividend < 2^53 and 0 < divisor < 2^53.

    Exact: both are whole in float64, and the quotient's rounding cannot reach the next whole number while
    dividend < 2^53. A quarter of the time of the machine's 64-bit integer division.
    """
    return np.int64(np.float64(dividend) / np.float64(divisor))


@compiled
def _flow(rate_milli: Any, ppm: Any, hour: Any, hours: Any, person: Any) -> Any:
    """Whole units that a rate gives in the `hours` up to `hour`; over time exactly the rate, though no rest is kept."""
    rate = rate_milli * ppm // PPM
    phase = person * PHASE_STEP % MILLI
    return (hour * rate + phase) // MILLI - ((hour - hours) * rate + phase) // MILLI


@compiled
def work(plan: Any, world: Any, hour: Any, district: Any, report: Any) -> Any:
    """Everybody makes what inputs, time and room allow; note who is idle."""
    commodities = plan.spend_ppm.shape[0]
    market = district * commodities
    for person in range(plan.district_start[district], plan.district_start[district + 1]):
        trade = world.trade[person]
        made = plan.makes[trade]
        pair = person * commodities
        batches = _flow(plan.batches_milli[trade], hour.supply_ppm[market + made], hour.hour, hour.hours, person)
        sold_meanwhile = plan.batch_units[trade] * plan.batches_milli[trade] * (hour.hours - 1) // MILLI
        room = max(0, plan.store_units[trade] + sold_meanwhile - world.stock[pair + made])
        batches = min(batches, whole(room, plan.batch_units[trade]))
        lacking = False
        for c in range(commodities):
            uses = plan.uses[trade, c]
            if uses > 0:
                lacking = lacking or world.stock[pair + c] < uses
                batches = min(batches, whole(world.stock[pair + c], uses))
        for c in range(commodities):
            used = batches * plan.uses[trade, c]
            world.stock[pair + c] -= used
            report[INPUTS, market + c] += used
        world.stock[pair + made] += batches * plan.batch_units[trade]
        report[MADE, market + made] += batches * plan.batch_units[trade]
        idle = lacking and world.stock[pair + made] == 0
        world.idle[person] = min(255, world.idle[person] + hour.hours) if idle else 0


@compiled
def consume(plan: Any, world: Any, hour: Any, district: Any, report: Any) -> Any:
    """A household uses up what it needs, and of what its larder cannot hold a quarter in an hour.

    The inputs of its own trade it leaves alone; of its own product it takes only what it needs.
    """
    commodities = plan.spend_ppm.shape[0]
    market = district * commodities
    for person in range(plan.district_start[district], plan.district_start[district + 1]):
        trade = world.trade[person]
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
def _share(money: Any, spend_ppm: Any, hours: Any, demand_ppm: Any) -> Any:
    """What a household sets aside for a commodity in a tick, price ticks: at most a quarter of its money."""
    most = money >> 2
    return min(most, min(most, money * spend_ppm // PPM * hours) * demand_ppm // PPM)


@compiled
def _offer(stock: Any, larder: Any, batch_units: Any, batches_milli: Any, hours: Any, full: Any, place: Any) -> Any:
    """(units, place in the belief) of a maker's ask: the fuller the store, the nearer to the lowest price."""
    over = max(np.int64(0), np.int64(stock) - larder)
    pace = batch_units * batches_milli * hours // MILLI
    return min(over, pace + 1 + (over >> 3)), place - whole(place * min(over, full), full)


@compiled
def wish(plan: Any, world: Any, hour: Any, district: Any, wishes: Any) -> Any:
    """Set units and quote of every pair of a district; one person's bids together never exceed its money."""
    commodities = plan.spend_ppm.shape[0]
    market = district * commodities
    for person in range(plan.district_start[district], plan.district_start[district + 1]):
        trade = world.trade[person]
        made = plan.makes[trade]
        first = person * commodities
        gain = plan.batch_units[trade] * (np.int64(world.low[first + made]) + world.high[first + made])
        for c in range(commodities):
            gain -= plan.uses[trade, c] * (np.int64(world.low[first + c]) + world.high[first + c])
        free = world.money[person]
        words = block(hour.seed, hour.seq, np.uint64(person), QUOTE, np.uint64(0))
        for c in range(commodities):
            if c & 7 == 0 and c > 0:
                words = block(hour.seed, hour.seq, np.uint64(person), QUOTE, np.uint64(c >> 3))
            word = words[(c & 7) >> 1]
            half = np.int64(word & LOW_HALF if c & 1 == 0 else word >> HALF_BITS)
            pair = np.uint64(first + c)
            low = np.int64(world.low[pair])
            width = world.high[pair] - low
            place = half * (width + 1) >> 32
            uses = plan.uses[trade, c]
            if c == made:
                units, place = _offer(
                    world.stock[pair], plan.larder_units[made], plan.batch_units[trade], plan.batches_milli[trade],
                    hour.hours, plan.store_units[trade], place,
                )  # fmt: skip
                wishes.units[pair] = min(units, ORDER_UNITS_MAX)
                wishes.quote[pair] = low + place
                continue
            if uses > 0:
                enough = uses * max(1, plan.batches_milli[trade] * max(INPUT_HOURS, hour.hours) // MILLI)
                units = max(np.int64(0), enough - world.stock[pair]) if gain > 0 else np.int64(0)
                quote = low + place + whole((width - place) * units, enough)  # the less it has, the dearer
                units = min(units, whole(free, quote))
            else:
                share = _share(world.money[person], plan.spend_ppm[c], hour.hours, hour.demand_ppm[market + c])
                room = max(share * PURSE_HOURS, np.int64(world.high[pair])) if share > 0 else np.int64(0)
                purse = min(world.purse[pair] + share, room, np.int64(PURSE_MAX))
                saved = min(max(np.int64(0), purse - max(share, low)), share * (PURSE_HOURS - 1))
                most = max(np.int64(1), share * (PURSE_HOURS - 1))
                quote = low + place + whole((width - place) * saved, most)  # the longer without it, the dearer
                units = whole(min(purse, free), quote)
                world.purse[pair] = purse
            units = min(units, ORDER_UNITS_MAX)
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
        world.waited[pair] = min(WAITED_MAX, np.int64(world.waited[pair]) + 1) if waits else 0
    return min(count, market_orders), max(0, count - market_orders)
