"""The households: they make and use goods, set money aside, and quote prices that they believe in.
Lives here: one world's state as kernels see it, its work, its wishes. Not here: clearing (auction), learning (beliefs).

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


class World(NamedTuple):
    """One world's state, changed in place. P = n x C pairs, at person x C + commodity; M = D x C markets."""

    money: Any  # (n,) int64, price ticks
    price: Any  # (M,) int64, the last price at which anything traded, price ticks
    low: Any  # (P,) int32, believed price range, price ticks
    high: Any  # (P,) int32
    stock: Any  # (P,) int32, units
    purse: Any  # (P,) int32, price ticks that a household has set aside for a commodity and not spent yet
    past_price: Any  # (n, HISTORY) int32, price ticks; a ring of the person's last trades
    waited: Any  # (P,) uint16, ticks that a wish to trade has waited for a place in the budget
    past_commodity: Any  # (n, HISTORY) uint8, NO_TRADE where empty
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
    sold_meanwhile = plan.batch_units[trade] * plan.batches_milli[trade] * (hour.hours - 1) // MILLI
    room = max(0, plan.store_units[trade] + sold_meanwhile - world.stock[pair + made])
    batches = min(batches, room // plan.batch_units[trade])
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
def _save(plan: Any, world: Any, hour: Any, person: Any, c: Any, demand_ppm: Any) -> Any:
    """Set the hour's share of the person's money aside for a commodity; the share, price ticks.

    What was not spent stays, up to PURSE_HOURS of it or the price of one unit.
    """
    pair = person * plan.spend_ppm.shape[0] + c
    most = world.money[person] // 4
    share = min(most, min(most, world.money[person] * plan.spend_ppm[c] // PPM * hour.hours) * demand_ppm // PPM)
    room = max(share * PURSE_HOURS, np.int64(world.high[pair])) if share > 0 else 0
    world.purse[pair] = min(world.purse[pair] + share, room, PURSE_MAX)
    return share


@compiled
def _offer(plan: Any, world: Any, hour: Any, pair: Any, trade: Any, place: Any) -> Any:
    """(units, place in the belief) of a maker's ask: the fuller the store, the nearer to the lowest price."""
    over = max(np.int64(0), np.int64(world.stock[pair]) - plan.larder_units[plan.makes[trade]])
    pace = plan.batch_units[trade] * plan.batches_milli[trade] * hour.hours // MILLI
    full = plan.store_units[trade]
    return min(over, pace + 1 + (over >> 3)), place - place * min(over, full) // full


@compiled
def wish(plan: Any, world: Any, hour: Any, person: Any, market: Any, wishes: Any) -> Any:
    """Set units and quote of all of one person's pairs; bids together never exceed its money."""
    trade = world.trade[person]
    commodities = plan.spend_ppm.shape[0]
    first = person * commodities
    pays = _pays(plan, world, first, trade)
    free = world.money[person]
    words = block(hour.seed, hour.seq, np.uint64(person), QUOTE, np.uint64(0))
    for c in range(commodities):
        if c & 3 == 0 and c > 0:
            words = block(hour.seed, hour.seq, np.uint64(person), QUOTE, np.uint64(c >> 2))
        pair = first + c
        width = np.int64(world.high[pair]) - world.low[pair]
        place = np.int64(words[c & 3] & LOW_HALF) * (width + 1) >> 32
        uses = plan.uses[trade, c]
        if c == plan.makes[trade]:
            units, place = _offer(plan, world, hour, pair, trade, place)
            quote = world.low[pair] + place
        elif uses > 0:
            enough = uses * max(1, plan.batches_milli[trade] * max(INPUT_HOURS, hour.hours) // MILLI)
            units = max(np.int64(0), enough - world.stock[pair]) if pays else np.int64(0)
            quote = world.low[pair] + place + (width - place) * units // enough  # the less it has, the dearer
            units = min(units, free // quote)
        else:
            share = _save(plan, world, hour, person, c, hour.demand_ppm[market + c])
            saved = max(0, world.purse[pair] - max(share, np.int64(world.low[pair])))
            most = share * (PURSE_HOURS - 1)
            quote = world.low[pair] + place
            quote += (width - place) * min(saved, most) // max(1, most)  # the longer it has gone without, the dearer
            units = min(world.purse[pair], free) // quote
        wishes.units[pair] = min(units, ORDER_UNITS_MAX)
        wishes.quote[pair] = quote
        if c != plan.makes[trade]:
            free -= wishes.units[pair] * quote


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
