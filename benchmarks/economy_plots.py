"""Draws the pictures of docs/ECONOMY.md: `python -m benchmarks.economy_plots`.

Lives here: which histories are lived and how they are drawn. Not here: figures with goals (economy_step, tests).
"""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from benchmarks.pictures import night_city, save
from worldtick.contracts.sealed import Directive, SealedTick
from worldtick.economy.equilibrium import equilibrium
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import NAME, SERVICE

HOUR_US = 3_600_000_000
DISTRICT = "Watson"
SEEDS = range(5)
SHOCK_FROM, SHOCK_HOURS, SHOCK_PPM = 200, 200, 500_000
Prices = NDArray[np.float64]


def main() -> None:
    """Write all pictures."""
    _draw_convergence()
    _draw_shock()
    _draw_demand()


def _section(factor: float = 1.0) -> EconomyScenario:
    """One district of Night City; factor: what people begin to believe, of the base prices."""
    section = night_city(NAME)
    section["districts"] = {DISTRICT: section["districts"][DISTRICT]}
    section["commodities"] = {name: max(2, int(price * factor)) for name, price in section["commodities"].items()}
    return EconomyScenario.model_validate(section)


def _live(
    section: EconomyScenario, hours: int, seed: int, more: Callable[[int], dict[str, Any]] = lambda seq: {}
) -> Prices:
    """(hours, C) prices."""
    market = SERVICE.genesis(section, seed, 0)
    prices = []
    for seq in range(1, hours + 1):
        fields: dict[str, Any] = {
            "world": DISTRICT, "seed": seed, "epoch_s": 0, "seq": seq, "kind": "hourly", "kind_seq": seq, "tick_id": "",
            "from_us": (seq - 1) * HOUR_US, "to_us": seq * HOUR_US, "hours": 1, "triggered_by": "scheduler",
            "caused_by": None, "traceparent": None, "facts_as_of": 0, "consumers": (NAME,),
            "budgets": {NAME: dict(SERVICE.budgets)}, "directives": (), "facts": {},
        }  # fmt: skip
        market = SERVICE.step(market, SealedTick(**{**fields, **more(seq)})).state
        prices.append(market.price.astype(np.float64))
    return np.array(prices)


def _draw_convergence() -> None:
    """People who begin with half, and with twice, the base prices: five seeds each."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    for axis, factor in zip(axes, (0.5, 2.0), strict=True):
        section = _section(factor)
        at_rest = equilibrium(section.plan)
        for number, name in enumerate(section.plan.commodities):
            for seed in SEEDS:
                share = _live(section, 300, seed)[:, number] / at_rest[number]
                axis.plot(share, color=f"C{number}", lw=0.8, alpha=0.7, label=name if seed == 0 else None)
        axis.axhspan(0.9, 1.1, color="0.9", zorder=0)
        axis.axhline(1, color="0.4", lw=0.8)
        axis.set(title=f"beliefs begin at {factor:g} x the base prices", xlabel="game hour", ylim=(0.3, 2.1))
    axes[0].set_ylabel("price / analytic equilibrium")
    axes[0].legend(loc="lower right", fontsize=8)
    save(figure, "economy_convergence.png")


def _draw_shock() -> None:
    """Half the harvest for 200 hours: price, and the equilibria before and under the shock."""
    section = _section()
    food = section.plan.commodities.index("Food")
    halved = np.array([SHOCK_PPM / 1e6 if name == "Food" else 1.0 for name in section.plan.commodities])
    args = {"district": "*", "commodity": "Food", "ppm": SHOCK_PPM, "hours": SHOCK_HOURS}
    shock = {"directives": (Directive(NAME, "supply_shock", args, "admin", 1),)}
    figure, axis = plt.subplots(figsize=(11, 4), layout="constrained")
    for seed in SEEDS:
        prices = _live(section, 600, seed, lambda seq: shock if seq == SHOCK_FROM else {})
        axis.plot(prices[:, food] / 100, lw=0.8, label=f"seed {seed}")
    before, under = equilibrium(section.plan)[food] / 100, equilibrium(section.plan, supply=halved)[food] / 100
    end = SHOCK_FROM + SHOCK_HOURS
    axis.hlines([before, under, before], [0, SHOCK_FROM, end], [SHOCK_FROM, end, 600], color="k", ls="--", lw=1,
                label="analytic equilibrium")  # fmt: skip
    axis.axvspan(SHOCK_FROM, end, color="0.93", zorder=0)
    axis.set(title="supply_shock on Food: half the harvest for 200 hours", xlabel="game hour", ylabel="price of Food")
    axis.legend(fontsize=8)
    save(figure, "economy_supply_shock.png")


def _draw_demand() -> None:
    """A demand fact of 1.5 from hour 200 on, beside the same world without it."""
    section = _section()
    food = section.plan.commodities.index("Food")
    fact = {"facts": {"demand_ppm": {"society": {0: {f"{DISTRICT}/Food/crowd": 1_500_000}}}}}
    figure, axis = plt.subplots(figsize=(11, 4), layout="constrained")
    moved = _live(section, 400, 1, lambda seq: fact if seq >= SHOCK_FROM else {})
    axis.plot(_live(section, 400, 1)[:, food] / 100, lw=1, label="without the fact")
    axis.plot(moved[:, food] / 100, lw=1, label="demand_ppm 1,500,000 from hour 200 on")
    wishes = np.array([1.5 if name == "Food" else 1.0 for name in section.plan.commodities])
    levels = [equilibrium(section.plan)[food] / 100, equilibrium(section.plan, demand=wishes)[food] / 100]
    axis.hlines(levels, [0, SHOCK_FROM], [400, 400], color="k", ls="--", lw=1, label="analytic equilibrium")
    axis.set(title="A demand fact on Food", xlabel="game hour", ylabel="price of Food")
    axis.legend(fontsize=8)
    save(figure, "economy_demand_fact.png")


if __name__ == "__main__":
    main()
