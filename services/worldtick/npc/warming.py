"""Compile the inhabitants' kernels before they are needed: the machine code stays for all later processes.
Lives here: the smallest tick there is. Not here: when to take it (set-up, a worker's start)."""

from worldtick.npc.hours import Moment, step
from worldtick.npc.people import genesis
from worldtick.npc.scenario import NpcScenario

SMALLEST = {
    "places": {"hut": {"district": "d", "kind": "home"}},
    "activities": {"idle": {}},
    "fallback": "idle",
    "groups": {"people": {"people": {"d": 2}}},
    "tier_rules": [{"tier": "dormant"}],
}


def warm() -> None:
    """Two inhabitants, one tick."""
    plan = NpcScenario.model_validate(SMALLEST).plan
    step(genesis(plan, 0, 0), Moment(0, 1, 0, 7_200_000_000, 0, decisions=2, events=1, intents=1))


if __name__ == "__main__":  # python -m worldtick.npc.warming
    warm()
