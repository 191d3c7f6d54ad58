"""Draws the loop of markets, crowd and factions in docs/SOCIETY.md: `python -m benchmarks.crowd_plots`.

Lives here: which histories are drawn and how. Not here: how they are lived (tests/unit/society/city_life.py).
"""

import matplotlib.pyplot as plt

from benchmarks.pictures import save
from tests.unit.society.city_life import City, scarce
from worldtick.society.crowd.news import NAMES

SHOCK_FROM, SHOCK_DAYS, DAYS = 60, 15, 120


def main() -> None:
    """Write all pictures."""
    city = City(3)
    city.live(SHOCK_FROM)
    city.live(SHOCK_DAYS, scarce(24 * SHOCK_DAYS))
    city.live(DAYS - SHOCK_FROM - SHOCK_DAYS)
    _draw_loop(city)


def _draw_loop(city: City) -> None:
    """Price, the crowd's demand, unrest, how factions stand, and all signals; Food cut to two fifths for 15 days."""
    figure, axes = plt.subplots(
        5, 1, figsize=(11, 11), sharex=True, layout="constrained", height_ratios=(2, 1, 2, 2, 2)
    )
    days = range(1, DAYS + 1)
    axes[0].plot(days, [price / 100 for price in city.price], color="C3")
    axes[0].set(ylabel="price of Food", yscale="log", yticks=(3, 5, 10, 20, 40), yticklabels=(3, 5, 10, 20, 40))
    axes[0].minorticks_off()
    axes[1].plot(days, [ppm / 1e6 for ppm in city.demand_ppm], color="C0")
    axes[1].axhline(1, color="0.6", lw=0.8)
    axes[1].set(ylabel="crowd's demand\n(1 = usual)")
    axes[2].plot(days, [ppm / 1e4 for ppm in city.unrest_ppm], color="C1")
    axes[2].set(ylabel="unrest, %")
    axes[3].plot(days, city.score, color="C2")
    for day, event in city.events:
        if event.type == "diplomacy_update" and event.data["new_relation_state"] == "WAR":
            axes[3].axvline(day, color="C3", lw=1, ls=":")
    axes[3].set(ylabel="mean score of\nfactions (: war)")
    for day, data in city.signals():
        size = 40 if data["location"] == "*" else 14
        axes[4].scatter(day, NAMES.index(data["signal_type"]), s=size, color="k", alpha=0.6)
    axes[4].set(yticks=range(len(NAMES)), yticklabels=NAMES, xlabel="game day")
    for axis in axes:
        axis.axvspan(SHOCK_FROM, SHOCK_FROM + SHOCK_DAYS, color="0.93", zorder=0)
    axes[0].set_title("supply_shock on Food, 0.4 for 15 days: Night City, seed 3")
    save(figure, "society_loop.png")


if __name__ == "__main__":
    main()
