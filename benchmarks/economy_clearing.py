"""How long does it take to clear one order book at one price, against sorting the same prices?

Rival: np.sort of all prices of the book (int32, NumPy's default algorithm), which finds no price, volume or fill yet:
a clearing that sorts costs at least that. Proof: volume and fills of every book equal those of a clearing by sorting.
Not asked: quoting, settlement, learning (economy_step); many small books in one call.

Machines are shared and all contestants compute in one thread: seconds are the processor's, and a run is the quickest of
several calls, contestants in turn.
"""

from collections.abc import Callable
from time import process_time

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from benchmarks.figures import Figure, Place, from_runs
from worldtick.economy.auction import Clearing, Orders, clear

SEED = 11
PRICES = 100_000  # price ticks; the orders' limits are spread evenly over 1 .. PRICES
LAST = np.array([1], np.int64)
Book = tuple[Orders, Orders]


def measure(place: Place) -> list[Figure]:
    """Books of 1e3, 1e5 + 1e5 and 1e6 orders a side."""
    small, large, huge = (1_000, 5_000, 20_000) if place.smoke else (1_000, 100_000, 1_000_000)
    calls = 3 if place.smoke else 15
    thousand, book, big = _book(small // 2), _book(large), _book(huge)
    for each in (thousand, book, big):
        _prove(each)
    prices = np.concatenate([book[0].price, book[1].price])
    thousand_ms: list[float] = []
    book_ms: list[float] = []
    sort_ms: list[float] = []
    big_ms: list[float] = []
    for _ in range(place.runs):
        best = _quickest(
            [
                lambda: clear(*thousand, LAST),
                lambda: clear(*book, LAST),
                lambda: np.sort(prices),
                lambda: clear(*big, LAST),
            ],
            calls,
        )
        for runs, seconds in zip((thousand_ms, book_ms, sort_ms, big_ms), best, strict=True):
            runs.append(seconds * 1e3)
    rival = float(np.median(sort_ms))
    per_order = [ms * 1e6 / (2 * large) for ms in book_ms]
    per_order_big = [ms * 1e6 / (2 * huge) for ms in big_ms]
    sort = "np_sort_same_prices_ms"
    return [
        from_runs(sort, "ms", sort_ms),
        from_runs("clearing_1e5_plus_1e5_ms", "ms", book_ms, against=sort, rival=rival, goal="ratio <= 2.5"),
        from_runs("clearing_per_order_1e5_ns", "ns", per_order),
        from_runs(
            "clearing_per_order_1e6_ns",
            "ns",
            per_order_big,
            against="clearing_per_order_1e5_ns",
            rival=float(np.median(per_order)),
            goal="ratio <= 1.5",
        ),
        from_runs("clearing_1e3_orders_ms", "ms", thousand_ms, goal="value <= 0.2"),
    ]


def _quickest(calls: list[Callable[[], object]], times: int) -> list[float]:
    """Seconds of each call's quickest time, taken in turn."""
    best = [float("inf")] * len(calls)
    for _ in range(times):
        for number, call in enumerate(calls):
            began = process_time()
            call()
            best[number] = min(best[number], process_time() - began)
    return best


def _book(orders: int) -> Book:
    """So many bids and so many asks of 1 to 9 units."""
    chance = Generator(Philox(SEED))
    market, entity = np.zeros(orders, np.int64), np.arange(orders)

    def side() -> Orders:
        price = chance.integers(1, PRICES + 1, orders).astype(np.int32)
        return Orders(market, entity, price, chance.integers(1, 10, orders).astype(np.int32))

    return side(), side()


def _prove(book: Book) -> None:
    """Compare with the clearing that sorts. Raises AssertionError."""
    bids, asks = book
    cleared: Clearing = clear(bids, asks, LAST)
    limits = np.unique(np.concatenate([bids.price, asks.price]))
    demand = bids.units.sum() - _units_below(bids, limits)
    supply = _units_below(asks, limits + 1)
    volume = int(np.minimum(demand, supply).max())
    assert int(cleared.volume[0]) == volume == cleared.bid_filled.sum() == cleared.ask_filled.sum()
    price = int(cleared.price[0])
    assert (bids.price[cleared.bid_filled > 0] >= price).all()
    assert (asks.price[cleared.ask_filled > 0] <= price).all()


def _units_below(side: Orders, limits: NDArray[np.int32]) -> NDArray[np.int64]:
    """Units of a side with a price under each limit."""
    order = np.argsort(side.price, kind="stable")
    total = np.concatenate([[0], np.cumsum(side.units[order].astype(np.int64))])
    below: NDArray[np.int64] = total[np.searchsorted(side.price[order], limits, side="left")]
    return below
