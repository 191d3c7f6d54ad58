"""The auction: all orders of a market trade at one price, many markets in one call.
Lives here: price, volume, fills and surplus of given orders. Not here: who quotes them (market.py).

Price. Of the units of all orders, bids and asks together and dearest first, take the M-th and the (M+1)-th, M being
the number of units asked. Every price between those two clears the most units that any price can; ours is their
midpoint, rounded down (the k-double auction with k = 1/2: Chatterjee & Samuelson, "Bargaining under incomplete
information", Operations Research 31, 1983; many units: Wurman, Walsh & Wellman, "Flexible double auctions for
electronic commerce", Decision Support Systems 24, 1998). The two are found by a histogram over the price range, and
within its bucket again where the range is wide: a selection, never a sort, so the cost stays linear in the orders.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.compiled import compiled
from worldtick.economy.errors import BadOrder

Ints = NDArray[np.int64]
PRICE_MAX = 1_000_000_000  # price ticks
UNITS_MAX = 1 << 33  # units in one book: price x units then stays within int64 in every sum
BUCKET_BITS_MIN, BUCKET_BITS_MAX = 5, 14
BUCKETS_MAX = 1 << BUCKET_BITS_MAX
WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders of one side in any order; the four arrays are (n,)."""

    market: NDArray[np.int64]  # index of the book, 0 .. markets - 1
    entity: NDArray[np.int64]  # who; decides ties
    price: NDArray[np.int32]  # limit, price ticks, 1 .. PRICE_MAX
    units: NDArray[np.integer[Any]]  # >= 0; int32 is fastest; the fills have its dtype


@dataclass(frozen=True, slots=True)
class Clearing:
    """What came of it; price to efficiency are (markets,) int64, the fills run like the orders."""

    price: Ints  # price ticks; the last price where nothing traded
    volume: Ints  # units
    demand: Ints  # units bid, at whatever price
    supply: Ints  # units asked
    surplus: Ints  # price ticks x units: what buyers would have paid more and sellers taken less
    bid_filled: NDArray[np.integer[Any]]  # units
    ask_filled: NDArray[np.integer[Any]]


@compiled
def _spread_counts(price: Any, units: Any, base: Any, shift: Any, buckets: Any) -> Any:
    for i in range(price.shape[0]):
        bucket = (price[i] - base) >> shift
        if 0 <= bucket < buckets.shape[0]:
            buckets[bucket] += units[i]


@compiled
def _survey(price: Any, units: Any) -> Any:
    """(lowest price, highest price, units in all, fewest units of one order) of one side, in one pass."""
    low, high = np.int64(PRICE_MAX + 1), np.int64(0)
    total, fewest = np.int64(0), np.int64(0)
    for i in range(price.shape[0]):
        low = min(low, np.int64(price[i]))
        high = max(high, np.int64(price[i]))
        total += units[i]
        fewest = min(fewest, np.int64(units[i]))
    return low, high, total, fewest


@compiled
def _dearest_under(bid_price: Any, bid_units: Any, ask_price: Any, ask_units: Any, ceiling: Any) -> Any:
    """The highest price under `ceiling` at which anything is bid or asked."""
    best = np.int64(0)
    for i in range(bid_price.shape[0]):
        if bid_units[i] > 0 and best < bid_price[i] < ceiling:
            best = np.int64(bid_price[i])
    for i in range(ask_price.shape[0]):
        if ask_units[i] > 0 and best < ask_price[i] < ceiling:
            best = np.int64(ask_price[i])
    return best


@compiled
def _crossing(
    bid_price: Any, bid_units: Any, ask_price: Any, ask_units: Any, base: Any, high: Any, supply: Any, scratch: Any
) -> Any:
    """(upper, lower): the prices of the M-th and (M+1)-th dearest unit, M = supply > 0 and demand > 0;
    base, high: the price range of all orders."""
    span: Any = high - base + 1
    bits = BUCKET_BITS_MIN
    while bits < BUCKET_BITS_MAX and (1 << bits) < bid_price.shape[0] + ask_price.shape[0]:
        bits += 1
    shift: Any = 0
    while (span - 1) >> shift >= (1 << bits):
        shift += 1
    need: Any = supply
    while True:  # at most 31 / BUCKET_BITS_MIN rounds: each takes `bits` bits off the span
        buckets = scratch[: ((span - 1) >> shift) + 1]
        buckets[:] = 0
        _spread_counts(bid_price, bid_units, base, shift, buckets)
        _spread_counts(ask_price, ask_units, base, shift, buckets)
        found = buckets.shape[0] - 1
        while buckets[found] < need:
            need -= buckets[found]
            found -= 1
        base += found << shift
        if shift == 0:
            break
        span = 1 << shift
        shift = shift - bits if shift > bits else 0
    if buckets[found] > need:
        return base, base
    for under in range(found - 1, -1, -1):
        if buckets[under] > 0:
            return base, base - (found - under)
    return base, _dearest_under(bid_price, bid_units, ask_price, ask_units, base)


