"""What persons learn: each order, and each hour's price, moves a believed price range.
Lives here: the rules of learning, on plain numbers. Not here: when they apply, the memory of trades (hours.py)."""

from typing import Any

import numpy as np

from worldtick.chance.compiled import compiled
from worldtick.economy.households import BELIEF_MAX


@compiled
def _centred(middle: Any, move: Any, half: Any) -> Any:
    """(low, high) of a belief on middle + move; at least 1/16 wide, within 1 .. BELIEF_MAX.

    One hour's news moves nobody by more than 1/32: thin markets would swing.
    """
    most = (middle >> 5) + 1
    middle += max(-most, min(most, move))
    half = max(half, (middle >> 5) + 1)
    low = max(np.int64(1), min(middle - half, np.int64(BELIEF_MAX - 1)))
    return low, max(low + 1, min(middle + half, np.int64(BELIEF_MAX)))


@compiled
def believe(low: Any, high: Any, units: Any, quote: Any, filled: Any, price: Any, remembered: Any, sign: Any) -> Any:
    """(low, high) after one order of `units` at `quote`, of which `filled` traded.

    sign: 1 a buyer, -1 a seller; price: at which the market traded last; remembered: mean of the person's last trades.
    """
    middle = (low + high) >> 1
    half = (high - low) >> 1
    if filled * 2 >= units:
        move = (((price * 3 + remembered) >> 2) - middle) >> 2
        half -= half >> 3
    else:
        missed = (price - quote) * sign > 0  # the market traded beyond what this one offered
        move = (price - middle) >> 1 if missed else np.int64(0)
        move += sign * ((middle >> 6) + 1) if filled == 0 else np.int64(0)
        half = min(half + (middle >> 6) + 1, middle >> 1)
    return _centred(middle, move, half)


@compiled
def hear(low: Any, high: Any, price: Any) -> Any:
    """(low, high) of one who had no order: an eighth of the way to the price that everybody hears of."""
    middle = (low + high) >> 1
    return _centred(middle, (price - middle) >> 3, (high - low) >> 1)
