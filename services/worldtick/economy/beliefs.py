"""What persons learn: each order, and each hour's price, moves a believed price range.
Lives here: the rules of learning and the memory of trades. Not here: when they apply (hours.py)."""

from typing import Any

import numpy as np

from worldtick.chance.compiled import compiled
from worldtick.economy.households import BELIEF_MAX, HISTORY


@compiled
def remember(world: Any, person: Any, c: Any, price: Any) -> Any:
    """Note a trade in the person's ring of the last ones."""
    place = world.past_next[person]
    world.past_price[person, place] = price
    world.past_commodity[person, place] = c
    world.past_next[person] = (place + 1) % HISTORY


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
def _move(world: Any, pair: Any, middle: Any, move: Any, half: Any) -> Any:
    """Centre a belief on middle + move; at least 1/16 wide, within 1 .. BELIEF_MAX.

    One hour's news moves nobody by more than 1/32: thin markets would swing.
    """
    most = (middle >> 5) + 1
    middle += max(-most, min(most, move))
    half = max(half, (middle >> 5) + 1)
    low = max(np.int64(1), min(middle - half, np.int64(BELIEF_MAX - 1)))
    world.low[pair] = low
    world.high[pair] = max(low + 1, min(middle + half, np.int64(BELIEF_MAX)))


@compiled
def learn(
    world: Any, pair: Any, person: Any, c: Any, units: Any, quote: Any, filled: Any, price: Any, sign: Any
) -> Any:
    """Move one belief after one order. sign: 1 a buyer, -1 a seller; price: at which the market traded last."""
    low = np.int64(world.low[pair])
    high = np.int64(world.high[pair])
    middle = (low + high) >> 1
    half = (high - low) >> 1
    if filled * 2 >= units:
        move = ((price * 3 + _remembered(world, person, c, price)) // 4 - middle) >> 2
        half -= half >> 3
    else:
        missed = (price - quote) * sign > 0  # the market traded beyond what this one offered
        move = (price - middle) >> 1 if missed else np.int64(0)
        move += sign * ((middle >> 6) + 1) if filled == 0 else np.int64(0)
        half += (middle >> 6) + 1
    _move(world, pair, middle, move, min(half, middle >> 1))


@compiled
def hear(world: Any, pair: Any, price: Any) -> Any:
    """Move the belief of one who had no order an eighth of the way to the price that everybody hears of."""
    low = np.int64(world.low[pair])
    high = np.int64(world.high[pair])
    middle = (low + high) >> 1
    _move(world, pair, middle, (price - middle) // 8, (high - low) >> 1)
