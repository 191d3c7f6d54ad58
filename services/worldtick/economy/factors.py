"""What acts on markets from outside: shocks that directives began, and demand facts of other services.
Lives here: which shocks are alive, the factor of each market in a tick. Not here: what a factor does (households)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldtick.economy.plan import Plan

DEMAND_FACT = "demand_ppm"  # a fact: district/commodity/source -> factor
SUPPLY, DEMAND = 0, 1
EVERY = -1
WHOLE_PPM = 1_000_000
FACTOR_MAX_PPM = 10_000_000  # of all factors on one market together: so no product leaves int64
Facts = Mapping[str, Mapping[int, Mapping[str, int]]]  # service -> slice -> key -> value


class Shock(NamedTuple):
    """A factor on some markets until a world time. Names that the world does not have act on nothing."""

    side: int  # SUPPLY or DEMAND
    district: int  # index, or EVERY
    commodity: int
    ppm: int
    until_us: int


def shock_at(plan: Plan, side: int, district: str, commodity: str, ppm: int, until_us: int) -> Shock | None:
    """A shock by names; None where the world has no such market: there is nothing that it could act on."""
    try:
        return Shock(
            side,
            EVERY if district == "*" else plan.districts.index(district),
            EVERY if commodity == "*" else plan.commodities.index(commodity),
            ppm,
            until_us,
        )
    except ValueError:
        return None


def live_shocks(old: Sequence[Shock], fresh: Iterable[Shock]) -> tuple[Shock, ...]:
    """All shocks in canonical order; a later one on the same side, district and commodity replaces the earlier.

    So there are never more than 2 x (D + 1) x (C + 1).
    """
    alive = {shock[:3]: shock for shock in old}
    alive.update((shock[:3], shock) for shock in fresh)
    return tuple(alive[target] for target in sorted(alive))


def factors_of(
    plan: Plan, shocks: Sequence[Shock], facts: Facts, from_us: int, to_us: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(supply, demand), each (M,) ppm, of a tick from `from_us` to `to_us`: shocks times facts, clamped.

    A shock that ends within the tick counts for the share of it that it lasts.
    """
    if not shocks and not facts:
        return _unchanged(plan.markets)
    ppm = [[[WHOLE_PPM] for _ in range(plan.markets)] for _ in (SUPPLY, DEMAND)]
    commodities = len(plan.commodities)
    span_us = max(1, to_us - from_us)
    for shock in shocks:
        lasts_us = max(0, min(span_us, shock.until_us - from_us))
        factor = (shock.ppm * lasts_us + WHOLE_PPM * (span_us - lasts_us)) // span_us
        for market in range(plan.markets):
            if shock.district in (EVERY, market // commodities) and shock.commodity in (EVERY, market % commodities):
                ppm[shock.side][market].append(factor)
    for market, factor in _demands(plan, facts):
        ppm[DEMAND][market].append(max(0, factor))
    supply, demand = (np.array([_product(factors) for factors in side], np.int64) for side in ppm)
    return supply, demand


def _demands(plan: Plan, facts: Facts) -> Iterable[tuple[int, int]]:
    """(market, ppm) of every fact whose key names a market of this world: district/commodity/source."""
    for slices in facts.values():
        for values in slices.values():
            for key, ppm in values.items():
                market = plan.market_numbers.get("/".join(key.split("/", 2)[:2]))
                if market is not None:
                    yield market, ppm


def _product(factors: Sequence[int]) -> int:
    """The product of ppm factors, clamped; exact integers, so their order does not matter."""
    product, scale = 1, 1
    for factor in factors:
        product *= factor
        scale *= WHOLE_PPM
    return min(FACTOR_MAX_PPM, product * WHOLE_PPM // scale)


@lru_cache(maxsize=64)
def _unchanged(markets: int) -> tuple[Any, Any]:
    ones = np.full(markets, WHOLE_PPM, np.int64)
    ones.setflags(write=False)
    return ones, ones
