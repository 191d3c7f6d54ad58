"""What persons learn: each order, and each hour's price, moves a believed price range.
Lives here: the rules of learning, for the people of a tile. Not here: who traded what (hours.py)."""

from typing import Any

import numpy as np

from worldtick.chance.compiled import compiled, spliced
from worldtick.economy.households import BELIEF_MAX, HISTORY, TILE, whole

# Rows of a tile, int64, while its people learn
SIGN, FILLED, TOTAL, COUNT = (row * TILE for row in range(4))


@spliced
def remember(past_price: Any, past_commodity: Any, c: Any, first: Any, count: Any, t: Any) -> None:
    """Sum and number of the trades in one commodity that the people of a tile remember."""
    for i in range(count):
        t[TOTAL + i] = 0
        t[COUNT + i] = 0
    for k in range(HISTORY):
        _add_trade(past_price[k][first : first + count], past_commodity[k][first : first + count], c, t)


@compiled
def _add_trade(price: Any, commodity: Any, c: Any, t: Any) -> None:
    for i in range(price.shape[0]):
        same = np.int64(commodity[i] == c)
        t[TOTAL + i] += same * price[i]
        t[COUNT + i] += same


@compiled
def learn(low_of: Any, high_of: Any, units_of: Any, quote_of: Any, price: Any, traded: Any, t: Any) -> None:
    """Move the beliefs of a tile's people in one commodity. All four arrays are (people,) int32.

    t, SIGN: 1 a buyer, -1 a seller; FILLED: units; TOTAL, COUNT: of the trades that a person remembers.
    price: at which the market traded last. traded: 1 if it did so now; then those without an order hear of it.
    Nobody moves by more than 1/32 in an hour: thin markets would swing. A belief is at least 1/16 wide.
    """
    zero, one = np.int64(0), np.int64(1)
    for i in range(low_of.shape[0]):
        low, high, units = np.int64(low_of[i]), np.int64(high_of[i]), np.int64(units_of[i])
        sign, filled = t[SIGN + i], t[FILLED + i]
        middle = (low + high) >> 1
        half = (high - low) >> 1
        step = (middle >> 6) + 1
        # Content: to the price and what one remembers, and surer of it.
        remembered = whole(t[TOTAL + i], max(one, t[COUNT + i]))
        content = (((price * 3 + remembered) >> 2) - middle) >> 2
        # Not content: half way to a price that the market traded at beyond one's quote; without any unit, further.
        missed = (price - middle) >> 1 if (price - quote_of[i]) * sign > 0 else zero
        missed += sign * step if filled == 0 else zero
        # Without an order: an eighth of the way to the price that everybody hears of.
        heard = (price - middle) >> 3
        got = filled * 2 >= units
        move = heard if units == 0 else (content if got else missed)
        half = half if units == 0 else (half - (half >> 3) if got else min(half + step, middle >> 1))
        most = (middle >> 5) + 1
        middle += max(-most, min(most, move))
        half = max(half, (middle >> 5) + 1)
        below = max(one, min(middle - half, np.int64(BELIEF_MAX - 1)))
        above = max(below + 1, min(middle + half, np.int64(BELIEF_MAX)))
        moves = (units > 0) | (traded != 0)
        low_of[i] = below if moves else low
        high_of[i] = above if moves else high
