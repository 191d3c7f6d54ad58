"""The inhabitants of one slice, as arrays, and how the first of them are drawn.
Lives here: what is known of each, with dtype and unit; genesis. Not here: what they do (kernel), bytes (codec)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import scaled_high, scaled_low, words
from worldtick.chance.streams import ChanceStream
from worldtick.npc.plan import Plan, Table
from worldtick.npc.units import (
    EVEN,
    FULL,
    KEEP_Q8,
    LEVELS,
    NEEDS,
    NEVER,
    STANDING_MAX,
    TRAIT_HIGH,
    TRAIT_LOW,
    Tier,
)

_PAIR = 2
ACQUAINTED = (40, 40, 40, 10)  # points of a first tie on the four axes
NEAR = 16  # first ties are among the next so many entities
NOBODY = -1


class People(NamedTuple):
    """Structure of arrays: n inhabitants, I items, K activities with a cooldown, R ties, T traits, C categories.

    Seconds are of world time. A level is what it was at `seen_s`; an inhabitant is brought up to date when it decides.
    """

    level: Table  # (8, n) uint16, units of 1/600 point: six needs (0 = unmet), valence, arousal (30000 = even)
    flags: Table  # (n,) uint32, bit per flag
    item: Table  # (I, n) uint16 units
    place: Table  # (n,) int16
    home: Table  # (n,) int16 place
    work: Table  # (n,) int16 place; who has no work has its home
    group: Table  # (n,) int16
    trait: Table  # (T, n) int8 percent, -100 .. 100
    preference: Table  # (C, n) uint8 per category, 128 = neither likes nor dislikes
    activity: Table  # (n,) int16
    partner: Table  # (n,) int8: the tie with whom it is done, -1: nobody
    node: Table  # (n,) int16 of its routine, -1: none
    started_s: Table  # (n,) int64
    ends_s: Table  # (n,) int64: the earliest end of the activity
    due_s: Table  # (n,) int64: next decision; NEVER while asleep
    seen_s: Table  # (n,) int64: last simulated
    cool_s: Table  # (K, n) uint32 seconds that the cooldown lasts from seen_s on
    tie: Table  # (R, n) int32 entity, -1: none
    axis: Table  # (4, R, n) int8 points 0 .. 100: affinity, trust, chemistry, tension
    close: Table  # (n,) uint8: the best tie's affinity + trust, 0 .. 200
    tier: Table  # (n,) uint8
    claim: Table  # (n,) uint8: the closest tier that it claims of itself
    claimed_s: Table  # (n,) int64: since when; the oldest claim yields first
    focus_s: Table  # (n,) int64: detailed until then


LIVED = (
    "level", "flags", "item", "place", "activity", "partner", "node", "started_s", "ends_s", "due_s", "seen_s",
    "cool_s", "axis", "close",
)  # fmt: skip
# what a decision changes: the rest is shared with the state before
FELT = ("axis", "close")  # the last of them: changed only where an activity has an intent


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The state of one slice."""

    plan: Plan
    first: int  # its first entity
    people: People
    standing: (
        Table  # (A, n) uint16: weight x preference x trait, 256 = 1; follows from the people, no part of the state
    )


