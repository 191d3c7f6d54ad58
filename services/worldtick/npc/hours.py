"""One tick of a slice: tiers, then rounds of decisions until the tick's time or the budget is used up.
Lives here: what a tick tells the core and what comes of it. Not here: one decision (kernel), directives (edits)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from worldtick.chance.philox import WORD_MASK
from worldtick.clock.worldtime import SECOND_US
from worldtick.npc import brought, edits
from worldtick.npc.acting import Log
from worldtick.npc.claims import ruled
from worldtick.npc.edits import Edit, Focus, Meeting
from worldtick.npc.kernel import LANES, Hand, Scratch, census, decide
from worldtick.npc.people import FELT, LIVED, People, Slice
from worldtick.npc.plan import Plan, Table
from worldtick.npc.tiers import moved, placed
from worldtick.npc.units import DAY_S, INTERVALS_S, LIMITS, NEVER, TIERS, Tier

MONDAY_S = 4 * DAY_S  # 1970-01-05 was a Monday


@dataclass(frozen=True, slots=True)
class Moment:
    """What a tick tells one slice. Times in microseconds of world time."""

    seed: int
    seq: int
    from_us: int
    to_us: int
    epoch_s: int
    decisions: int  # granted to this slice
    events: int  # lines of the action log
    intents: int
    limits: Sequence[int] = LIMITS  # (4,) this slice's share of each tier's limit
    intervals_s: Sequence[int] = INTERVALS_S  # (4,) from 1 s
    focuses: Sequence[Focus] = ()
    edits: Sequence[Edit] = ()
    meetings: Sequence[Meeting] = ()


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a tick."""

    slice: Slice
    used: int  # decisions
    carried: int  # due and undecided
    wait_s: int  # of the oldest of them
    rate_hour: int  # decisions that come due in an hour
    log: Log  # only its rows in use; sorted by second, then inhabitant
    unsaid: int
    intents: Table  # (k, 5) int64: inhabitant, entity asked, activity, item given or -1, second
    intents_unsaid: int
    activities: Table  # (A,) people in each
    tiers: Table  # (5,) people in each
    simulated: Table  # (5,) decisions of each tier
    claims: Table  # (4,) people who claim each tier
    wants: Table  # (answers, D, 2) int64: awake people at home in a district, sum of their need in units
    moves: Table  # (D, D) int64 journeys from district to district
    flow: Table  # (2, I) int64 units made, used up
    spilled: Table = field(default_factory=lambda: np.zeros(0, np.int64))  # (I,) units given to who can hold no more


def step(state: Slice, moment: Moment) -> Lived:
    """The slice after a tick. Pure; raises BadPart if a third-party part is missing or misbehaves."""
    plan = state.plan
    written = LIVED if plan.tables.intent.any() else LIVED[: -len(FELT)]
    people = state.people._replace(**{name: getattr(state.people, name).copy() for name in written})
    from_s, to_s = moment.from_us // SECOND_US, moment.to_us // SECOND_US
    people, spilled = edits.applied(plan, state.first, people, moment.focuses, moment.edits, moment.meetings, from_s)
    hand, scratch = _hand(state, moment, from_s), _scratch(len(plan.activities))
    people = ruled(plan, people, hand, scratch)
    people = moved(plan, state.first, people, placed(people, moment.limits, from_s), moment.intervals_s, from_s)
    log = _log(plan, moment)
    simulated = np.zeros(len(TIERS), np.int64)
    due = np.flatnonzero(people.due_s < to_s).astype(np.int32)
    left = moment.decisions
    while len(due) and left > 0:  # at most to_s - from_s rounds: each moves the due second on
        served = _oldest(people, due, left)
        log = _round(plan, people, state.standing, served, hand, log, scratch)
        simulated += np.bincount(people.tier[served], minlength=len(TIERS))
        left -= len(served)
        due = due[people.due_s[due] < to_s]
    waits = people.due_s[due]
    return _lived(Slice(plan, state.first, people, state.standing), moment, log, simulated, waits, to_s, spilled)


def _oldest(people: People, due: Table, left: int) -> Table:
    """Of the due ones as many as may decide: the longest waiting, then the lower entities; in entity order."""
    if len(due) <= left:
        return due
    chosen = due[np.argsort(people.due_s[due], kind="stable")[:left]]
    chosen.sort()
    return chosen


def _round(plan: Plan, people: People, standing: Table, served: Table, hand: Hand, log: Log, scratch: Scratch) -> Log:
    if plan.effects:
        log = log._replace(done=np.empty((len(served), 2), np.int32), dones=np.zeros(1, np.int64))
    at_s = served  # of no use where nobody brought anything
    if plan.brought or plan.evaluators:
        at_s = np.maximum(np.maximum(people.due_s[served], hand.from_s), people.seen_s[served])
    bits = brought.bits(plan.brought, people, served, at_s)
    factors = brought.factors(plan.evaluators, people, served, at_s)
    decide(plan.tables, people, standing, served, bits, factors, hand, log, scratch)
    done = log.done[: log.dones[0]]
    for activity, name in plan.effects:
        index = done[done[:, 1] == activity, 0]
        if len(index):
            brought.add(name, people, index, people.seen_s[index])
    return log


