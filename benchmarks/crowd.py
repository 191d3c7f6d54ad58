"""How many agent-steps does a crowd make in a second, against Mesa's agents at the same rules?

100,000 people on 500 x 500 cells in four sectors; an agent-step is one hour of one person. Rival: CrowdModel, the
built-in crowd as a Mesa 3 model in Mesa's usual style (agents on an OrthogonalMooreGrid, `agents.do("step")`), which
draws its random words in bulk and collects once an hour. Both live the same afternoon of the second day (a day takes
the rival a third of a minute); proof: people equal byte for byte afterwards. Whole days are a figure of their own.
Not asked: building the model (seconds), encoding, SQL and Kafka (society_day), several threads.

Machines are shared and both compute in one thread: seconds are the processor's.
"""

from time import process_time

import numpy as np

from benchmarks.figures import Figure, Place, from_runs
from worldtick.society.crowd import days
from worldtick.society.crowd.city import CrowdModel
from worldtick.society.crowd.days import PEOPLE, Crowd, CrowdDay
from worldtick.society.crowd.town import Town, town_of

SEED = 7
FROM_HOUR, HOURS = 14, 6  # people work, shop, meet and go home
SECTORS = ("North", "East", "South", "West")


def measure(place: Place) -> list[Figure]:
    """100,000 people; in a smoke run 500."""
    town = town_of(500, 60, 60, SECTORS, "Food", 300, "city", ()) if place.smoke else _town()
    crowd = days.step(days.genesis(town, SEED), CrowdDay(SEED, town.day_steps, {})).crowd
    crowd = days.step(crowd, CrowdDay(SEED, FROM_HOUR * town.agents, {})).crowd
    ours: list[float] = []
    mesa: list[float] = []
    whole: list[float] = []
    for _ in range(place.runs):
        seconds, after = _afternoon(crowd)
        ours.append(town.agents * HOURS / seconds)
        mesa.append(town.agents * HOURS / _mesa_afternoon(crowd, after))
        whole.append(town.day_steps / _day(town))
    rival = float(np.median(mesa))
    return [
        from_runs("mesa_agent_steps_per_s", "steps/s", mesa),
        from_runs(
            "crowd_agent_steps_per_s", "steps/s", ours, against="mesa_agent_steps_per_s", rival=rival,
            goal="ratio >= 80",
        ),
        from_runs("crowd_whole_days_agent_steps_per_s", "steps/s", whole),
    ]  # fmt: skip


def _town() -> Town:
    return town_of(100_000, 500, 500, SECTORS, "Food", 300, "city", ())


def _afternoon(crowd: Crowd) -> tuple[float, Crowd]:
    """(seconds, the crowd afterwards) of the quickest of three afternoons."""
    budget = HOURS * crowd.town.agents
    best = float("inf")
    after = crowd
    for _ in range(3):
        began = process_time()
        after = days.step(crowd, CrowdDay(SEED, budget, {})).crowd
        best = min(best, process_time() - began)
    return best, after


def _mesa_afternoon(crowd: Crowd, after: Crowd) -> float:
    """Seconds of Mesa's agents for the same hours. Raises AssertionError unless the same people come of it."""
    model = CrowdModel.from_people(crowd.town, SEED, crowd.arrays[PEOPLE], crowd.hour, crowd.level)
    began = process_time()
    for _ in range(HOURS):
        model.step()
    seconds = process_time() - began
    assert model.to_people().tobytes() == after.arrays[PEOPLE].tobytes(), "both are to live the same life"
    return seconds


def _day(town: Town) -> float:
    """Seconds of the quickest of three whole days, with the day's counts judged."""
    crowd = days.genesis(town, SEED)
    best = float("inf")
    for _ in range(3):
        began = process_time()
        crowd = days.step(crowd, CrowdDay(SEED, town.day_steps, {})).crowd
        best = min(best, process_time() - began)
    return best
