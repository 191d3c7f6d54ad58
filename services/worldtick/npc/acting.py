"""What begins and ends with one inhabitant's decision, in machine code.
Lives here: completion, duty, routine, beginning, the logs. Not here: scores and the choice by weight (kernel)."""

from typing import Any, NamedTuple

import numpy as np

from worldtick.chance.compiled import compiled, spliced
from worldtick.npc.units import AXIS_FULL, FULL, HOPS_MAX, UNITS_MAX, Intent, Phase, Spot

FINISHED, STARTED, CUSTOM = int(Phase.FINISHED), int(Phase.STARTED), int(Phase.CUSTOM)
GIVE = int(Intent.GIVE)
STAY, AT_HOME = int(Spot.STAY), int(Spot.HOME)
AFFINITY, TRUST = 0, 1
SEEN_TIER = 1  # detailed and active ones are told of singly
NO_ACTIVITY = -1
ACTIVITY_NODE, BY_WEIGHT = 2, 1
HALF = np.uint64(32)
BYTE = np.uint64(8)
EDGE_BITS = np.uint64(24)
LOW24 = np.uint64(0xFFFFFF)


class Log(NamedTuple):
    """What a step says, written by kernels; the counts tell how much is there."""

    who: Any  # (events,) int32 index in the slice
    what: Any  # (events,) int16 activity, or the scenario's own event
    phase: Any  # (events,) int8 Phase
    at: Any  # (events,) int64 second
    place: Any  # (events,) int16
    partner: Any  # (events,) int32 entity, -1: nobody
    said: Any  # (2,) int64: lines here, lines left unsaid
    asks: Any  # (intents, 5) int64: index, entity asked, activity, item given or -1, second
    asked: Any  # (2,) int64: intents here, intents left unsaid
    moved: Any  # (D, D) int64 people who went from district to district
    flow: Any  # (2, I) int64 units made, units used up
    effect: Any  # (A,) uint8: 1 where completions are to be listed
    done: Any  # (m, 2) int32: index, activity: completions with a third-party effect
    dones: Any  # (1,) int64


@spliced
def act(plan: Any, people: Any, i: Any, lane: Any, hand: Any, log: Any, scratch: Any) -> None:
    """One inhabitant goes on, or ends what it did and begins what is next."""
    at, duty, until = scratch.at[lane], scratch.duty[lane], scratch.until[lane]
    now = people.activity[i]
    chosen = now
    on_duty = duty != NO_ACTIVITY
    if on_duty and now == duty and people.ends_s[i] == until:
        pass  # at it already
    elif on_duty or at >= people.ends_s[i]:
        _complete(plan, people, i, now, at, log)
        chosen = duty if on_duty else _next(plan, people, i, lane, scratch)
        _begin(plan, people, i, now, chosen, at, lane, hand, log, scratch)
        people.ends_s[i] = until if on_duty else at + plan.least_s[chosen]
    people.due_s[i] = min(at + hand.interval_s[people.tier[i]], until)


@spliced
def _next(plan: Any, people: Any, i: Any, lane: Any, scratch: Any) -> Any:
    """The activity of the routine's next node if it is possible, else the one chosen by weight."""
    chosen = np.int64(scratch.pick[lane])
    if people.node[i] >= 0:
        node = _follow(plan, people.node[i], lane, scratch)
        if node >= 0:
            people.node[i] = node
            chosen = np.int64(plan.node_activity[node])
    return chosen


@compiled
def _follow(plan: Any, node: Any, lane: Any, scratch: Any) -> int:
    """The next node of an activity that is possible, along open edges from here; -1 where there is none.

    At its start a routine stands on its first node: if that is an activity, it is left by its edges like any other.
    """
    word = scratch.draw[0, lane]
    for _ in range(HOPS_MAX):
        node = _edge(plan, node, lane, word & LOW24, scratch)
        if node < 0:
            return -1
        if plan.node_kind[node] == ACTIVITY_NODE:
            return int(node) if scratch.able[plan.node_activity[node], lane] else -1
        word = word >> BYTE
    return -1


@compiled
def _edge(plan: Any, node: Any, lane: Any, word: Any, scratch: Any) -> int:
    """Where an open edge leads: by weight from a decision, else the first; -1: none is open."""
    total = 0
    for edge in range(plan.edge_start[node], plan.edge_start[node + 1]):
        if _open(plan, edge, scratch.truth[lane]):
            if plan.node_kind[node] != BY_WEIGHT:
                return int(plan.edge_to[edge])
            total += plan.edge_weight[edge]
    left = np.int64((np.uint64(total) * word) >> EDGE_BITS)
    for edge in range(plan.edge_start[node], plan.edge_start[node + 1]):
        if _open(plan, edge, scratch.truth[lane]):
            if left < plan.edge_weight[edge]:
                return int(plan.edge_to[edge])
            left -= plan.edge_weight[edge]
    return -1


@compiled
def _open(plan: Any, edge: Any, truth: Any) -> bool:
    first, after = plan.edge_clause[edge], plan.edge_clause[edge + 1]
    return holds(truth, plan.edge_must, plan.edge_never, first, after)


@compiled
def holds(truth: Any, must: Any, never: Any, first: Any, after: Any) -> bool:
    """Whether one of a condition's clauses, from `first` to before `after`, holds for these atoms."""
    for c in range(first, after):  # noqa: SIM110 - machine code knows no generators
        if (truth & must[c]) == must[c] and (truth & never[c]) == np.uint64(0):
            return True
    return False


