"""The households: they make and use goods, set money aside, and quote prices that they believe in.
Lives here: one world's state as kernels see it, its work, its wishes. Not here: clearing (auction), learning (beliefs).

The agents are BazaarBot's (Doran & Parberry, "Emergent economies for role playing games", 2010): inventory, money,
and for each commodity a believed price range [low, high] that narrows with success, widens and moves with failure.
docs/ECONOMY.md says where ours differ and why.

Kernels here take TILE people at a time, commodity by commodity, and choose by selection, not by branching: so loops
become vector instructions. That also needs to know that rows do not overlap: a tile is one array, and its rows begin at
constant places in it. Halves of a branch that does not apply are computed too, on harmless operands.
"""

from typing import Any, NamedTuple

import numpy as np

from worldtick.chance.compiled import compiled, spliced
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
QUOTE_STREAM = np.uint64(ChanceStream.ECONOMY_QUOTE)
LOW_HALF = np.int64(0xFFFFFFFF)

TILE = 128  # people that pass through a kernel together; a tile of them stays in the nearest cache
TILE_ROWS = 16
WORD_ROWS = 4  # of a second tile: random words for eight commodities
# Rows of a tile, int64: of a person, by its trade and purse
PHASE, BATCHES, ROOM, LACKING, HELD, FULL, PACE, STOCKED, MONEY, FREE, GAIN = (row * TILE for row in range(11))
# ... of a person and the commodity at hand; a row that is read for the last time may be written as another
NET, LOW, HIGH, STOCK, PURSE = (row * TILE for row in range(11, 16))
WANTED, QUOTE = STOCK, LOW

# Rows of a district's rates by trade, (RATES, T) int64
FLOW, LATER, EARLIER, STORE, PACES, STOCKS = range(6)
RATES = 6


class World(NamedTuple):
    """One world's state, changed in place. n persons, C commodities, M = districts x C markets."""

    money: Any  # (n,) int64, price ticks
    price: Any  # (M,) int64, the last price at which anything traded, price ticks
    low: Any  # (C, n) int32, believed price range, price ticks
    high: Any  # (C, n) int32
    stock: Any  # (C, n) int32, units
    purse: Any  # (C, n) int32, price ticks that a household has set aside for a commodity and not spent yet
    past_price: Any  # (HISTORY, n) int32, price ticks; a ring of each person's last trades
    waited: Any  # (C, n) uint16, ticks that a wish to trade has waited for a place in the budget
    past_commodity: Any  # (HISTORY, n) uint8, NO_TRADE where empty
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
    """Scratch of one world: what each person wants to trade of each commodity this tick, and what it is to it."""

    wanted: Any  # (C, n) int32 units, 0 = nothing
    units: Any  # (C, n) int32, the same within the budget: 0 for a wish that waits
    quote: Any  # (C, n) int32, price ticks
    net: Any  # (C, n) int32: units that a batch of a person's trade makes; below 0, that it uses


# Rows of a world's report, (REPORT_ROWS, M).
VOLUME, DEMAND, SUPPLY, ORDERS, EFFICIENCY, MADE, INPUTS, EATEN, WAITING = range(9)
REPORT_ROWS = 9


@compiled
def whole(dividend: Any, divisor: Any) -> Any:
    """dividend // divisor for 0 <= dividend < 2^53 and 0 < divisor < 2^53.

    Exact: both are whole in float64, and the quotient's rounding cannot reach the next whole number while
    dividend < 2^53. A quarter of the time of the machine's 64-bit integer division, and vector instructions have it.
    """
    return np.int64(np.float64(dividend) / np.float64(divisor))


@compiled
def pick(condition: Any, yes: Any, no: Any) -> Any:
    """yes if condition else no, for integers, both computed: where branches would hinder vector instructions."""
    return no ^ ((no ^ yes) & -np.int64(condition))


@compiled
def millionth(amount: Any) -> Any:
    """amount // 1,000,000 for 0 <= amount < 2^63: the quotient in floating point is off by one at most."""
    quotient = np.int64(np.float64(amount) / np.float64(PPM))
    rest = amount - quotient * PPM
    return quotient + np.int64(rest >= PPM) - np.int64(rest < 0)