@compiled
def _fill_margin(price: Any, units: Any, entity: Any, at: Any, left: Any, filled: Any) -> None:
    """Give the `left` units to the orders at the marginal price, lowest entity first, whatever their order here."""
    last = lowest = highest = np.int64(0)
    count = 0
    ascending = True
    for i in range(price.shape[0]):
        if price[i] == at:
            now = np.int64(entity[i])
            if count > 0 and now < last:
                ascending = False
            lowest = now if count == 0 else min(lowest, now)
            highest = now if count == 0 else max(highest, now)
            last = now
            count += 1
    if not ascending:
        while lowest < highest:  # at most 64 rounds: halve the range of who is the first that does not get all
            middle = highest - ((highest - lowest) >> 1)
            if _taken(price, units, entity, at, middle) <= left:
                lowest = middle
            else:
                highest = middle - 1
        left -= _taken(price, units, entity, at, lowest)
    for i in range(price.shape[0]):
        if price[i] == at:
            if ascending or entity[i] == lowest:
                filled[i] = min(left, units[i])
                left -= filled[i]
            else:
                filled[i] = units[i] if entity[i] < lowest else 0


@compiled
def _taken(price: Any, units: Any, entity: Any, at: Any, before: Any) -> Any:
    """Units of the orders at a price of entities below `before`."""
    taken = np.int64(0)
    for i in range(price.shape[0]):
        taken += units[i] if price[i] == at and entity[i] < before else 0
    return taken


@compiled
def _fill_willing(price: Any, units: Any, at: Any, sign: Any, filled: Any) -> Any:
    """Fill all that `at` suits (bids: sign 1, at or above; asks: sign -1, at or below).

    (units better than `at`, units at it, price x units of the better)."""
    better = equal = worth = np.int64(0)
    for i in range(price.shape[0]):
        edge = (price[i] - at) * sign
        filled[i] = units[i] if edge >= 0 else 0
        above = units[i] if edge > 0 else 0
        better += above
        worth += above * np.int64(price[i])
        equal += units[i] if edge == 0 else 0
    return better, equal, worth


@compiled
def clear_book(
    bid_price: Any,
    bid_units: Any,
    bid_entity: Any,
    ask_price: Any,
    ask_units: Any,
    ask_entity: Any,
    bid_filled: Any,
    ask_filled: Any,
    scratch: Any,
) -> Any:
    """Clear one book into the two `filled` arrays: (volume, price, demand, supply, surplus).

    scratch: int64 of BUCKETS_MAX. Any integer dtypes. Ties fill by entity. Price is 0 where nothing trades,
    volume -1 if an order is bad.
    """
    bid_low, bid_high, demand, bid_fewest = _survey(bid_price, bid_units)
    ask_low, ask_high, supply, ask_fewest = _survey(ask_price, ask_units)
    none = np.int64(0)
    low, high = min(bid_low, ask_low), max(bid_high, ask_high)
    if low < 1 or high > PRICE_MAX or bid_fewest < 0 or ask_fewest < 0 or max(demand, supply) > UNITS_MAX:
        return np.int64(-1), none, demand, supply, none
    if demand == 0 or supply == 0 or bid_high < ask_low:
        bid_filled[:] = 0
        ask_filled[:] = 0
        return none, none, demand, supply, none
    upper, lower = _crossing(bid_price, bid_units, ask_price, ask_units, low, high, supply, scratch)
    price = (upper + lower) >> 1
    bid_better, bid_equal, bid_worth = _fill_willing(bid_price, bid_units, price, np.int64(1), bid_filled)
    ask_better, ask_equal, ask_worth = _fill_willing(ask_price, ask_units, price, np.int64(-1), ask_filled)
    volume = min(bid_better + bid_equal, ask_better + ask_equal)
    if bid_better + bid_equal > volume:
        _fill_margin(bid_price, bid_units, bid_entity, price, volume - bid_better, bid_filled)
    if ask_better + ask_equal > volume:
        _fill_margin(ask_price, ask_units, ask_entity, price, volume - ask_better, ask_filled)
    surplus = bid_worth - ask_worth + price * (ask_better - bid_better)
    return volume, (price if volume > 0 else none), demand, supply, surplus


