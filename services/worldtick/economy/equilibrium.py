"""The analytic equilibrium of a plan: at which prices every flow of goods and money of a district stands still.
Lives here: floating-point analysis for tests and docs. Not here: anything that a step uses."""

import numpy as np
from numpy.typing import NDArray

from worldtick.economy.plan import Plan

Real = NDArray[np.float64]


def equilibrium(plan: Plan, district: int = 0, supply: Real | None = None, demand: Real | None = None) -> Real:
    """(C,) prices in price ticks; supply and demand are factors (C,) on production and on households' wishes.

    Every trade works at its full pace. Of a commodity c the households that neither make nor use it in their trade
    spend the share s_c of their money M_g in an hour; what is left for them is x_c = made - own need - inputs. So

        p_c = sum over g of s_gc M_g / x_c                                  (goods stand still)
        M_g sum over c of s_gc = p x sold by g - p x inputs of g            (money stands still), sum of M = all money.

    Linear in M; docs/ECONOMY.md derives it. Raises ValueError where there is none: some x_c <= 0, or some M_g <= 0.
    """
    tables = plan.tables
    ones = np.ones(len(plan.commodities))
    supply, demand = (ones if factor is None else factor for factor in (supply, demand))
    who = plan.person_trade[tables.district_start[district] : tables.district_start[district + 1]]
    people = np.bincount(who, minlength=len(plan.trades)).astype(float)
    makes = ones.size * np.arange(people.size) + tables.makes
    batches = people * tables.batches_milli / 1000 * supply[tables.makes]
    net = -batches[:, None] * tables.uses  # (T, C) units sold less units bought as inputs, in an hour
    net.flat[makes] += batches * tables.batch_units - people * (tables.need_milli * demand)[tables.makes] / 1000
    left = net.sum(axis=0)
    if (left <= 0).any():
        short = [plan.commodities[c] for c in np.flatnonzero(left <= 0)]
        raise ValueError(f"{plan.districts[district]}: trades use up all {', '.join(short)}; households get none")
    share = (tables.uses == 0) * (tables.spend_ppm * demand / 1e6)
    share.flat[makes] = 0
    there = people > 0
    money = _money(share[there], net[there], left, people.sum() * plan.money_ticks)
    if (money <= 0).any():
        poor = [plan.trades[t] for t in np.flatnonzero(there)[money <= 0]]
        raise ValueError(f"{plan.districts[district]}: {', '.join(poor)} would earn less than their inputs cost")
    price: Real = (share[there] * money[:, None]).sum(axis=0) / left
    return price


def _money(share: Real, net: Real, left: Real, total: float) -> Real:
    """(T,) money of each trade: what it spends equals what it earns; the last equation says how much there is."""
    flows = np.diag(share.sum(axis=1)) - (net / left) @ share.T
    sums = np.append(np.zeros(len(flows)), total)
    money: Real = np.linalg.lstsq(np.vstack([flows, np.ones(len(flows))]), sums, rcond=None)[0]
    return money
