"""Draws the picture of docs/NPC.md: `python -m benchmarks.npc_plots`.

Lives here: which days are lived and how they are drawn. Not here: figures with goals (npc_step), statistics (tests).
"""

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.pictures import night_city, save
from worldtick.npc.hours import Moment, step
from worldtick.npc.people import genesis
from worldtick.npc.scenario import NpcScenario
from worldtick.npc.units import NEEDS, POINT

HOUR_US = 3_600_000_000
DAYS, SETTLING = 90, 2
SUNDAY_S = 1_705_190_400
SEED = 7
SHOWN = ("sleep", "eat", "work", "chat", "tavern", "read", "pray", "shop", "stroll")


def main() -> None:
    """90 days of 2,000 inhabitants, as a mean day."""
    plan = NpcScenario.model_validate(night_city("npc")).plan
    state = genesis(plan, SEED, 0)
    doing = np.zeros((24, len(plan.activities)))
    needs = np.zeros((24, len(NEEDS)))
    for seq in range(1, DAYS * 24 + 1):
        told = Moment(SEED, seq, (seq - 1) * HOUR_US, seq * HOUR_US, SUNDAY_S, decisions=7_200, events=0, intents=500)
        lived = step(state, told)
        state = lived.slice
        if seq > SETTLING * 24:
            doing[(seq - 1) % 24] += lived.activities / plan.count
            needs[(seq - 1) % 24] += state.people.level[: len(NEEDS)].mean(axis=1) / POINT
    days = DAYS - SETTLING
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 7), sharex=True, layout="constrained")
    for name in SHOWN:
        above.plot(range(24), 100 * doing[:, plan.activities.index(name)] / days, label=name)
    above.set_ylabel("percent of people at it")
    above.legend(ncols=3, fontsize="small")
    for row, name in enumerate(NEEDS):
        below.plot(range(24), needs[:, row] / days, label=name)
    below.set_ylabel("mean need, points")
    below.set_ylim(0, 100)
    below.set_xlabel("hour of the day")
    below.legend(ncols=3, fontsize="small")
    save(figure, "npc_day.png")


if __name__ == "__main__":
    main()