@compiled
def most_surplus(bid_value: Any, bid_units: Any, ask_value: Any, ask_units: Any, scratch: Any) -> Any:
    """Price ticks x units that all trade together can gain: what `clear_book` finds of these values, fills left out."""
    bid_low, bid_high, demand, _ = _survey(bid_value, bid_units)
    ask_low, ask_high, supply, _ = _survey(ask_value, ask_units)
    surplus = np.int64(0)
    if demand == 0 or supply == 0 or bid_high < ask_low:
        return surplus
    low, high = min(bid_low, ask_low), max(bid_high, ask_high)
    upper, _ = _crossing(bid_value, bid_units, ask_value, ask_units, low, high, supply, scratch)
    for i in range(bid_value.shape[0]):
        surplus += max(np.int64(0), bid_value[i] - upper) * bid_units[i]
    for i in range(ask_value.shape[0]):
        surplus += max(np.int64(0), upper - ask_value[i]) * ask_units[i]
    return surplus


@compiled
def share_ppm(part: Any, whole: Any) -> Any:
    """part / whole in ppm, rounded down; 1,000,000 where there was nothing to gain. No overflow for any int64."""
    if whole <= 0:
        return WHOLE_PPM
    while whole > (np.int64(1) << 42):
        whole >>= 1
        part >>= 1
    return min(WHOLE_PPM, part * WHOLE_PPM // whole)


@compiled
def _clear_books(bid_start: Any, ask_start: Any, bids: Any, asks: Any, out: Any, scratch: Any) -> Any:
    """Every book in turn; `bids` and `asks` are (entity, price, units, filled), by book; out is (5, markets)."""
    for m in range(out.shape[1]):
        b = slice(bid_start[m], bid_start[m + 1])
        a = slice(ask_start[m], ask_start[m + 1])
        volume, price, demand, supply, surplus = clear_book(
            bids[1][b], bids[2][b], bids[0][b], asks[1][a], asks[2][a], asks[0][a], bids[3][b], asks[3][a], scratch
        )
        out[0, m] = price
        out[1, m] = volume
        out[2, m] = demand
        out[3, m] = supply
        out[4, m] = surplus


def _refuse_markets(orders: Orders, markets: int) -> None:
    if len(orders.market) and not 0 <= orders.market.min() <= orders.market.max() < markets:
        raise BadOrder(f"market {orders.market.max()} of {markets}; they count from 0")


def _grouped(orders: Orders, markets: int) -> tuple[Ints, Orders, Ints | None]:
    """(start of each book, the orders by book, the permutation or None where they came grouped)."""
    start = np.zeros(markets + 1, np.int64)
    if markets == 1:
        start[1] = len(orders.price)
        return start, orders, None
    start[1:] = np.cumsum(np.bincount(orders.market, minlength=markets))
    if not len(orders.market) or bool((orders.market[1:] >= orders.market[:-1]).all()):
        return start, orders, None
    by = np.argsort(orders.market, kind="stable")  # a radix sort of numpy for small integers, timsort else
    return start, Orders(orders.market[by], orders.entity[by], orders.price[by], orders.units[by]), by


def _ungrouped(filled: NDArray[np.integer[Any]], by: Ints | None) -> NDArray[np.integer[Any]]:
    if by is None:
        return filled
    back = np.empty_like(filled)
    back[by] = filled
    return back


def clear(bids: Orders, asks: Orders, last_price: Ints) -> Clearing:
    """Clear len(last_price) books at once, each at one price (uniform-price call auction).

    volume = max over price of min(demand, supply); every filled bid >= price >= every filled ask; ties fill by entity,
    however the orders are sliced or shuffled. Raises BadOrder.
    """
    markets = len(last_price)
    if markets > 1:
        _refuse_markets(bids, markets)
        _refuse_markets(asks, markets)
    bid_start, bid, bid_by = _grouped(bids, markets)
    ask_start, ask, ask_by = _grouped(asks, markets)
    bid_filled = np.empty_like(bid.units)
    ask_filled = np.empty_like(ask.units)
    out = np.empty((5, markets), np.int64)
    bid_arrays = (bid.entity, bid.price, bid.units, bid_filled)
    ask_arrays = (ask.entity, ask.price, ask.units, ask_filled)
    _clear_books(bid_start, ask_start, bid_arrays, ask_arrays, out, np.empty(BUCKETS_MAX, np.int64))
    if bool((out[1] < 0).any()):
        raise BadOrder(f"market {int(np.argmin(out[1]))}: a price outside 1 to {PRICE_MAX} or units outside 0 to 2^33")
    price = np.where(out[1] > 0, out[0], last_price)
    return Clearing(
        price, out[1], out[2], out[3], out[4], _ungrouped(bid_filled, bid_by), _ungrouped(ask_filled, ask_by)
    )


def efficiency_ppm(realised: Ints, values: Clearing) -> Ints:
    """Realised surplus as a share of the most that could be had: `values` is the clearing of the true values."""
    return np.array([share_ppm(part, whole) for part, whole in zip(realised, values.surplus, strict=True)], np.int64)
