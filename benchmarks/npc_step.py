"""What does a decision of an inhabitant cost, against Mesa's agents, the bare choice, and the memory that it must move?

A million inhabitants in slices of 10,000, 16 activities x 6 needs, an hourly tick in which each decides once; and the
same with 100,000. Rivals: a Mesa 3 AgentSet whose agents make the same choice (scores, chance, effects), fewer of
them, per agent; a compiled kernel over the same arrays that does the choice alone (scores of six needs, the share of
their sum, the pick; no time passed, no conditions, nothing written but the pick); and the time in which numpy copies
as many bytes as a step reads and writes. Proof: the agents choose what the step chose.
Not asked: genesis, encoding, SQL and Kafka, several threads. Seconds are the processor's, since machines are shared.
"""

from time import process_time
from typing import Any

import mesa
import numpy as np

from benchmarks.figures import Figure, Place, from_runs
from worldtick.chance.compiled import compiled
from worldtick.chance.philox import block, words
from worldtick.chance.streams import ChanceStream
from worldtick.npc.hours import Moment, step
from worldtick.npc.people import LIVED, Slice, genesis
from worldtick.npc.plan import Plan
from worldtick.npc.scenario import NpcScenario
from worldtick.npc.units import FULL, KEEP_Q8, NEEDS

SEED = 7
HOUR_US = 3_600_000_000
ACTIVITIES = 16
STREAM = np.uint64(ChanceStream.NPC_DECIDE)
HALF = np.uint64(32)
NOBODY_LIMITED = (0, 0, 0, 10**9)


def measure(place: Place) -> list[Figure]:
    """A million and 100,000 inhabitants; 2,000 agents of Mesa. In a smoke run 2,000, 1,000 and 100."""
    many, few, agents = (2_000, 1_000, 100) if place.smoke else (1_000_000, 100_000, 2_000)
    large, small = _world(many), _world(few)
    runs: dict[str, list[float]] = {name: [] for name in ("mesa", "bare", "copy", "large", "small")}
    for run in range(place.runs):
        seq = 3 + run
        large, seconds = _tick(large, seq)
        runs["large"].append(seconds / many * 1e9)
        small, seconds = _tick(small, seq)
        runs["small"].append(seconds / few * 1e9)
        runs["bare"].append(_bare(large, seq) / many * 1e9)
        runs["copy"].append(_copy(large) / many * 1e9)
        runs["mesa"].append(_mesa(small[0], seq + 1, agents) / agents * 1e9)
    rival = {name: float(np.median(values)) for name, values in runs.items()}
    return [
        from_runs("mesa_npc_choice_ns", "ns", runs["mesa"]),
        from_runs("bare_npc_choice_ns", "ns", runs["bare"]),
        from_runs("npc_memory_bound_ns", "ns", runs["copy"]),
        from_runs(
            "npc_step_ns", "ns", runs["large"], against="mesa_npc_choice_ns", rival=rival["mesa"],
            goal="ratio <= 0.01",
        ),
        from_runs(
            "npc_step_over_bare_choice_ns", "ns", runs["large"], against="bare_npc_choice_ns", rival=rival["bare"],
            goal="ratio <= 2",
        ),
        from_runs(
            "npc_step_of_a_million_ns", "ns", runs["large"], against="npc_step_of_100000_ns", rival=rival["small"],
            goal="ratio <= 1.5",
        ),
    ]  # fmt: skip


def section(people: int) -> dict[str, Any]:
    """A scenario's section: one town, 16 activities that answer to two needs each."""
    activities: dict[str, Any] = {"idle": {}}
    for number in range(ACTIVITIES - 1):
        need, other = NEEDS[number % 6], NEEDS[(number + 2) % 6]
        activities[f"activity_{number}"] = {
            "weight": 50 + 10 * number,
            "urgency": {need: 90, other: 30},
            "per_hour": {need: 12},
        }
    return {
        "places": {"home": {"district": "town", "kind": "home"}},
        "activities": activities,
        "fallback": "idle",
        "groups": {"people": {"people": {"town": people}}},
    }


