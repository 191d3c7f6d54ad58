"""Compile society's kernels before they are needed: the machine code stays for all later processes of the machine.
Lives here: the smallest days there are. Not here: when to take them (set-up, a worker's start)."""

from worldtick.society.crowd import days
from worldtick.society.crowd.days import CrowdDay
from worldtick.society.crowd.scenario import CrowdScenario
from worldtick.society.diplomacy.days import DiplomacyDay, step
from worldtick.society.diplomacy.relations import genesis
from worldtick.society.diplomacy.scenario import DiplomacyScenario


def warm() -> None:
    """One day of two factions and one of two people."""
    plan = DiplomacyScenario.model_validate({"factions": {"a": {}, "b": {}}}).plan
    step(plan, genesis(plan, 0), DiplomacyDay(seed=0, seq=1, now_us=1, pairs=1))
    town = CrowdScenario(agents=2, width=5, height=5).town
    days.step(days.genesis(town, 0), CrowdDay(seed=0, agent_steps=town.day_steps, prices={}))


if __name__ == "__main__":  # python -m worldtick.society.warming
    warm()