def _hand(state: Slice, moment: Moment, from_s: int) -> Hand:
    return Hand(
        key0=np.uint64(moment.seed & WORD_MASK),
        key1=np.uint64(moment.seq),
        first=np.int64(state.first),
        from_s=np.int64(from_s),
        week_s=np.int64((moment.epoch_s - MONDAY_S) % (7 * DAY_S)),
        interval_s=np.array([*moment.intervals_s, NEVER // 2], np.int64),
    )


def _log(plan: Plan, moment: Moment) -> Log:
    lines, districts = moment.events, len(plan.districts)
    effect = np.zeros(len(plan.activities), np.uint8)
    effect[[activity for activity, _ in plan.effects]] = 1
    return Log(
        who=np.empty(lines, np.int32),
        what=np.empty(lines, np.int16),
        phase=np.empty(lines, np.int8),
        at=np.empty(lines, np.int64),
        place=np.empty(lines, np.int16),
        partner=np.empty(lines, np.int32),
        said=np.zeros(2, np.int64),
        asks=np.empty((moment.intents, 5), np.int64),
        asked=np.zeros(2, np.int64),
        moved=np.zeros((districts, districts), np.int64),
        flow=np.zeros((2, len(plan.items)), np.int64),
        effect=effect,
        done=np.empty((0, 2), np.int32),
        dones=np.zeros(1, np.int64),
    )


def _scratch(activities: int) -> Scratch:
    return Scratch(
        at=np.empty(LANES, np.int64),
        until=np.empty(LANES, np.int64),
        duty=np.empty(LANES, np.int16),
        hours=np.empty(LANES, np.uint32),
        late=np.empty(LANES, np.uint32),
        early=np.empty(LANES, np.uint32),
        now=np.empty(LANES, np.int32),
        close=np.empty(LANES, np.int32),
        rate=np.empty(LANES, np.int32),
        weight=np.empty(LANES, np.uint32),
        level=np.empty((8, LANES), np.int32),
        dull=np.empty((6, LANES), np.int32),
        truth=np.empty(LANES, np.uint64),
        able=np.empty((activities, LANES), np.bool_),
        score=np.empty((activities, LANES), np.uint32),
        total=np.empty(LANES, np.uint32),
        pick=np.empty(LANES, np.int32),
        draw=np.empty((2, LANES), np.uint64),
    )


def _lived(after: Slice, moment: Moment, log: Log, simulated: Table, waits: Table, to_s: int, spilled: Table) -> Lived:
    plan, people = after.plan, after.people
    activities, tiers, claims = (np.zeros(size, np.int64) for size in (len(plan.activities), len(TIERS), len(TIERS)))
    census(people, to_s, activities, tiers, claims)
    rate = sum(int(tiers[tier]) * 3_600 // moment.intervals_s[tier] for tier in range(Tier.ASLEEP))
    asks = log.asks[: log.asked[0]]
    return Lived(
        slice=after,
        used=int(simulated.sum()),
        carried=len(waits),
        wait_s=to_s - int(waits.min()) if len(waits) else 0,
        rate_hour=rate,
        log=_sorted(log),
        unsaid=int(log.said[1]),
        intents=asks[np.lexsort((asks[:, 0], asks[:, 4]))],
        intents_unsaid=int(log.asked[1]),
        activities=activities,
        tiers=tiers,
        simulated=simulated,
        claims=claims[: Tier.ASLEEP],
        wants=_wants(plan, people),
        moves=log.moved,
        flow=log.flow,
        spilled=spilled,
    )


def _sorted(log: Log) -> Log:
    """The lines in use, by second, then inhabitant; one inhabitant's own keep their order."""
    lines = int(log.said[0])
    order = np.lexsort((log.who[:lines], log.at[:lines]))
    names = ("who", "what", "phase", "at", "place", "partner")
    return log._replace(**{name: getattr(log, name)[:lines][order] for name in names})


def _wants(plan: Plan, people: People) -> Table:
    """Sums by which districts' demand is told: whole numbers below 2^53, so floats add them exactly."""
    wants = np.zeros((len(plan.answers), len(plan.districts), 2), np.int64)
    if plan.answers:
        awake = people.tier != Tier.ASLEEP
        district: Any = plan.tables.place_district[people.home[awake]]
        for number, answer in enumerate(plan.answers):
            level = people.level[answer.need, awake]
            wants[number, :, 0] = np.bincount(district, minlength=len(plan.districts))
            wants[number, :, 1] = np.bincount(district, weights=level, minlength=len(plan.districts)).astype(np.int64)
    return wants