@spliced
def _complete(plan: Any, people: Any, i: Any, now: Any, at: Any, log: Any) -> None:
    """What an activity brings when it is over. One cut short by a duty brings nothing."""
    if plan.brings[now] and at >= people.ends_s[i]:
        for k in range(8):
            level = np.int64(people.level[k, i]) + plan.gain[now, k]
            people.level[k, i] = np.uint16(max(np.int64(0), min(np.int64(FULL), level)))
        people.flags[i] = (people.flags[i] & plan.keep_flags[now]) | plan.set_flags[now]
        for item in range(people.item.shape[0]):
            held = np.int64(people.item[item, i])
            after = max(np.int64(0), min(np.int64(UNITS_MAX), held + plan.item_gain[now, item]))
            people.item[item, i] = np.uint16(after)
            log.flow[0 if after > held else 1, item] += abs(after - held)
        if people.partner[i] >= 0:
            _feel(plan, people, i, now)
        if plan.event[now] >= 0 and people.tier[i] <= SEEN_TIER:
            _say(people, i, plan.event[now], CUSTOM, at, log)
        if log.effect[now]:
            done = log.dones[0]
            log.done[done, 0] = i
            log.done[done, 1] = now
            log.dones[0] = done + 1
    if plan.cool_row[now] >= 0:
        people.cool_s[plan.cool_row[now], i] = np.uint32(plan.cool_s[now])


@compiled
def _feel(plan: Any, people: Any, i: Any, now: Any) -> None:
    """What an activity does to what one feels for whom it was done with."""
    slot = people.partner[i]
    for axis in range(4):
        points = np.int64(people.axis[axis, slot, i]) + plan.bond[now, axis]
        people.axis[axis, slot, i] = np.int8(max(np.int64(0), min(np.int64(AXIS_FULL), points)))
    people.close[i] = closeness(people, i)


@compiled
def closeness(people: Any, i: Any) -> Any:
    """The best tie's affinity + trust, 0 .. 200."""
    best = np.int64(0)
    for slot in range(people.tie.shape[0]):
        if people.tie[slot, i] >= 0:
            best = max(best, np.int64(people.axis[AFFINITY, slot, i]) + np.int64(people.axis[TRUST, slot, i]))
    return np.uint8(best)


@spliced
def _begin(
    plan: Any, people: Any, i: Any, now: Any, chosen: Any, at: Any, lane: Any, hand: Any, log: Any, scratch: Any
) -> None:
    """Go where it is done, find with whom, and say so."""
    told = people.tier[i] <= SEEN_TIER
    if told and chosen != now:
        _say(people, i, now, FINISHED, at, log)
    if plan.spot[chosen] != STAY:
        _go(plan, people, i, plan.spot[chosen], hand, log)
    people.activity[i] = np.int16(chosen)
    people.started_s[i] = at
    people.partner[i] = np.int8(NO_ACTIVITY)
    if plan.intent[chosen] > 0:
        _ask(plan, people, i, chosen, at, scratch.draw[1, lane], told, log)
    if told and chosen != now:
        _say(people, i, chosen, STARTED, at, log)


@spliced
def _go(plan: Any, people: Any, i: Any, spot: Any, hand: Any, log: Any) -> None:
    place = np.int64(people.home[i] if spot == AT_HOME else people.work[i])
    here = plan.place_district[people.place[i]]
    if spot >= 0:
        row = spot * log.moved.shape[0] + plan.place_district[people.home[i]]
        many = plan.spot_start[row + 1] - plan.spot_start[row]
        place = np.int64(people.place[i])
        if many > 0:  # a district without such a place: it is done where one is
            place = np.int64(plan.spot_place[plan.spot_start[row] + (hand.first + i) % many])
    people.place[i] = np.int16(place)
    there = plan.place_district[place]
    if there != here:
        log.moved[here, there] += 1


@compiled
def _ask(plan: Any, people: Any, i: Any, chosen: Any, at: Any, word: Any, told: Any, log: Any) -> None:
    """One of its ties, by affinity, is the partner; an intent and what the other is to feel are written down."""
    total = np.int64(0)
    for slot in range(people.tie.shape[0]):
        if people.tie[slot, i] >= 0:
            total += 1 + np.int64(people.axis[AFFINITY, slot, i])
    if total == 0:
        return
    left = np.int64(((word >> HALF) * np.uint64(total)) >> HALF)
    for slot in range(people.tie.shape[0]):
        if people.tie[slot, i] >= 0:
            weight = 1 + np.int64(people.axis[AFFINITY, slot, i])
            if left < weight:
                people.partner[i] = np.int8(slot)
                break
            left -= weight
    gives = plan.intent[chosen] == GIVE
    item = np.int64(plan.gives[chosen])
    if (gives and people.item[item, i] == 0) or not (told or gives):
        return  # what is given must be there, and small talk of those far away is their own affair
    if log.asked[0] >= log.asks.shape[0]:
        log.asked[1] += 1
        return
    row = log.asked[0]
    log.asks[row, 0], log.asks[row, 1] = i, people.tie[people.partner[i], i]
    log.asks[row, 2], log.asks[row, 3], log.asks[row, 4] = chosen, item, at
    log.asked[0] = row + 1
    if gives:
        people.item[item, i] -= np.uint16(1)


@compiled
def _say(people: Any, i: Any, what: Any, phase: Any, at: Any, log: Any) -> None:
    """A line of the action log, or, when it is full, one more left unsaid."""
    row = log.said[0]
    if row >= log.who.shape[0]:
        log.said[1] += 1
        return
    log.who[row], log.what[row], log.phase[row] = i, what, phase
    log.at[row], log.place[row] = at, people.place[i]
    log.partner[row] = people.tie[people.partner[i], i] if people.partner[i] >= 0 else NO_ACTIVITY
    log.said[0] = row + 1
