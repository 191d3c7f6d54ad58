"""Decisions of many inhabitants in machine code: tiles of people, activity after activity within a tile.
Lives here: up to date, conditions, scores, choice. Not here: what begins and ends with it (acting), rounds (hours).

A tile's numbers lie in scratch lines, so that every inner loop runs over neighbours in memory.
"""

from typing import Any, NamedTuple

import numpy as np

from worldtick.chance.compiled import compiled, spliced
from worldtick.chance.philox import block
from worldtick.chance.streams import ChanceStream
from worldtick.npc.acting import act
from worldtick.npc.units import (
    DAY_S,
    EVEN,
    FULL,
    HOUR_S,
    KEEP_Q8,
    NEVER,
    SOFT_HIGH,
    SOFT_LOW,
    URGENCY_HIGH,
    URGENCY_LOW,
    WEEK_S,
    Atom,
)

LANES = 256  # people in a tile
LEVELS = 8
NEEDS = 6
HOURS_MAX = 16_000  # of one stretch of an activity: products stay within 32 bits
BIAS = 34 * HOUR_S  # makes every rate positive, and comes out of both floors whole
CHANCE = np.uint64(ChanceStream.NPC_CHANCE)
DECIDE = np.uint64(ChanceStream.NPC_DECIDE)
ZERO, ONE = np.uint64(0), np.uint64(1)
QUARTER, LOW16 = np.uint64(16), np.uint64(0xFFFF)
HALF = np.uint64(32)
LEVEL, TIE, FLAG, ITEM = int(Atom.LEVEL), int(Atom.TIE), int(Atom.FLAG), int(Atom.ITEM)
PLACE, KIND, HOME, WORK = int(Atom.PLACE), int(Atom.KIND), int(Atom.HOME), int(Atom.WORK)
TIME, DAYS, BROUGHT = int(Atom.TIME), int(Atom.DAYS), int(Atom.BROUGHT)
NO_ACTIVITY = -1


class Hand(NamedTuple):
    """The tick as kernels see it."""

    key0: Any  # uint64: the world's seed
    key1: Any  # uint64: seq
    first: Any  # int64: the slice's first entity
    from_s: Any  # int64 world seconds
    week_s: Any  # int64: added to world seconds, gives seconds since some Monday 00:00
    interval_s: Any  # (5,) int64 by tier


class Scratch(NamedTuple):
    """A tile's lines; each (LANES,) or rows of it."""

    at: Any  # int64: second of the decision
    until: Any  # int64: when the next duty begins or ends
    duty: Any  # int16: what is on duty, -1: nothing
    hours: Any  # uint32: whole hours passed, as clocks count them
    late: Any  # uint32: seconds of the hour of the decision
    early: Any  # uint32: seconds of the hour of the last one
    now: Any  # int32: activity
    close: Any  # int32: of the best tie
    rate: Any  # int32
    weight: Any  # uint32
    level: Any  # (8, LANES) int32
    dull: Any  # (6, LANES) int32: squared lack of each need
    truth: Any  # uint64
    able: Any  # (A, LANES) bool
    score: Any  # (A, LANES) uint32
    total: Any  # uint32
    pick: Any  # int32
    draw: Any  # (2, LANES) uint64: second and fourth word


@compiled
def decide(
    plan: Any, people: Any, standing: Any, index: Any, brought: Any, factors: Any, hand: Any, log: Any, scratch: Any
) -> None:
    """One decision of each of `index` (m,) int32, in this order; people and log are changed in place.

    standing (A, n) uint16; brought (m,) uint64 bits of third-party conditions, factors (evaluators, m) uint16.
    """
    for base in range(0, index.shape[0], LANES):
        lanes = min(LANES, index.shape[0] - base)
        who = index[base : base + lanes]
        _gather(plan, people, who, hand, scratch, lanes)
        _update(plan, people, who, scratch, lanes)
        truths(plan, people, who, brought[base : base + lanes], hand, scratch, lanes)
        _score(plan, people, standing, who, factors, base, scratch, lanes)
        _choose(plan, who, hand, scratch, lanes)
        for lane in range(lanes):
            act(plan, people, who[lane], lane, hand, log, scratch)


