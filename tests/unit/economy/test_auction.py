"""The auction against a slow oracle, its rules on any book, and what theory says of truthful and aimless traders.
Lives here: clearing of given orders. Not here: who quotes them (test_learning)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from worldtick.economy.auction import PRICE_MAX, UNITS_MAX, Clearing, Orders, clear, efficiency_ppm
from worldtick.economy.errors import BadOrder

WHOLE = 1_000_000
Side = list[tuple[int, int, int, int]]  # market, entity, price, units


def _orders(side: Side, dtype: Any = np.int64) -> Orders:
    columns = np.array(side, np.int64).reshape(len(side), 4).T
    return Orders(columns[0].copy(), columns[1].copy(), columns[2].astype(np.int32), columns[3].astype(dtype))


def _sides(price_max: int, markets: int = 1) -> st.SearchStrategy[Side]:
    order = st.tuples(st.integers(0, markets - 1), st.integers(0, 40), st.integers(1, price_max), st.integers(0, 7))
    return st.lists(order, max_size=30)


def _units(side: Side, price: int, sign: int) -> int:
    return sum(units for _, _, limit, units in side if (limit - price) * sign >= 0)


def _oracle_volume(bids: Side, asks: Side) -> int:
    """The most units that any one price clears, by trying every price that somebody named."""
    tried = {limit for _, _, limit, _ in bids + asks}
    return max((min(_units(bids, price, 1), _units(asks, price, -1)) for price in tried), default=0)


def _oracle_surplus(bids: Side, asks: Side) -> int:
    """What the best matching gains: dearest buyer with cheapest seller, unit by unit."""
    values = sorted((price for _, _, price, units in bids for _ in range(units)), reverse=True)
    costs = sorted(price for _, _, price, units in asks for _ in range(units))
    return sum(value - cost for value, cost in zip(values, costs, strict=False) if value > cost)


def _filled_as_told(side: Side, filled: NDArray[Any], price: int, sign: int) -> None:
    """Better orders wholly, worse ones not at all; at the price itself by entity."""
    marginal: list[tuple[int, int, int]] = []
    for (_, entity, limit, units), given_units in zip(side, filled.tolist(), strict=True):
        edge = (limit - price) * sign
        assert given_units == (units if edge > 0 else given_units if edge == 0 else 0)
        if edge == 0:
            marginal.append((entity, units, given_units))
    open_from: int | None = None  # the first entity that did not get all
    for entity, units, given_units in sorted(marginal, key=lambda order: order[0]):
        assert not given_units or open_from is None or entity <= open_from
        if given_units < units and open_from is None:
            open_from = entity


@settings(max_examples=400, deadline=None)
@given(st.sampled_from((3, 60, 5_000, PRICE_MAX)).flatmap(lambda top: st.tuples(_sides(top), _sides(top))))
def test_any_book_clears_as_the_rules_say(book: tuple[Side, Side]) -> None:
    bids, asks = book
    cleared = clear(_orders(bids), _orders(asks), np.array([77]))
    volume, price = int(cleared.volume[0]), int(cleared.price[0])
    assert volume == _oracle_volume(bids, asks)
    assert volume == cleared.bid_filled.sum() == cleared.ask_filled.sum()
    assert cleared.surplus[0] == _oracle_surplus(bids, asks)
    assert (cleared.demand[0], cleared.supply[0]) == (sum(b[3] for b in bids), sum(a[3] for a in asks))
    if volume == 0:
        assert price == 77, "an empty market keeps its last price"
        return
    assert min(_units(bids, price, 1), _units(asks, price, -1)) == volume
    _filled_as_told(bids, cleared.bid_filled, price, 1)
    _filled_as_told(asks, cleared.ask_filled, price, -1)


def _distinct(side: Side) -> Side:
    return [(market, number, price, units) for number, (market, _, price, units) in enumerate(side)]


@settings(max_examples=150, deadline=None)
@given(bids=_sides(9, markets=4), asks=_sides(9, markets=4), shuffle=st.randoms(use_true_random=False))
def test_order_of_orders_and_neighbours_change_nothing(bids: Side, asks: Side, shuffle: Any) -> None:
    bids, asks = _distinct(bids), _distinct(asks)
    last = np.array([5, 6, 7, 8])
    together = clear(_orders(bids), _orders(asks), last)
    mixed_bids, mixed_asks = shuffle.sample(bids, len(bids)), shuffle.sample(asks, len(asks))
    mixed = clear(_orders(mixed_bids, np.int32), _orders(mixed_asks, np.int32), last)
    assert _by_entity(mixed_bids, mixed.bid_filled) == _by_entity(bids, together.bid_filled)
    assert _by_entity(mixed_asks, mixed.ask_filled) == _by_entity(asks, together.ask_filled)
    for market in range(4):
        alone = clear(
            _orders([(0, *order[1:]) for order in bids if order[0] == market]),
            _orders([(0, *order[1:]) for order in asks if order[0] == market]),
            last[market : market + 1],
        )
        for field in ("price", "volume", "demand", "supply", "surplus"):
            assert getattr(alone, field)[0] == getattr(together, field)[market] == getattr(mixed, field)[market]


def _by_entity(side: Side, filled: NDArray[Any]) -> dict[int, int]:
    return {order[1]: units for order, units in zip(side, filled.tolist(), strict=True)}


def test_the_price_is_the_middle_of_what_would_clear() -> None:
    cleared = clear(_orders([(0, 0, 110, 2), (0, 1, 100, 1)]), _orders([(0, 0, 80, 2), (0, 1, 105, 1)]), np.array([1]))
    assert cleared.volume[0] == 2
    assert cleared.price[0] == 102  # 100 (the first bid left out) to 105 (the first ask left out), halved, down


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ((0, 0, 0, 1), "price outside"),
        ((0, 0, PRICE_MAX + 1, 1), "price outside"),
        ((0, 0, 5, -1), "units outside"),
        ((0, 0, 5, UNITS_MAX + 1), "units outside"),
        ((3, 0, 5, 1), "market 3 of 2"),
        ((-1, 0, 5, 1), "of 2"),
    ],
)
def test_a_bad_order_is_refused(order: tuple[int, int, int, int], says: str) -> None:
    good = _orders([(0, 0, 5, 1), (1, 0, 5, 1)])
    for bids, asks in ((_orders([order]), good), (good, _orders([order]))):
        with pytest.raises(BadOrder, match=says):
            clear(bids, asks, np.array([1, 1]))


def test_large_books_stay_exact() -> None:
    """Prices and units at their bounds: nothing wraps."""
    half = UNITS_MAX // 2
    bids, asks = _orders([(0, 0, PRICE_MAX, half)] * 2), _orders([(0, 0, 1, half)] * 2)
    cleared = clear(bids, asks, np.array([1]))
    assert cleared.volume[0] == UNITS_MAX
    assert cleared.surplus[0] == UNITS_MAX * (PRICE_MAX - 1)


def _traders(chance: Generator) -> tuple[Orders, Orders]:
    """200 buyers and 200 sellers of one unit each, values and costs uniform in 1 to 200."""
    who = np.arange(200)
    ones, market = np.ones(200, np.int64), np.zeros(200, np.int64)
    values, costs = chance.integers(1, 201, (2, 200)).astype(np.int32)
    return Orders(market, who, values, ones), Orders(market, who, costs, ones)


def _realised(buyers: Orders, sellers: Orders, cleared: Clearing) -> int:
    gained = (buyers.price * cleared.bid_filled).sum() - (sellers.price * cleared.ask_filled).sum()
    return int(gained)


def _side(orders: Orders) -> Side:
    return [(0, int(entity), int(price), 1) for entity, price in zip(orders.entity, orders.price, strict=True)]


def test_truthful_books_realise_every_gain() -> None:
    for seed in range(50):
        buyers, sellers = _traders(Generator(Philox(seed)))
        cleared = clear(buyers, sellers, np.array([1]))
        assert _realised(buyers, sellers, cleared) == _oracle_surplus(_side(buyers), _side(sellers)) > 0
        assert efficiency_ppm(np.array([_realised(buyers, sellers, cleared)]), cleared).tolist() == [WHOLE]


def _aimless(seed: int, rounds: int) -> float:
    """Efficiency of traders who bid at random, never at a loss, and quote again while they have not traded.

    Gode & Sunder, "Allocative efficiency of markets with zero-intelligence traders", JPE 101, 1993.
    """
    chance = Generator(Philox(seed))
    buyers, sellers = _traders(chance)
    most = clear(buyers, sellers, np.array([1]))
    wants, has = buyers.units.copy(), sellers.units.copy()
    gained = 0
    for _ in range(rounds):
        bid = chance.integers(1, buyers.price + 1).astype(np.int32)
        ask = chance.integers(sellers.price, 201).astype(np.int32)
        cleared = clear(
            Orders(buyers.market, buyers.entity, bid, wants), Orders(sellers.market, sellers.entity, ask, has),
            np.array([1]),
        )  # fmt: skip
        gained += _realised(buyers, sellers, cleared)
        wants, has = wants - cleared.bid_filled, has - cleared.ask_filled
    return int(efficiency_ppm(np.array([gained]), most)[0]) / WHOLE


def test_traders_without_intelligence_do_nearly_as_well_when_they_quote_again() -> None:
    once = np.mean([_aimless(seed, 1) for seed in range(200)])
    ten_times = np.mean([_aimless(seed, 10) for seed in range(200)])
    assert once < 0.6
    assert ten_times >= 0.96
