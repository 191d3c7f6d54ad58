"""How inhabitants live: shifts, cooldowns, tiers, waiting, routines, goods, demand.
Lives here: what docs/NPC.md promises of the model. Not here: the kernel's bits (test_plain), faults (test_scenario)."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.unit.npc.cities import HOUR_S, HOUR_US, city, hours, moment, plan_of, village
from worldtick.npc.demand import demand_ppm
from worldtick.npc.edits import Edit, Focus, Meeting
from worldtick.npc.hours import step
from worldtick.npc.people import Slice, genesis
from worldtick.npc.units import FULL, LEVELS, POINT, Phase

BAKERS = 40  # the first group's people
DAY = 24


def test_a_baker_is_at_work_from_five_to_one_on_weekdays_and_never_on_sunday() -> None:
    plan = plan_of(city())
    bake = plan.activities.index("bake")
    for lived in hours(plan, 8 * DAY):
        seq = int(lived.slice.people.seen_s.max()) // HOUR_S + 1
        day, hour = divmod(seq - 1, DAY)  # the hour that was lived; day 0 is a Sunday
        people = lived.slice.people
        baking = people.activity[:BAKERS] == bake
        if 1 <= day % 7 <= 5 and 5 <= hour < 13:
            assert baking.all()
            assert (plan.tables.place_kind[people.place[:BAKERS]] == plan.tables.place_kind[people.work[0]]).all()
        elif day % 7 == 0:
            assert not baking.any()


def _spans(plan: Any, ticks: int) -> dict[int, list[tuple[int, int, int]]]:
    """(activity, started, ended) of each detailed or active inhabitant, from the action log."""
    begun: dict[int, tuple[int, int]] = {}
    spans: dict[int, list[tuple[int, int, int]]] = {}
    for lived in hours(plan, ticks):
        log = lived.log
        for who, what, phase, at in zip(log.who, log.what, log.phase, log.at, strict=True):
            if phase == Phase.STARTED:
                begun[int(who)] = (int(what), int(at))
            elif phase == Phase.FINISHED and int(who) in begun:
                activity, started = begun.pop(int(who))
                assert activity == what
                spans.setdefault(int(who), []).append((activity, started, int(at)))
    return spans


def test_no_activity_begins_inside_its_cooldown_or_ends_before_its_least_time() -> None:
    plan = plan_of(city())
    least, cool = plan.tables.least_s, plan.tables.cool_s
    bakers_shift = (5 * HOUR_S, 13 * HOUR_S)
    seen = Counter[str]()
    for who, spans in _spans(plan, 3 * DAY).items():
        ended: dict[int, int] = {}
        for activity, started, at in spans:
            assert at - started >= least[activity] or at % (24 * HOUR_S) in bakers_shift, (who, activity)
            assert started >= ended.get(activity, -(10**9)) + cool[activity], (who, plan.activities[activity])
            ended[activity] = at
            seen[plan.activities[activity]] += 1
    assert seen["sleep"] > 50
    assert seen["eat"] > 50


def test_energy_falls_and_recovers_and_people_sleep_at_night() -> None:
    plan = plan_of(city())
    sleep = plan.activities.index("sleep")
    asleep = np.array([lived.activities[sleep] for lived in hours(plan, 3 * DAY)]).reshape(3, DAY)
    assert asleep[1:, 2:5].min() > 1_200
    assert asleep[1:, 13:17].max() < 60


@pytest.mark.parametrize("decisions", [7, 61])
def test_nobody_waits_longer_than_the_bound_under_lasting_overload(decisions: int) -> None:
    plan = plan_of(city())
    people, intervals = 2_000, (60, 60, 60, 60)
    bound = -(-people // decisions) + 1
    waits, state = [], genesis(plan, 7, 0)
    for lived in hours(plan, 2 * bound if decisions > 50 else bound + 40, state, decisions=decisions,
                       limits=(2_000,) * 4, intervals_s=intervals):  # fmt: skip
        assert lived.used == decisions
        waits.append(lived.wait_s)
    assert max(waits) <= bound * HOUR_S
    assert max(waits) > bound * HOUR_S // 2, "the overload is real"


def test_tiers_hold_no_more_than_their_limits_and_decide_at_their_intervals() -> None:
    section = city()
    section["groups"]["townsfolk"]["people"] = {"Watson": 9_760}
    for group in section["groups"].values():
        group["tier"] = "detailed"
    plan = plan_of(section)
    first, second = hours(plan, 2)
    for lived in (first, second):
        assert lived.tiers.tolist() == [20, 100, 500, 5_000, 4_380]
    both = first.simulated + second.simulated
    assert both.tolist() == [20 * 120, 100 * 24, 500 * 4, 5_000, 0]


def test_focus_makes_detailed_at_the_next_tick_sends_the_oldest_away_and_ends_with_its_lease() -> None:
    section = city()
    section["groups"]["bakers"]["tier"] = "detailed"
    plan = plan_of(section)
    state = step(genesis(plan, 7, 0), moment(1)).slice
    assert np.flatnonzero(state.people.tier == 0).tolist() == list(range(20))
    focused = step(state, moment(2, focuses=[Focus(npc=1_999, until_s=3 * HOUR_S)])).slice
    assert np.flatnonzero(focused.people.tier == 0).tolist() == [*range(19), 1_999]
    third = step(focused, moment(3)).slice
    assert third.people.tier[1_999] == 0
    fourth = step(third, moment(4)).slice
    assert fourth.people.tier[1_999] == 3
    assert fourth.people.tier[19] == 0


def test_an_edit_changes_what_it_names_and_nothing_else() -> None:
    plan = plan_of(city())
    state = step(genesis(plan, 7, 0), moment(1)).slice
    still = moment(2, decisions=0)
    plain = step(state, still).slice.people
    edit = Edit(npc=77, levels={1: 10 * POINT}, items={0: 9}, set_flags=2)
    edited = step(state, dataclasses.replace(still, edits=[edit])).slice.people
    assert [edited.level[1, 77], edited.item[0, 77], edited.flags[77]] == [10 * POINT, 9, 2]
    for before, after in zip(plain, edited, strict=True):
        assert np.count_nonzero(before != after) <= 1


def test_a_routine_runs_through_its_nodes() -> None:
    nodes = {
        "a": {"kind": "activity", "activity": "rest", "edges": [{"to": "slot"}]},
        "slot": {"kind": "time_slot", "edges": [{"to": "b", "when": {"time": ["00:00", "12:00"]}}, {"to": "c"}]},
        "b": {"kind": "activity", "activity": "toil", "edges": [{"to": "a"}]},
        "c": {"kind": "activity", "activity": "idle", "edges": [{"to": "a"}]},
    }
    groups = {"folk": {"people": {"Vale": 1}, "work": "field", "routine": "day", "tier": "detailed"}}
    section = village(routines={"day": {"start": "a", "nodes": nodes}}, groups=groups)
    section["activities"]["toil"] |= {"minutes": 30, "requires": None}
    plan = plan_of(section)
    names = {}
    for seq, lived in enumerate(hours(plan, 20), start=1):
        log = lived.log
        names[seq] = [plan.activities[w] for w, p in zip(log.what, log.phase, strict=True) if p == Phase.STARTED]
    assert names[3] == ["rest", "toil"] or names[3] == ["toil", "rest"]
    assert set(names[18]) == {"rest", "idle"}


def test_what_is_given_arrives_and_nothing_is_lost() -> None:
    plan = plan_of(city())
    bread = plan.items.index("bread")
    state = genesis(plan, 7, 0)
    total = int(state.people.item[bread].astype(int).sum())
    meetings: list[Meeting] = []
    given = 0
    for seq in range(1, 3 * DAY):
        lived = step(state, moment(seq, meetings=meetings))
        made = int(lived.flow[0, bread] - lived.flow[1, bread])
        meetings = [
            Meeting(npc=int(to), by=int(who), points=(4, 2, 0, 0), item=int(item), units=1)
            for who, to, _, item, _ in lived.intents
            if item >= 0
        ]
        given += len(meetings)
        total += made - int(lived.spilled.sum())
        state = lived.slice
        assert int(state.people.item[bread].astype(int).sum()) + len(meetings) == total
    assert given > 100


def test_hunger_raises_demand() -> None:
    plan = plan_of(city())
    state = step(genesis(plan, 7, 0), moment(1)).slice
    fed, hungry = (step(_with_hunger(state, units), moment(2, decisions=0)).wants for units in (90 * POINT, 20 * POINT))
    assert demand_ppm(plan, fed)["Watson/Food/npc"] == 1_000_000 - 35 * 12_000
    assert demand_ppm(plan, hungry)["Watson/Food/npc"] == 1_000_000 + 35 * 12_000
    assert demand_ppm(plan, hungry * 0) == {}


def _with_hunger(state: Slice, units: int) -> Slice:
    level = state.people.level.copy()
    level[1] = units
    return dataclasses.replace(state, people=state.people._replace(level=level))


def test_minutes_make_the_same_as_an_hour() -> None:
    """Needs do not depend on how often an inhabitant is brought up to date."""
    plan = plan_of(village(activities={"idle": {"per_hour": {"energy": -3, "valence": 7}}}, decay={"energy": 1}))
    ends = []
    for spans in (1, 60):
        state = genesis(plan, 7, 0)
        for n in range(spans):
            told = moment(n + 1, from_us=n * HOUR_US // spans, to_us=(n + 1) * HOUR_US // spans, intervals_s=(60,) * 4)
            state = step(state, told).slice
        ends.append(state.people.level.tolist())
    assert ends[0] == ends[1]


def test_a_daily_tick_moves_no_time() -> None:
    plan = plan_of(city())
    state = step(genesis(plan, 7, 0), moment(1)).slice
    lived = step(state, moment(2, from_us=HOUR_US, to_us=HOUR_US))
    assert lived.used == 0
    assert all(np.array_equal(a, b) for a, b in zip(state.people, lived.slice.people, strict=True))


def _months(days: int) -> None:
    plan = plan_of(city())
    by_hour = np.zeros((DAY, len(plan.activities)), np.int64)
    stuck = np.zeros((2, len(LEVELS)), np.int64)
    for number, lived in enumerate(hours(plan, days * DAY)):
        by_hour[number % DAY] += lived.activities
        stuck[0] += np.count_nonzero(lived.slice.people.level == 0, axis=1)
        stuck[1] += np.count_nonzero(lived.slice.people.level == FULL, axis=1)
        assert lived.carried == 0
    everybody = days * DAY * plan.count
    assert (stuck / everybody).max() < 0.2, "a need stands at a bound for many"
    assert (by_hour.sum(axis=0) > 0).all(), "an activity that nobody chose"
    share = by_hour / by_hour.sum(axis=1, keepdims=True)
    sleep, work, tavern = (plan.activities.index(name) for name in ("sleep", "work", "tavern"))
    assert share[2:5, sleep].min() > 0.6
    assert share[12:16, sleep].max() < 0.05
    assert share[10:16, work].min() > 0.05
    assert share[[*range(6), 20], work].max() == 0
    assert share[18:22, tavern].min() > share[8:14, tavern].max()


def test_two_weeks_of_the_city() -> None:
    _months(14)


@pytest.mark.soak
def test_ninety_days_of_the_city() -> None:
    _months(90)