@spliced
def set_rates(plan: Any, hour: Any, market: Any, rates: Any) -> None:
    """What a district's trades can do in a tick, by trade."""
    for trade in range(plan.makes.shape[0]):
        milli = plan.batches_milli[trade]
        rate = milli * hour.supply_ppm[market + plan.makes[trade]] // PPM
        flow, later, earlier = _flow(rate, hour)
        rates[FLOW, trade] = flow
        rates[LATER, trade] = later
        rates[EARLIER, trade] = earlier
        rates[STORE, trade] = plan.store_units[trade] + plan.batch_units[trade] * milli * (hour.hours - 1) // MILLI
        rates[PACES, trade] = plan.batch_units[trade] * milli * hour.hours // MILLI
        rates[STOCKS, trade] = max(1, milli * max(INPUT_HOURS, hour.hours) // MILLI)


@compiled
def _flow(rate: Any, hour: Any) -> Any:
    """Whole units that a rate (milli) gives in the hours up to now; over time exactly the rate, though no rest is kept.

    (a, b, c): a person of a phase in 0 .. 999 gets a + (phase + b >= 1000) - (phase + c >= 1000), which is
    (now x rate + phase) // 1000 - (then x rate + phase) // 1000.
    """
    later = hour.hour * rate
    earlier = (hour.hour - hour.hours) * rate
    return later // MILLI - earlier // MILLI, later % MILLI, earlier % MILLI


@spliced
def work(
    plan: Any, world: Any, hour: Any, market: Any, first: Any, end: Any, rates: Any, t: Any, wishes: Any, report: Any
) -> None:
    """Everybody of a tile makes what inputs, time and room allow; note who is idle. Then households consume."""
    _begin(plan, world, first, end, rates, t, wishes.net)
    for c in range(plan.spend_ppm.shape[0]):
        _limit(wishes.net[c][first:end], world.stock[c][first:end], t)
    for c in range(plan.spend_ppm.shape[0]):
        flow, later, earlier = _flow(plan.need_milli[c] * hour.demand_ppm[market + c] // PPM, hour)
        made, inputs, eaten = _make_and_use(
            wishes.net[c][first:end], world.stock[c][first:end], plan.larder_units[c], flow, later, earlier, t
        )
        report[MADE, market + c] += made
        report[INPUTS, market + c] += inputs
        report[EATEN, market + c] += eaten
    _note_idle(world.idle[first:end], hour.hours, t)


@spliced
def _begin(plan: Any, world: Any, first: Any, end: Any, rates: Any, t: Any, net: Any) -> None:
    """Look up all that depends on a person's trade: what follows has no index that is not a place in a tile."""
    for person in range(first, end):
        i = person - first
        trade = np.uint64(world.trade[person])
        phase = person * PHASE_STEP % MILLI
        later, earlier = rates[LATER, trade] + phase, rates[EARLIER, trade] + phase
        t[PHASE + i] = phase
        t[BATCHES + i] = rates[FLOW, trade] + np.int64(later >= MILLI) - np.int64(earlier >= MILLI)
        t[ROOM + i] = rates[STORE, trade]
        t[FULL + i] = plan.store_units[trade]
        t[PACE + i] = rates[PACES, trade]
        t[STOCKED + i] = rates[STOCKS, trade]
        t[MONEY + i] = world.money[person]
        t[FREE + i] = world.money[person]
        t[GAIN + i] = 0
        t[LACKING + i] = 0
        t[HELD + i] = 0
    for c in range(plan.spend_ppm.shape[0]):
        row = net[c]
        for person in range(first, end):
            row[person] = plan.net[np.uint64(world.trade[person]), c]


@compiled
def _limit(net_of: Any, stock: Any, t: Any) -> None:
    """Lower the batches of a tile's people to what one commodity allows: room for a product, enough of an input."""
    for i in range(stock.shape[0]):
        net, held, room, batches = np.int64(net_of[i]), np.int64(stock[i]), t[ROOM + i], t[BATCHES + i]
        most = whole(pick(net > 0, max(np.int64(0), room - held), held), max(np.int64(1), abs(net)))
        t[BATCHES + i] = min(batches, pick(net == 0, batches, most))
        t[LACKING + i] |= np.int64(held + net < 0)


@compiled
def _make_and_use(net_of: Any, stock: Any, larder: Any, flow: Any, later: Any, earlier: Any, t: Any) -> Any:
    """Make a commodity, use it up as input, then eat of it; (made, used as input, eaten) by all.

    A household uses up what it needs, and of what its larder cannot hold a quarter in an hour. The inputs of its own
    trade it leaves alone; of its own product it takes only what it needs.
    """
    all_made = all_inputs = all_eaten = np.int64(0)
    for i in range(stock.shape[0]):
        net = np.int64(net_of[i])
        change = t[BATCHES + i] * net
        held = stock[i] + change
        t[HELD + i] = held if net > 0 else t[HELD + i]
        need = flow + np.int64(t[PHASE + i] + later >= MILLI) - np.int64(t[PHASE + i] + earlier >= MILLI)
        need += (max(np.int64(0), held - larder) + 3) >> 2 if net == 0 else np.int64(0)
        eaten = min(held, need) if net >= 0 else np.int64(0)
        stock[i] = held - eaten
        all_made += max(np.int64(0), change)
        all_inputs -= min(np.int64(0), change)
        all_eaten += eaten
    return all_made, all_inputs, all_eaten


@spliced
def _note_idle(idle: Any, hours: Any, t: Any) -> None:
    for i in range(idle.shape[0]):
        stands = (t[LACKING + i] != 0) & (t[HELD + i] == 0)
        idle[i] = min(255, idle[i] + hours) if stands else 0


@spliced
def wish(plan: Any, world: Any, hour: Any, market: Any, first: Any, end: Any, t: Any, words: Any, wishes: Any) -> None:
    """Set units and quotes of a tile's people; one person's bids together never exceed its money."""
    for c in range(plan.spend_ppm.shape[0]):
        _add_gain(wishes.net[c][first:end], world.low[c][first:end], world.high[c][first:end], t)
    for c in range(plan.spend_ppm.shape[0]):
        if c & 7 == 0:
            _draw(hour.seed, hour.seq, first, end, np.uint64(c >> 3), words)
        _load(
            wishes.net[c][first:end], world.low[c][first:end], world.high[c][first:end],
            world.stock[c][first:end], world.purse[c][first:end], t,
        )  # fmt: skip
        word = words[((c & 7) >> 1) * TILE :][: end - first]
        demand_ppm = hour.demand_ppm[market + c]
        _quote(word, (c & 1) * 32, plan.spend_ppm[c], hour.hours, demand_ppm, plan.larder_units[c], t)
        _store(world.purse[c][first:end], wishes.wanted[c][first:end], wishes.quote[c][first:end], t)


@compiled
def _load(net: Any, low: Any, high: Any, stock: Any, purse: Any, t: Any) -> None:
    """Copy what concerns one commodity into a tile's rows."""
    for i in range(net.shape[0]):
        t[NET + i] = net[i]
        t[LOW + i] = low[i]
        t[HIGH + i] = high[i]
        t[STOCK + i] = stock[i]
        t[PURSE + i] = purse[i]


@compiled
def _store(purse: Any, wanted: Any, quote: Any, t: Any) -> None:
    """Copy a tile's rows back."""
    for i in range(purse.shape[0]):
        purse[i] = t[PURSE + i]
        wanted[i] = t[WANTED + i]
        quote[i] = t[QUOTE + i]


@compiled
def _add_gain(net: Any, low: Any, high: Any, t: Any) -> None:
    """Twice what a batch gains, by a person's own beliefs."""
    for i in range(low.shape[0]):
        t[GAIN + i] += np.int64(net[i]) * (np.int64(low[i]) + high[i])


@compiled
def _draw(seed: Any, seq: Any, first: Any, end: Any, page: Any, words: Any) -> None:
    """Random words for eight commodities of each person of a tile."""
    for i in range(end - first):
        word0, word1, word2, word3 = block(seed, seq, np.uint64(first + i), QUOTE_STREAM, page)
        words[i] = np.int64(word0)
        words[TILE + i] = np.int64(word1)
        words[2 * TILE + i] = np.int64(word2)
        words[3 * TILE + i] = np.int64(word3)


@spliced
def _share(money: Any, spend_ppm: Any, hours: Any, demand_ppm: Any) -> Any:
    """What a household sets aside for a commodity in a tick, price ticks: at most a quarter of its money."""
    most = money >> 2
    return min(most, millionth(min(most, millionth(money * spend_ppm) * hours) * demand_ppm))


@compiled
def _quote(word: Any, shift: Any, spend_ppm: Any, hours: Any, demand_ppm: Any, larder: Any, t: Any) -> None:
    """Units and quote of one commodity for a tile's people, each as its maker, its user, or a household."""
    nothing, one = np.int64(0), np.int64(1)
    for i in range(word.shape[0]):
        net, low, high, held, money, free = t[NET + i], t[LOW + i], t[HIGH + i], t[STOCK + i], t[MONEY + i], t[FREE + i]
        kept, full = t[PURSE + i], t[FULL + i]
        makes, buys = net > 0, net == 0
        width = high - low
        place = ((word[i] >> shift) & LOW_HALF) * (width + 1) >> 32
        # A maker: the fuller its store, the nearer to the lowest price.
        over = max(nothing, held - larder)
        offers = min(over, t[PACE + i] + 1 + (over >> 3))
        # A user: the less it has, the dearer; nothing while a batch is worth less than its inputs.
        enough = -net * t[STOCKED + i]
        lacks = pick(t[GAIN + i] > 0, max(nothing, enough - held), nothing)
        # A household: the longer without it, the dearer.
        share = _share(money, spend_ppm, hours, demand_ppm)
        purse = min(kept + share, pick(share > 0, max(share * PURSE_HOURS, high), nothing), np.int64(PURSE_MAX))
        most = share * (PURSE_HOURS - 1)
        saved = min(max(nothing, purse - max(share, low)), most)
        above = pick(makes, place * min(over, full), (width - place) * pick(buys, saved, lacks))
        step = whole(above, pick(makes, full, pick(buys, max(one, most), enough)))
        quote = low + place + pick(makes, -step, step)
        affords = whole(pick(buys, min(purse, free), free), quote)
        wants = pick(buys, affords, min(lacks, affords))
        units = min(pick(makes, offers, wants), np.int64(ORDER_UNITS_MAX))
        t[FREE + i] = free - pick(makes, nothing, units * quote)
        t[PURSE + i] = pick(buys, purse, kept)
        t[WANTED + i] = units
        t[QUOTE + i] = quote


@compiled
def _in_line(world: Any, wishes: Any, last: Any) -> Any:
    """How many wishes stand in line no later than `last`."""
    commodities, persons = wishes.wanted.shape
    count = np.int64(0)
    for c in range(commodities):
        wanted, waited = wishes.wanted[c], world.waited[c]
        for person in range(persons):
            place = person * commodities + c - (np.int64(waited[person]) << 32)
            count += np.int64((wanted[person] > 0) & (place <= last))
    return count


@compiled
def admit(world: Any, market_orders: Any, wishes: Any) -> Any:
    """Let the longest waiting wishes in, as many as the budget has places; (admitted, waiting). Ties: lowest person,
    then lowest commodity. The last place in line that is let in is found by halving: at most 49 counts."""
    commodities, persons = wishes.wanted.shape
    last = np.int64(1) << 32
    count = _in_line(world, wishes, last)
    admitted = min(count, market_orders)
    if count > market_orders:
        before = -np.int64(WAITED_MAX + 1) << 32  # nobody stands so early
        while last - before > 1:
            middle = before + ((last - before) >> 1)
            if _in_line(world, wishes, middle) >= admitted:
                last = middle
            else:
                before = middle
    for c in range(commodities):
        wanted, units, waited = wishes.wanted[c], wishes.units[c], world.waited[c]
        for person in range(persons):
            place = person * commodities + c - (np.int64(waited[person]) << 32)
            within = place <= last
            waits = (wanted[person] > 0) & (not within)
            units[person] = wanted[person] if within else 0
            waited[person] = min(np.int64(WAITED_MAX), np.int64(waited[person]) + 1) if waits else 0
    return admitted, count - admitted
