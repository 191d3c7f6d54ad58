"""The analytic equilibrium of a plan: at which prices every flow of goods and money of a district stands still.
Lives here: floating-point analysis for tests and docs. Not here: anything that a step uses."""

import numpy as np
from numpy.typing import NDArray

from worldtick.economy.plan import Plan

Real = NDArray[np.float64]
ROUNDS = 2000


def equilibrium(plan: Plan, district: int = 0, supply: Real | None = None, demand: Real | None = None) -> Real:
    """(C,) prices in price ticks; supply and demand are factors (C,) on production and on households' wishes.

    Every trade works at its full pace. Of a commodity c the households that neither make nor process it spend the
    share s_c of their money M_h in an hour, and what is left for them is x_c = made - own need of makers - inputs. So

        p_c = s_c x sum(M_h) / x_c            (goods stand still)
        M_g x sum(s_c that g buys) = p x sold - cost of inputs   for each trade g (money stands still), sum(M) = M.

    docs/ECONOMY.md derives it. Solved by iterating from equal wealth. Raises ValueError where some x_c <= 0.
    """
    tables = plan.tables
    commodities, trades = len(plan.commodities), len(plan.trades)
    supply = np.ones(commodities) if supply is None else supply
    demand = np.ones(commodities) if demand is None else demand
    who = plan.person_trade[tables.district_start[district] : tables.district_start[district + 1]]
    people = np.bincount(who, minlength=trades).astype(float)
    batches = people * tables.batches_milli / 1000 * supply[tables.makes]
    sold = np.zeros((trades, commodities))
    sold[np.arange(trades), tables.makes] = (
        batches * tables.batch_units - people * (tables.need_milli * demand)[tables.makes] / 1000
    )
    used = batches[:, None] * tables.uses
    left = (sold - used).sum(axis=0)
    if (left <= 0).any():
        short = [plan.commodities[c] for c in np.flatnonzero(left <= 0)]
        raise ValueError(f"{plan.districts[district]}: trades use up all {', '.join(short)}; households get none")
    buys = (tables.uses == 0) & (np.arange(commodities) != tables.makes[:, None])
    share = buys * (tables.spend_ppm * demand / 1e6)
    return _iterate(share, sold - used, left, people, float(plan.money_ticks))


def _iterate(share: Real, net: Real, left: Real, people: Real, money_each: float) -> Real:
    total = people.sum() * money_each
    money = people * money_each
    price = np.ones(len(left))
    for _ in range(ROUNDS):
        price = (share * money[:, None]).sum(axis=0) / left
        income = np.maximum(net @ price, 0)
        money = 0.9 * money + 0.1 * income / share.sum(axis=1)
        money *= total / money.sum()
    return price