@spliced
def _gather(plan: Any, people: Any, who: Any, hand: Any, scratch: Any, lanes: Any) -> None:
    """A tile's numbers into lines: the second of the decision, the hours and rests of hours since the last one."""
    for lane in range(lanes):
        i = who[lane]
        seen = people.seen_s[i]
        at = max(people.due_s[i], hand.from_s, seen)
        late, early = at // HOUR_S, seen // HOUR_S
        scratch.at[lane] = at
        scratch.hours[lane] = np.uint32(min(np.int64(HOURS_MAX), late - early))
        scratch.late[lane] = np.uint32(at - late * HOUR_S)
        scratch.early[lane] = np.uint32(seen - early * HOUR_S)
        scratch.now[lane] = people.activity[i]
        scratch.close[lane] = people.close[i]
        _duty(plan, people.group[i], at, lane, hand, scratch)
        for k in range(people.cool_s.shape[0]):
            people.cool_s[k, i] = max(np.int64(0), np.int64(people.cool_s[k, i]) - (at - seen))
        people.seen_s[i] = at


@spliced
def _update(plan: Any, people: Any, who: Any, scratch: Any, lanes: Any) -> None:
    """Levels at the second of the decision, for the world time that has passed since the last one."""
    hour = np.uint32(HOUR_S)
    close_by = who[lanes - 1] - who[0] == lanes - 1  # neighbours in memory
    for k in range(LEVELS):
        for lane in range(lanes):
            scratch.rate[lane] = plan.rate[scratch.now[lane], k]
        if close_by:
            for lane in range(lanes):
                scratch.level[k, lane] = people.level[k, who[0] + lane]
        else:
            for lane in range(lanes):
                scratch.level[k, lane] = people.level[k, who[lane]]
        for lane in range(lanes):
            rate = np.uint32(scratch.rate[lane] + BIAS)
            late, early = scratch.late[lane], scratch.early[lane]
            part = np.int32(np.uint32(rate * late) // hour) - np.int32(np.uint32(rate * early) // hour)
            part -= (BIAS // HOUR_S) * (np.int32(late) - np.int32(early))
            gained = np.int32(scratch.rate[lane] * np.int32(scratch.hours[lane]) + part)
            level = np.int32(scratch.level[k, lane] + gained)
            scratch.level[k, lane] = max(np.int32(0), min(np.int32(FULL), level))
    for k in range(NEEDS, LEVELS):
        calm = np.uint32(plan.calm[k - NEEDS])
        for lane in range(lanes):
            part = np.int32(np.uint32(calm * scratch.late[lane]) // hour)
            part -= np.int32(np.uint32(calm * scratch.early[lane]) // hour)
            back = np.int32(np.int32(calm) * np.int32(scratch.hours[lane]) + part)
            off = np.int32(scratch.level[k, lane] - EVEN)
            rest = max(np.int32(0), np.int32(off - back)) if off > 0 else min(np.int32(0), np.int32(off + back))
            scratch.level[k, lane] = EVEN + rest
    for k in range(LEVELS):
        if close_by:
            for lane in range(lanes):
                people.level[k, who[0] + lane] = np.uint16(scratch.level[k, lane])
        else:
            for lane in range(lanes):
                people.level[k, who[lane]] = np.uint16(scratch.level[k, lane])


@spliced
def _duty(plan: Any, group: Any, at: Any, lane: Any, hand: Any, scratch: Any) -> None:
    """What somebody's schedule says of a second, and until when."""
    schedule = plan.group_schedule[group]
    scratch.duty[lane] = NO_ACTIVITY
    scratch.until[lane] = NEVER
    if schedule >= 0:
        second = (at + hand.week_s) % WEEK_S
        row = plan.week_start[schedule]
        end = plan.week_start[schedule + 1]
        while row + 1 < end and plan.week_at[row + 1] <= second:
            row += 1
        then = plan.week_at[row + 1] if row + 1 < end else np.int64(WEEK_S)
        scratch.duty[lane] = plan.week_activity[row]
        scratch.until[lane] = at + then - second


@spliced
def truths(plan: Any, people: Any, who: Any, brought: Any, hand: Any, scratch: Any, lanes: Any) -> None:
    """A bit for each atom that holds."""
    for lane in range(lanes):
        scratch.truth[lane] = ZERO
    for atom in range(plan.atom_kind.shape[0]):
        kind, column = plan.atom_kind[atom], plan.atom_column[atom]
        low, high = plan.atom_low[atom], plan.atom_high[atom]
        bit = ONE << np.uint64(atom)
        if kind == LEVEL:
            for lane in range(lanes):
                level = scratch.level[column, lane]
                scratch.truth[lane] |= bit if low <= level <= high else ZERO
        elif kind == TIME:
            for lane in range(lanes):
                second = (scratch.at[lane] + hand.week_s) % DAY_S
                inside = low <= second < high if low < high else second >= low or second < high
                scratch.truth[lane] |= bit if inside else ZERO
        elif kind == DAYS:
            for lane in range(lanes):
                day = (scratch.at[lane] + hand.week_s) // DAY_S % 7
                scratch.truth[lane] |= bit if (low >> day) & 1 else ZERO
        else:
            for lane in range(lanes):
                if _holds(plan, people, who[lane], lane, brought, hand, scratch, kind, column, low, high):
                    scratch.truth[lane] |= bit


@compiled
def _holds(
    plan: Any, people: Any, i: Any, lane: Any, brought: Any, hand: Any, scratch: Any, kind: Any, column: Any, low: Any,
    high: Any,
) -> bool:  # fmt: skip
    """One of the rarer atoms, of one inhabitant."""
    if kind == FLAG:
        return bool((people.flags[i] >> np.uint32(column)) & np.uint32(1))
    if kind == ITEM:
        return bool(low <= people.item[column, i] <= high)
    if kind == TIE:
        best = 0
        for slot in range(people.tie.shape[0]):
            if people.tie[slot, i] >= 0:
                best = max(best, people.axis[column, slot, i])
        return bool(low <= best <= high)
    if kind == PLACE:
        return bool(people.place[i] == column)
    if kind == KIND:
        return bool(plan.place_kind[people.place[i]] == column)
    if kind == HOME:
        return bool(people.place[i] == people.home[i])
    if kind == WORK:
        return bool(people.place[i] == people.work[i])
    if kind == BROUGHT:
        return bool((brought[lane] >> np.uint64(column)) & ONE)
    drawn = block(hand.key0, hand.key1, np.uint64(hand.first + i), CHANCE, np.uint64(scratch.at[lane]))
    word = drawn[0] if column < 4 else drawn[1] if column < 8 else drawn[2] if column < 12 else drawn[3]
    return bool(np.int64((word >> (QUARTER * np.uint64(column & 3))) & LOW16) < low)


@spliced
def _score(plan: Any, people: Any, standing: Any, who: Any, factors: Any, base: Any, scratch: Any, lanes: Any) -> None:
    """What each activity weighs with each of a tile: 0 where it is not possible, else at least 1."""
    for k in range(NEEDS):
        for lane in range(lanes):
            lack = np.int32(np.int32(FULL - scratch.level[k, lane]) >> np.int32(6))
            scratch.dull[k, lane] = np.int32(lack * lack) >> np.int32(10)
    for lane in range(lanes):
        scratch.total[lane] = 0
    close_by = who[lanes - 1] - who[0] == lanes - 1
    for a in range(plan.weight_q8.shape[0]):
        _able(plan, people, who, scratch, lanes, a)
        if close_by:
            for lane in range(lanes):
                scratch.weight[lane] = standing[a, who[0] + lane]
        else:
            for lane in range(lanes):
                scratch.weight[lane] = standing[a, who[lane]]
        _urge(plan, scratch, lanes, a)
        if plan.mood[a, 0] != 0 or plan.mood[a, 1] != 0:
            _feel(plan, scratch, lanes, a)
        if plan.company[a] != 0:
            _near(plan, scratch, lanes, a)
        if plan.evaluator[a] >= 0:
            _weigh(factors[plan.evaluator[a], base : base + lanes], scratch, lanes)
        same = np.uint32(plan.inertia_q8)
        for lane in range(lanes):
            factor = same if scratch.now[lane] == a else np.uint32(KEEP_Q8)
            weight = np.uint32(np.uint32(scratch.weight[lane] * factor) >> np.uint32(8))
            weight = max(np.uint32(1), weight) if scratch.able[a, lane] else np.uint32(0)
            scratch.score[a, lane] = weight
            scratch.total[lane] = np.uint32(scratch.total[lane] + weight)


@spliced
def _urge(plan: Any, scratch: Any, lanes: Any, a: Any) -> None:
    """Times the urgency that needs give an activity."""
    u0, u1, u2 = plan.urgency[a, 0], plan.urgency[a, 1], plan.urgency[a, 2]
    u3, u4, u5 = plan.urgency[a, 3], plan.urgency[a, 4], plan.urgency[a, 5]
    dull = scratch.dull
    for lane in range(lanes):
        lack = np.int32(np.int32(dull[0, lane] * u0) + np.int32(dull[1, lane] * u1))
        lack = np.int32(lack + np.int32(np.int32(dull[2, lane] * u2) + np.int32(dull[3, lane] * u3)))
        lack = np.int32(lack + np.int32(np.int32(dull[4, lane] * u4) + np.int32(dull[5, lane] * u5)))
        urgency = min(np.int32(URGENCY_HIGH), np.int32(URGENCY_LOW + np.int32(lack >> np.int32(6))))
        scratch.weight[lane] = np.uint32(np.uint32(scratch.weight[lane] * np.uint32(urgency)) >> np.uint32(8))


@spliced
def _feel(plan: Any, scratch: Any, lanes: Any, a: Any) -> None:
    """Times what a mood inclines to."""
    good, lively = plan.mood[a, 0], plan.mood[a, 1]
    for lane in range(lanes):
        valence, arousal = np.int32(scratch.level[6, lane] - EVEN), np.int32(scratch.level[7, lane] - EVEN)
        mood = np.int32(np.int32(good * valence) + np.int32(lively * arousal))
        feel = np.int32(KEEP_Q8 + np.int32(mood >> np.int32(13)))
        feel = max(np.int32(SOFT_LOW), min(np.int32(SOFT_HIGH), feel))
        scratch.weight[lane] = np.uint32(np.uint32(scratch.weight[lane] * np.uint32(feel)) >> np.uint32(8))


@spliced
def _near(plan: Any, scratch: Any, lanes: Any, a: Any) -> None:
    """Times what close ties incline to."""
    social = plan.company[a]
    for lane in range(lanes):
        near = np.int32(KEEP_Q8 + np.int32(np.int32(social * np.int32(scratch.close[lane] - 100)) >> np.int32(5)))
        near = max(np.int32(SOFT_LOW), min(np.int32(SOFT_HIGH), near))
        scratch.weight[lane] = np.uint32(np.uint32(scratch.weight[lane] * np.uint32(near)) >> np.uint32(8))


@spliced
def _weigh(factor: Any, scratch: Any, lanes: Any) -> None:
    """Times what somebody else's evaluator says."""
    for lane in range(lanes):
        scratch.weight[lane] = np.uint32(np.uint32(scratch.weight[lane] * np.uint32(factor[lane])) >> np.uint32(8))


@spliced
def _able(plan: Any, people: Any, who: Any, scratch: Any, lanes: Any, a: Any) -> None:
    """Whether requirements hold, its cooldown is over, and its least time is over before the next duty."""
    least, row = plan.least_s[a], plan.cool_row[a]
    first, last = plan.clause_start[a], plan.clause_start[a + 1]
    always = last - first == 1 and plan.must[first] == ZERO and plan.never[first] == ZERO
    for lane in range(lanes):
        scratch.able[a, lane] = always
    if not always:
        for c in range(first, last):
            must, never = plan.must[c], plan.never[c]
            for lane in range(lanes):
                truth = scratch.truth[lane]
                scratch.able[a, lane] |= ((truth & must) == must) & ((truth & never) == ZERO)
    if plan.week_at.shape[0] > 0:
        for lane in range(lanes):
            scratch.able[a, lane] &= scratch.at[lane] + least <= scratch.until[lane]
    if row >= 0:
        for lane in range(lanes):
            scratch.able[a, lane] &= people.cool_s[row, who[lane]] == 0


@spliced
def _choose(plan: Any, who: Any, hand: Any, scratch: Any, lanes: Any) -> None:
    """By weight: the first activity up to which the weights exceed a random share of their sum."""
    for lane in range(lanes):
        entity, page = np.uint64(hand.first + who[lane]), np.uint64(scratch.at[lane])
        drawn = block(hand.key0, hand.key1, entity, DECIDE, page)
        scratch.draw[0, lane] = drawn[1]
        scratch.draw[1, lane] = drawn[3]
        share = np.uint32(((drawn[0] >> HALF) * np.uint64(scratch.total[lane])) >> HALF)
        scratch.total[lane] = share
        scratch.pick[lane] = 0
    last = plan.weight_q8.shape[0] - 1
    for a in range(last):
        for lane in range(lanes):
            left = scratch.total[lane]
            weight = scratch.score[a, lane]
            passed = (scratch.pick[lane] == a) & (left >= weight)
            scratch.pick[lane] = np.int32(a + 1) if passed else scratch.pick[lane]
            scratch.total[lane] = np.uint32(left - weight) if passed else left


@compiled
def census(people: Any, now_s: Any, activities: Any, tiers: Any, claims: Any) -> None:
    """Count people by activity, tier, and the tier that they claim at `now_s`, into zeroed arrays."""
    for i in range(people.activity.shape[0]):
        activities[people.activity[i]] += 1
        tiers[people.tier[i]] += 1
        claims[0 if people.focus_s[i] > now_s else people.claim[i]] += 1