def settled(plan: Plan, first: int, people: People) -> Slice:
    """A slice with what its people's taste and traits come to."""
    tables = plan.tables
    standing = np.empty((len(plan.activities), len(people.flags)), np.uint16)
    for a in range(len(plan.activities)):
        taste = 128 + people.preference[tables.category[a]].astype(np.int32)
        bent = np.full(len(people.flags), KEEP_Q8 * 100, np.int32)
        for t in range(len(plan.traits)):
            bent += tables.trait[a, t] * people.trait[t].astype(np.int32) * KEEP_Q8 // 100
        bent = np.clip(bent // 100, TRAIT_LOW, TRAIT_HIGH)
        standing[a] = np.clip((tables.weight_q8[a] * taste >> 8) * bent >> 8, 1, STANDING_MAX)
    return Slice(plan, first, people, standing)


def genesis(plan: Plan, seed: int, number: int) -> Slice:
    """The first people of a slice: at home, idle, needs between half met and met, acquainted with neighbours."""
    first, n = plan.span(number)
    entity = np.arange(first, first + n, dtype=np.uint64)
    drawn = [words(seed, 0, entity, ChanceStream.NPC_GENESIS, page) for page in range(6)]
    group, district = _crews(plan, first, n)
    tables = plan.tables
    home = _places(plan, plan.group_home[group], district, drawn[0][:, 0])
    works = plan.group_work[group]
    work = np.where(works < 0, home, _places(plan, np.maximum(works, 0), district, drawn[0][:, 1])).astype(np.int16)
    level = np.empty((len(LEVELS), n), np.uint16)
    for row in range(len(LEVELS)):
        word = drawn[1 + row // 4][:, row % 4]
        level[row] = FULL // 2 + scaled_high(word, FULL // 2) if row < len(NEEDS) else EVEN
    tie, axis = _ties(plan, entity, n, drawn[5])
    cools = int(tables.cool_row.max()) + 1
    people = People(
        level=level,
        flags=plan.group_flags[group],
        item=np.ascontiguousarray(plan.group_items[group].T),
        place=home.copy(),
        home=home,
        work=work,
        group=group,
        trait=_traits(plan, group, drawn[3]),
        preference=_preferences(plan, n, drawn[4]),
        activity=np.full(n, tables.fallback, np.int16),
        partner=np.full(n, NOBODY, np.int8),
        node=tables.group_routine[group],
        started_s=np.zeros(n, np.int64),
        ends_s=np.zeros(n, np.int64),
        due_s=np.full(n, NEVER, np.int64),
        seen_s=np.zeros(n, np.int64),
        cool_s=np.zeros((cools, n), np.uint32),
        tie=tie,
        axis=axis,
        close=np.where(tie[0] >= 0, ACQUAINTED[0] + ACQUAINTED[1], 0).astype(np.uint8),
        tier=np.full(n, Tier.ASLEEP, np.uint8),
        claim=plan.group_tier[group],
        claimed_s=np.zeros(n, np.int64),
        focus_s=np.zeros(n, np.int64),
    )
    return settled(plan, first, people)


def _crews(plan: Plan, first: int, n: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """(group, district) of each of a slice's entities."""
    group, district = np.empty(n, np.int16), np.empty(n, np.int16)
    for crew in plan.crews:
        low, high = max(first, crew.first), min(first + n, crew.first + crew.count)
        group[low - first : max(low, high) - first] = crew.group
        district[low - first : max(low, high) - first] = crew.district
    return group, district


def _places(plan: Plan, kind: Table, district: Table, word: NDArray[np.uint64]) -> NDArray[np.int16]:
    """A place of a kind in a district for each, drawn."""
    tables = plan.tables
    spot = kind.astype(np.int64) * len(plan.districts) + district
    start = tables.spot_start[spot]
    many = np.maximum(1, tables.spot_start[spot + 1] - start)
    return tables.spot_place[np.minimum(start + scaled_high(word, many), len(plan.places) - 1)].astype(np.int16)


def _ties(plan: Plan, entity: NDArray[np.uint64], n: int, drawn: NDArray[np.uint64]) -> tuple[Table, Table]:
    """Two first ties each, where there are that many people: to one of the next NEAR entities, round the world."""
    tie = np.full((plan.ties, n), NOBODY, np.int32)
    axis = np.zeros((4, plan.ties, n), np.int8)
    near = min(NEAR, (plan.count - 1) // _PAIR)
    for slot in range(min(_PAIR, plan.ties) if near else 0):
        ahead = 1 + slot * near + scaled_high(drawn[:, slot], near)
        tie[slot] = (entity.astype(np.int64) + ahead) % plan.count
        axis[:, slot] = np.array(ACQUAINTED, np.int8)[:, None]
    return tie, axis


def _traits(plan: Plan, group: Table, drawn: NDArray[np.uint64]) -> Table:
    """(T, n) percent, each between its group's bounds: up to eight out of the halves of four words."""
    trait = np.empty((len(plan.traits), len(group)), np.int8)
    for row in range(len(plan.traits)):
        low, high = plan.group_trait[group, row].T.astype(np.int64)
        trait[row] = low + _half(drawn, row, high - low + 1)
    return trait


def _preferences(plan: Plan, n: int, drawn: NDArray[np.uint64]) -> Table:
    taste = np.empty((len(plan.categories), n), np.uint8)
    for row in range(len(plan.categories)):
        taste[row] = _half(drawn, row, 256)
    return taste


def _half(drawn: NDArray[np.uint64], number: int, bound: Any) -> NDArray[np.int64]:
    """Integers in [0, bound) out of the number-th half of (n, 4) words."""
    return (scaled_low if number % 2 else scaled_high)(drawn[:, number // 2], bound)
