"""Who is simulated how closely: claims, limits, leases, waking and falling asleep.
Lives here: the tier of each in a tick. Not here: a slice's share of the world's limits (shares), decisions (kernel)."""

from collections.abc import Sequence

import numpy as np

from worldtick.chance.philox import scaled_low
from worldtick.npc.people import People
from worldtick.npc.plan import Plan, Table
from worldtick.npc.units import EVEN, HOUR_S, NEVER, POINT, Tier

REST_RATE = 4 * POINT  # units an hour by which the levels of one asleep come to even
_SPREAD = np.uint64(2_654_435_761)  # Knuth's: neighbours decide at different seconds


def placed(people: People, limits: Sequence[int], now_s: int) -> Table:
    """(n,) uint8 tier of each at `now_s`: what it claims (detailed while in focus), within `limits` (4,).

    Where more claim a tier than it holds, the oldest claims move one tier on, of equally old ones the higher entities.
    """
    wanted = np.where(people.focus_s > now_s, np.uint8(Tier.DETAILED), people.claim)
    for tier in range(Tier.ASLEEP):
        excess = np.count_nonzero(wanted == tier) - limits[tier]
        if excess > 0:
            members = np.flatnonzero(wanted == tier)
            order = np.lexsort((-members, people.claimed_s[members]))
            wanted[members[order[:excess]]] = tier + 1
    return wanted


def moved(plan: Plan, first: int, people: People, tier: Table, intervals_s: Sequence[int], now_s: int) -> People:
    """The people in their new tiers. `people`'s arrays of what a decision changes are written; the tier is new."""
    changed = np.flatnonzero(tier != people.tier)
    if len(changed) == 0:
        return people
    was, now = people.tier[changed], tier[changed]
    interval = np.array([*intervals_s[: Tier.ASLEEP], 0], np.int64)
    _wake(plan, people, changed[was == Tier.ASLEEP], now_s)
    woken = changed[(was == Tier.ASLEEP) & (now != Tier.ASLEEP)]
    spread = (woken.astype(np.uint64) + np.uint64(first)) * _SPREAD
    people.due_s[woken] = now_s + scaled_low(spread, interval[tier[woken]])
    nearer = changed[(now < was) & (was != Tier.ASLEEP)]
    sooner = np.maximum(now_s, people.seen_s[nearer] + interval[tier[nearer]])
    people.due_s[nearer] = np.minimum(people.due_s[nearer], sooner)
    people.due_s[changed[now == Tier.ASLEEP]] = NEVER
    return people._replace(tier=tier)


def _wake(plan: Plan, people: People, who: Table, now_s: int) -> None:
    """Coarse: whoever was asleep finds itself at home, idle, its levels drawn to even for the hours that passed."""
    passed = now_s - people.seen_s[who]
    back = np.minimum(passed, 100 * HOUR_S) * REST_RATE // HOUR_S
    off = people.level[:, who].astype(np.int64) - EVEN
    people.level[:, who] = EVEN + np.sign(off) * np.maximum(0, np.abs(off) - back)
    people.cool_s[:, who] = np.maximum(0, people.cool_s[:, who].astype(np.int64) - passed)
    long = who[passed > 0]
    people.activity[long] = plan.tables.fallback
    people.partner[long] = -1
    people.place[long] = people.home[long]
    people.started_s[long] = now_s
    people.ends_s[long] = now_s
    people.seen_s[who] = now_s
