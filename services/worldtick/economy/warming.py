"""Compile the market's kernels before they are needed: the machine code stays for all later processes of the machine.
Lives here: the smallest step there is. Not here: when to take it (set-up, a worker's start)."""

import numpy as np

from worldtick.economy.market import MarketTick, genesis, step
from worldtick.economy.plan import TradePlan, build_plan


def warm() -> None:
    """Step a world of two people once. 12 s of a processor after an installation or update, else under 1 s."""
    wants = {"spend_ppm": {"a": 1, "b": 1}, "need_milli": {}, "money_ticks": 1, "larder_hours": 1, "store_hours": 1}
    plan = build_plan(
        districts=("d",),
        base_price={"a": 2, "b": 2},
        trades={"x": TradePlan("a", 1, 1, {}), "y": TradePlan("b", 1, 1, {})},
        people={"d": {"x": 1, "y": 1}},
        households=wants,
    )
    ones = np.full(plan.markets, 1_000_000, np.int64)
    step(genesis(plan, 0), MarketTick(0, 1, 1, 1, 1, ones, ones))


if __name__ == "__main__":  # python -m worldtick.economy.warming
    warm()
