"""Draws the pictures of docs/SOCIETY.md about diplomacy: `python -m benchmarks.society_plots`.

Lives here: which year is lived and how it is drawn. Not here: figures with goals (diplomacy, society_day).
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from benchmarks.pictures import night_city, save
from worldtick.clock.worldtime import DAY_US
from worldtick.society.diplomacy.days import DiplomacyDay, score, step
from worldtick.society.diplomacy.relations import genesis
from worldtick.society.diplomacy.rules import Relation
from worldtick.society.scenario import SocietyScenario

YEAR, SEED = 365, 1
COLORS = ("#b2182b", "#f4a582", "#d1e5f0", "#2166ac")  # war to alliance
PAIRS_DRAWN = 3


def main() -> None:
    """Write the pictures."""
    section = SocietyScenario.model_validate(night_city("society"))
    assert section.diplomacy is not None
    _draw(section.diplomacy.plan)


def _draw(plan: Any) -> None:
    """States of all pairs over a year, and the scores of those that changed most."""
    relations = genesis(plan, SEED)
    states, scores = [], []
    for number in range(1, YEAR + 1):
        day = DiplomacyDay(SEED, number, number * DAY_US, plan.pairs)
        relations = step(plan, relations, day).relations
        states.append(relations.state.copy())
        scores.append(score(relations) / 1_000)
    table, lines = np.array(states).T, np.array(scores).T
    names = [f"{plan.factions[a]} / {plan.factions[b]}" for a, b in plan.sides.tolist()]
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(11, 8), height_ratios=(2, 1), sharex=True, layout="constrained"
    )
    image = upper.imshow(
        table, aspect="auto", cmap=ListedColormap(COLORS), vmin=-0.5, vmax=3.5, interpolation="nearest"
    )
    upper.set_yticks(range(len(names)), names, fontsize=7)
    bar = figure.colorbar(image, ax=upper, ticks=range(4))
    bar.ax.set_yticklabels([state.name for state in Relation])
    upper.set(title=f"night_city, seed {SEED}: a year of 21 pairs")
    liveliest = np.argsort(-(np.diff(table, axis=1) != 0).sum(axis=1), kind="stable")[:PAIRS_DRAWN]
    for pair in liveliest.tolist():
        lower.plot(lines[pair], lw=1, label=names[pair])
    lower.axhline(0, color="0.7", lw=0.8)
    lower.set(xlabel="game day", ylabel="score, points")
    lower.legend(fontsize=8, loc="lower right")
    save(figure, "society_diplomacy_year.png")


if __name__ == "__main__":
    main()
