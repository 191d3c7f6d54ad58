"""One day of pairs of factions, compiled: relax, act, weigh, decide.
Lives here: what a day does to one pair, and to powers. Not here: which pairs are due, what is said (days).

Each pair reads the states of all pairs as the day began and writes its own rows only, so their order is no matter.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.compiled import compiled
from worldtick.chance.philox import block, scaled
from worldtick.chance.streams import ChanceStream
from worldtick.society.diplomacy.rules import (
    ALLEGIANCE_WORTH,
    ALLEGIANCES_MAX,
    ALLIANCE_DAYS,
    BREAK_PRICE,
    CAUSES,
    DEEDS_PPM,
    DWELL_DAYS,
    ENEMIES_MAX,
    ENEMY_WORTH,
    ENTER_ALLIANCE,
    ENTER_COLD_WAR,
    ENTER_WAR,
    FEAR_DAYS,
    FEAR_WORTH_PM,
    FEARED_MILLI,
    FEELING_MAX,
    GRIEVANCE_DAYS,
    GRIEVANCES,
    GRIEVANCES_MAX,
    LATE_DAYS_MAX,
    LEAVE_ALLIANCE,
    LEAVE_COLD_WAR,
    LEAVE_WAR,
    LOVE_DAYS,
    MEMORY,
    NON_AGGRESSION_DAYS,
    PART_DAYS,
    POWERS,
    RECOVERY_DAYS,
    RIVALRY_WORTH,
    SCARCITY_WORTH,
    TRADE_DAYS,
    TRADE_MIN,
    TRADE_SIGNED_PPM,
    TREATIES,
    TREATY_WORTH,
    TRUST_DAYS,
    UNREST_MORALE,
    UNREST_WORTH,
    WAR_ECONOMY,
    WAR_MILITARY,
    WAR_MORALE,
    WAR_TERRITORY,
    WEARINESS_MAX,
    WEARY_A_DAY,
    Cause,
    Change,
    Deed,
    Grievance,
    Power,
    Relation,
    Treaty,
)

WAR, COLD_WAR, PEACE, ALLIANCE = (int(state) for state in Relation)
STREAM = np.uint64(ChanceStream.DIPLOMACY_DAY)
PAGE = np.uint64(0)
PPM = np.uint64(1_000_000)
DAY_US = 86_400_000_000
(
    P_AFFECTION, P_TRUST, P_TREATIES, P_GRIEVANCES, P_RIVALRY, P_ENEMY, P_SCARCITY, P_UNREST, P_DETERRENCE, P_WEARINESS,
    P_ALLEGIANCE,
) = (int(cause) for cause in Cause)  # fmt: skip
MILITARY, ECONOMY, TERRITORY, TECHNOLOGY, MORALE = (int(power) for power in Power)
T_ALLIANCE, T_TRADE, T_PACT = (int(treaty) for treaty in Treaty)
SIGNED, EXPIRED, BROKEN = int(Change.SIGNED), int(Change.EXPIRED), int(Change.BROKEN)
D_WAR, D_PEACE = int(Deed.WAR_DECLARED), int(Deed.PEACE_MADE)
D_SIGNED, D_BROKEN = int(Deed.TREATY_SIGNED), int(Deed.TREATY_BROKEN)
G_CLASH, G_SABOTAGE, G_WAR, G_BROKEN, _ = (int(held) for held in Grievance)
MAX = FEELING_MAX

# What a deed does to whom it is done: love, trust, grievance, which grievance (-1: none). Rows by Deed.
EFFECTS = np.array(
    [
        (0, 0, 0, -1),
        (6_000, 5_000, 0, -1),  # trade deal
        (9_000, 3_000, 0, -1),  # festival
        (14_000, 12_000, 0, -1),  # aid
        (-8_000, -3_000, 0, -1),  # slight
        (-9_000, -6_000, 9_000, G_CLASH),  # border clash
        (-10_000, -16_000, 12_000, G_SABOTAGE),  # sabotage
        (-20_000, -20_000, 20_000, G_WAR),  # war declared
        (16_000, 8_000, 0, -1),  # peace made
        (5_000, 8_000, 0, -1),  # treaty signed
        (-12_000, 0, 25_000, G_BROKEN),  # treaty broken; its price is the breaker's
    ],
    np.int64,
)
# Which deeds are done, in parts of 100, by the state: the first six of Deed after NONE
LIKELY = np.array(
    [
        (0, 4, 10, 14, 46, 26),  # at war
        (16, 10, 6, 36, 20, 12),
        (22, 14, 6, 36, 14, 8),
        (18, 12, 6, 40, 18, 6),  # allied
    ],
    np.int64,
)


@compiled
def relaxed(value: Any, target: Any, days: Any) -> Any:
    """One day on the way to a target, in `days`; rounded away from the value, so that it arrives."""
    gap = target - value
    return value + (gap + days - 1) // days if gap >= 0 else value - (days - 1 - gap) // days


@compiled
def bounded(value: Any, low: Any, high: Any) -> Any:
    """A value within bounds."""
    return low if value < low else high if value > high else value


@compiled
def done_to(r: Any, p: Any, side: Any, deed: Any, day: Any) -> None:
    """A deed done by the other to this side of a pair: felt, held against it, remembered."""
    r.love[p, side] = bounded(r.love[p, side] + EFFECTS[deed, 0], -MAX, MAX)
    r.trust[p, side] = bounded(r.trust[p, side] + EFFECTS[deed, 1], -MAX, MAX)
    held = EFFECTS[deed, 3]
    if held >= 0:
        r.grievance[p, side, held] = bounded(r.grievance[p, side, held] + EFFECTS[deed, 2], 0, MAX)
    at = r.deed_at[p, side]
    r.deed[p, side, at] = deed
    r.deed_day[p, side, at] = day
    r.deed_at[p, side] = (at + 1) % MEMORY


@compiled
def relax(r: Any, p: Any, strength: Any, a: Any, b: Any, days: Any) -> None:
    """Feelings go their way for so many days."""
    whole = max(1, strength[a] + strength[b])
    for _ in range(days):
        for side in range(2):
            r.love[p, side] = relaxed(r.love[p, side], r.nature[p, side], LOVE_DAYS)
            r.trust[p, side] = relaxed(r.trust[p, side], 0, TRUST_DAYS)
            other = strength[b] if side == 0 else strength[a]
            r.fear[p, side] = relaxed(r.fear[p, side], MAX * other // whole, FEAR_DAYS)
            for held in range(GRIEVANCES):
                r.grievance[p, side, held] = relaxed(r.grievance[p, side, held], 0, GRIEVANCE_DAYS)


@compiled
def act(r: Any, p: Any, word: Any, more: Any, day: Any) -> None:
    """Perhaps one of the two does something to the other today."""
    if scaled(word, PPM) >= DEEDS_PPM:
        return
    drawn = np.int64(scaled(more, np.uint64(200)))
    side = drawn % 2  # whom it is done to
    left = drawn // 2
    state = r.state[p]
    for kind in range(LIKELY.shape[1]):
        left -= LIKELY[state, kind]
        if left < 0:
            done_to(r, p, side, kind + 1, day)
            if kind < 2:  # a deal and a festival are both sides'
                done_to(r, p, 1 - side, kind + 1, day)
            return


@compiled
def weigh(
    r: Any, p: Any, a: Any, b: Any, between: Any, strength: Any, scarcity: Any, unrest: Any, now_us: Any, day: Any,
    raw: NDArray[np.int64],
) -> None:  # fmt: skip
    """The parts of a pair's score as they are today, before they are smoothed. raw (11,)."""
    raw[P_AFFECTION] = (r.love[p, 0] + r.love[p, 1]) // 2
    raw[P_TRUST] = (r.trust[p, 0] + r.trust[p, 1]) // 4
    raw[P_TREATIES] = 0
    for kind in range(TREATIES):
        if r.until[p, kind] > now_us:
            raw[P_TREATIES] += TREATY_WORTH[kind]
    held = 0
    for side in range(2):
        for kind in range(GRIEVANCES):
            held += r.grievance[p, side, kind]
    raw[P_GRIEVANCES] = -min(GRIEVANCES_MAX, held // 4)
    low, high = min(strength[a], strength[b]), max(1, max(strength[a], strength[b]))
    raw[P_RIVALRY] = -RIVALRY_WORTH * low // high
    enemies, sworn = 0, 0
    for c in range(between.shape[0]):
        if c != a and c != b:
            enemies += between[a, c] == WAR and between[b, c] == WAR
            sworn += (between[a, c] == ALLIANCE and between[c, b] == WAR) or (
                between[b, c] == ALLIANCE and between[c, a] == WAR
            )
    raw[P_ENEMY] = ENEMY_WORTH * min(ENEMIES_MAX, enemies)
    raw[P_ALLEGIANCE] = -ALLEGIANCE_WORTH * min(ALLEGIANCES_MAX, sworn)
    raw[P_SCARCITY] = -SCARCITY_WORTH * (scarcity[a] + scarcity[b]) // 2_000_000
    raw[P_UNREST] = -UNREST_WORTH * (unrest[a] + unrest[b]) // 2_000_000
    weary = (day - r.since[p]) * WEARY_A_DAY if r.state[p] == WAR else 0
    raw[P_WEARINESS] = min(WEARINESS_MAX, weary)
    raw[P_DETERRENCE] = 0
    base = raw.sum()
    afraid = max(r.fear[p, 0], r.fear[p, 1]) * FEAR_WORTH_PM // 1_000
    raw[P_DETERRENCE] = max(0, min(afraid, FEARED_MILLI - base))


@compiled
def wanted(state: Any, score: Any) -> Any:
    """The neighbouring state that a score calls for, or the same: thresholds to enter and to leave lie apart."""
    if state == WAR:
        return COLD_WAR if score > LEAVE_WAR else WAR
    if state == COLD_WAR:
        if score < ENTER_WAR:
            return WAR
        return PEACE if score > LEAVE_COLD_WAR else COLD_WAR
    if state == PEACE:
        if score < ENTER_COLD_WAR:
            return COLD_WAR
        return ALLIANCE if score > ENTER_ALLIANCE else PEACE
    return PEACE if score < LEAVE_ALLIANCE else ALLIANCE


@compiled
def told(treaties: NDArray[np.int64], at: Any, p: Any, kind: Any, change: Any, side: Any) -> Any:
    """Note what became of a treaty; the number of notes."""
    treaties[at, 0], treaties[at, 1], treaties[at, 2], treaties[at, 3] = p, kind, change, side
    return at + 1


@compiled
def sign(r: Any, p: Any, kind: Any, until_us: Any, price: Any, day: Any) -> None:
    """Both sign."""
    r.until[p, kind] = until_us
    r.price[p, kind] = price
    for side in range(2):
        done_to(r, p, side, D_SIGNED, day)


@compiled
def break_treaty(r: Any, p: Any, kind: Any, side: Any, day: Any) -> None:
    """One side breaks a treaty: the other trusts it less by the price, and holds it against it."""
    r.until[p, kind] = 0
    r.trust[p, 1 - side] = bounded(r.trust[p, 1 - side] - r.price[p, kind], -MAX, MAX)
    done_to(r, p, 1 - side, D_BROKEN, day)


@compiled
def treat(r: Any, p: Any, score: Any, word: Any, now_us: Any, day: Any, treaties: Any, at: Any) -> Any:
    """Treaties that end today, and those that a pair signs of itself; the number of notes."""
    state = r.state[p]
    for kind in range(TREATIES):
        if 0 < r.until[p, kind] <= now_us:
            r.until[p, kind] = 0
            if kind == T_ALLIANCE and state == ALLIANCE:  # allies renew
                sign(r, p, kind, now_us + ALLIANCE_DAYS * DAY_US, r.price[p, kind], day)
                at = told(treaties, at, p, kind, SIGNED, 0)
            else:
                at = told(treaties, at, p, kind, EXPIRED, 0)
    if state >= PEACE and r.until[p, T_TRADE] == 0 and score > TRADE_MIN and scaled(word, PPM) < TRADE_SIGNED_PPM:
        sign(r, p, T_TRADE, now_us + TRADE_DAYS * DAY_US, BREAK_PRICE // 2, day)
        at = told(treaties, at, p, T_TRADE, SIGNED, 0)
    return at


@compiled
def enter(r: Any, p: Any, new: Any, now_us: Any, day: Any, treaties: Any, at: Any) -> Any:
    """What follows from a new state; the number of notes. The side that holds more against the other begins a war."""
    old = r.state[p]
    r.state[p] = new
    r.since[p] = day
    if new == WAR:
        held0, held1 = r.grievance[p, 0].sum(), r.grievance[p, 1].sum()
        begins = 0 if held0 >= held1 else 1
        for kind in range(TREATIES):
            if r.until[p, kind] > now_us:
                break_treaty(r, p, kind, begins, day)
                at = told(treaties, at, p, kind, BROKEN, begins)
        done_to(r, p, 1 - begins, D_WAR, day)
    elif old == WAR:
        for side in range(2):
            done_to(r, p, side, D_PEACE, day)
            for kind in range(GRIEVANCES):
                r.grievance[p, side, kind] //= 3
        sign(r, p, T_PACT, now_us + NON_AGGRESSION_DAYS * DAY_US, BREAK_PRICE, day)
        at = told(treaties, at, p, T_PACT, SIGNED, 0)
    elif new == ALLIANCE:
        sign(r, p, T_ALLIANCE, now_us + ALLIANCE_DAYS * DAY_US, BREAK_PRICE, day)
        at = told(treaties, at, p, T_ALLIANCE, SIGNED, 0)
    return at


@compiled
def evaluate(
    order: NDArray[np.int32], sides: Any, r: Any, between: Any, strength: Any, scarcity: Any, unrest: Any,
    day: Any, now_us: Any, key0: Any, key1: Any, raw: Any, changes: Any, treaties: Any, notes: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Evaluate pairs; the numbers of changes and of treaty notes.

    order (k,) pairs. between (f, f) states as the day began. strength (f,) milli, scarcity and unrest (f,) ppm.
    raw (11,) scratch. changes (k, 3 + 11): pair, old, new, what each part gained since the last change.
    treaties (notes so far + 8 k, 4): pair, Treaty, Change, side. `notes`: how many it holds already.
    """
    changed = 0
    for i in range(order.shape[0]):
        p = order[i]
        a, b = sides[p, 0], sides[p, 1]
        days = min(LATE_DAYS_MAX, day - r.seen[p])
        r.seen[p] = day
        word0, word1, word2, _ = block(key0, key1, np.uint64(p), STREAM, PAGE)
        relax(r, p, strength, a, b, days)
        act(r, p, word0, word1, day)
        notes = treat(r, p, r.part[p].sum(), word2, now_us, day, treaties, notes)
        weigh(r, p, a, b, between, strength, scarcity, unrest, now_us, day, raw)
        for _ in range(days):
            for cause in range(CAUSES):
                r.part[p, cause] = relaxed(r.part[p, cause], raw[cause], PART_DAYS)
        score, old = r.part[p].sum(), np.int64(r.state[p])
        new = wanted(old, score)
        gained = score - r.mark[p].sum()
        if new == old or day - r.since[p] < DWELL_DAYS or (gained > 0) != (new > old):
            continue
        changes[changed, 0], changes[changed, 1], changes[changed, 2] = p, old, new
        for cause in range(CAUSES):
            changes[changed, 3 + cause] = r.part[p, cause] - r.mark[p, cause]
            r.mark[p, cause] = r.part[p, cause]
        changed += 1
        notes = enter(r, p, new, now_us, day, treaties, notes)
    return changed, notes


@compiled
def measure(power: Any, strength: NDArray[np.int64]) -> None:
    """strength (f,) milli: military counts twice, and low morale halves it."""
    for f in range(power.shape[0]):
        arms = 2 * power[f, MILITARY] + power[f, ECONOMY] + power[f, TERRITORY] + power[f, TECHNOLOGY]
        strength[f] = np.int64(arms) // 5 * (MAX + power[f, MORALE]) // (2 * MAX)


@compiled
def exhaust(r: Any, sides: Any, first: Any, strength: Any, unrest: Any) -> None:
    """A day of powers: war costs, territory goes from the weaker to the stronger, all else comes back. first (f, 5)."""
    power = r.power
    for f in range(power.shape[0]):
        for kind in range(POWERS):
            if kind != TERRITORY:
                power[f, kind] = relaxed(power[f, kind], first[f, kind], RECOVERY_DAYS)
        power[f, MORALE] = max(0, power[f, MORALE] - unrest[f] * UNREST_MORALE // 1_000_000)
    for p in range(sides.shape[0]):
        if r.state[p] != WAR:
            continue
        a, b = sides[p, 0], sides[p, 1]
        for f in (a, b):
            power[f, MILITARY] = max(0, power[f, MILITARY] - WAR_MILITARY)
            power[f, ECONOMY] = max(0, power[f, ECONOMY] - WAR_ECONOMY)
            power[f, MORALE] = max(0, power[f, MORALE] - WAR_MORALE)
        weak, strong = (a, b) if strength[a] < strength[b] else (b, a)
        taken = min(WAR_TERRITORY, power[weak, TERRITORY], MAX - power[strong, TERRITORY])
        power[weak, TERRITORY] -= taken
        power[strong, TERRITORY] += taken