def _plan(people: int) -> Plan:
    return NpcScenario.model_validate(section(people)).plan


def _world(people: int) -> list[Slice]:
    """After two ticks, so that people are at different things."""
    plan = _plan(people)
    slices = [genesis(plan, SEED, number) for number in range(plan.slices)]
    for seq in (1, 2):
        slices, _ = _tick(slices, seq)
    return slices


def _tick(slices: list[Slice], seq: int) -> tuple[list[Slice], float]:
    """(slices afterwards, seconds). Raises AssertionError unless each inhabitant decided once."""
    people = sum(len(each.people.flags) for each in slices)
    told = Moment(
        SEED, seq, (seq - 1) * HOUR_US, seq * HOUR_US, 0, decisions=people, events=100, intents=10,
        limits=NOBODY_LIMITED, intervals_s=(3_600,) * 4,
    )  # fmt: skip
    began = process_time()
    lived = [step(each, told) for each in slices]
    seconds = process_time() - began
    assert sum(each.used for each in lived) == people
    return [each.slice for each in lived], seconds


def _copy(slices: list[Slice]) -> float:
    """Seconds to copy what a step writes, and what it reads besides as often."""
    lines = [getattr(each.people, name) for each in slices for name in LIVED]
    lines += [each.standing for each in slices]
    targets = [np.empty_like(line) for line in lines[: len(lines) // max(1, len(slices))]]
    began = process_time()
    for number, line in enumerate(lines):
        target = targets[number % len(targets)]
        if target.shape == line.shape and target.dtype == line.dtype:
            np.copyto(target, line)
        else:
            line.copy()
    return process_time() - began


def _bare(slices: list[Slice], seq: int) -> float:
    """Seconds of the choice alone."""
    tables = slices[0].plan.tables
    picked = np.empty(max(len(each.people.flags) for each in slices), np.int16)
    lines = (
        np.empty((ACTIVITIES, LANES), np.uint32), np.empty((6, LANES), np.uint32), np.empty(LANES, np.uint32),
        np.empty(LANES, np.int32),
    )  # fmt: skip
    _choice(tables.urgency, slices[0].standing, slices[0].people.level, np.uint64(seq), picked, *lines)  # compile
    began = process_time()
    for each in slices:
        _choice(tables.urgency, each.standing, each.people.level, np.uint64(seq), picked, *lines)
    return process_time() - began


LANES = 256


@compiled
def _choice(
    urgency: Any, standing: Any, level: Any, seq: Any, picked: Any, scores: Any, lacks: Any, total: Any, place: Any
) -> None:
    """A tile after another: lack of each need, scores by activity, the pick."""
    for base in range(0, standing.shape[1], LANES):
        lanes = min(LANES, standing.shape[1] - base)
        for k in range(6):
            for lane in range(lanes):
                lack = np.uint32(np.uint32(FULL - level[k, base + lane]) >> np.uint32(6))
                lacks[k, lane] = np.uint32(lack * lack) >> np.uint32(10)
        for lane in range(lanes):
            total[lane] = 0
        for a in range(ACTIVITIES):
            u0, u1, u2 = np.uint32(urgency[a, 0]), np.uint32(urgency[a, 1]), np.uint32(urgency[a, 2])
            u3, u4, u5 = np.uint32(urgency[a, 3]), np.uint32(urgency[a, 4]), np.uint32(urgency[a, 5])
            for lane in range(lanes):
                lack = np.uint32(lacks[0, lane] * u0 + lacks[1, lane] * u1 + lacks[2, lane] * u2)
                lack = np.uint32(lack + lacks[3, lane] * u3 + lacks[4, lane] * u4 + lacks[5, lane] * u5)
                factor = min(np.uint32(1_024), np.uint32(64 + np.uint32(lack >> np.uint32(6))))
                weight = np.uint32(np.uint32(np.uint32(standing[a, base + lane]) * factor) >> np.uint32(8))
                weight = max(np.uint32(1), weight)
                scores[a, lane] = weight
                total[lane] = np.uint32(total[lane] + weight)
        for lane in range(lanes):
            word = block(np.uint64(SEED), seq, np.uint64(base + lane), STREAM, np.uint64(0))[0]
            left = np.uint32(((word >> HALF) * np.uint64(total[lane])) >> HALF)
            total[lane] = left
            place[lane] = 0
        for a in range(ACTIVITIES - 1):
            for lane in range(lanes):
                left, weight = total[lane], scores[a, lane]
                passed = (place[lane] == a) & (left >= weight)
                place[lane] = np.int32(a + 1) if passed else place[lane]
                total[lane] = np.uint32(left - weight) if passed else left
        for lane in range(lanes):
            picked[base + lane] = np.int16(place[lane])


class _Citizen(mesa.Agent):  # type: ignore[misc]
    """The same choice in Mesa's usual style: an object, a method, the model's tables."""

    def __init__(self, model: "_Town", number: int) -> None:
        super().__init__(model)
        people = model.state.people
        self.level = [int(value) for value in people.level[:, number]]
        self.standing = [int(value) for value in model.state.standing[:, number]]
        self.activity = int(people.activity[number])
        self.seen, self.due = int(people.seen_s[number]), int(people.due_s[number])
        self.word = int(model.words[number])

    def step(self) -> None:
        """Time passes, then the choice by weight."""
        model = self.model
        rates = model.rates[self.activity]
        for k in range(8):
            gained = rates[k] * self.due // 3_600 - rates[k] * self.seen // 3_600
            self.level[k] = max(0, min(FULL, self.level[k] + gained))
        dull = [((FULL - self.level[k]) >> 6) ** 2 >> 10 for k in range(6)]
        scores = []
        for a, needs in enumerate(model.urgency):
            lack = sum(dull[k] * needs[k] for k in range(6))
            weight = self.standing[a] * min(1_024, 64 + (lack >> 6)) >> 8
            weight = weight * model.near >> 8
            scores.append(max(1, weight * (model.inertia if a == self.activity else KEEP_Q8) >> 8))
        left = self.word * sum(scores) >> 32
        for a, score in enumerate(scores):
            if left < score:
                self.activity = a
                break
            left -= score
        self.seen = self.due


class _Town(mesa.Model):  # type: ignore[misc]
    def __init__(self, state: Slice, seq: int, agents: int) -> None:
        super().__init__()
        tables = state.plan.tables
        self.state = state
        self.rates, self.urgency = tables.rate.tolist(), tables.urgency.tolist()
        self.near, self.inertia = KEEP_Q8, int(tables.inertia_q8)
        self.words = _words_at(state, seq, agents)
        self.citizens = [_Citizen(self, number) for number in range(agents)]


def _words_at(state: Slice, seq: int, agents: int) -> list[int]:
    due = state.people.due_s[:agents].tolist()
    drawn = [words(SEED, seq, np.array([n], np.uint64), ChanceStream.NPC_DECIDE, due[n])[0, 0] for n in range(agents)]
    return [int(word) >> 32 for word in drawn]


def _mesa(state: Slice, seq: int, agents: int) -> float:
    """Seconds of Mesa's agents. Raises AssertionError unless they chose what the step chooses."""
    town = _Town(state, seq, agents)
    began = process_time()
    town.agents.do("step")
    seconds = process_time() - began
    (after,), _ = _tick([state], seq) if len(state.people.flags) >= agents else ([state], 0.0)
    ours = after.people.activity[:agents].tolist()
    assert [citizen.activity for citizen in town.citizens] == ours, "both are to choose the same"
    return seconds
