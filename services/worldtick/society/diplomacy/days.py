"""A day of diplomacy: what a tick tells, which pairs are evaluated, what came of it.
Lives here: the step of the whole state, directives applied, the summary. Not here: a pair's day (kernel), events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import WORD_MASK
from worldtick.society.diplomacy import kernel
from worldtick.society.diplomacy.plan import Plan
from worldtick.society.diplomacy.relations import Relations, copied
from worldtick.society.diplomacy.rules import (
    ACCEPTED_MIN,
    CAUSES,
    FEELING_MAX,
    MEMORY,
    USUAL_DAYS,
    Cause,
    Change,
    Deed,
    Grievance,
    Relation,
    Treaty,
)

PRICE_SCALE = 256
DEAR_MAX_PPM = 2_000_000  # staples at three times their usual price count as no dearer
NOTES_A_PAIR = 8


class Incident(NamedTuple):
    """Something that one faction did to another, and how bad it was."""

    by: int
    to: int
    severity: int  # 1 to 100


class Proposal(NamedTuple):
    """A treaty that somebody proposes to a pair."""

    one: int
    other: int
    kind: int  # Treaty
    until_us: int
    price: int  # milli: trust that breaking it costs


class Breach(NamedTuple):
    """A treaty that one of its two breaks."""

    by: int
    to: int
    kind: int


class DiplomacyDay(NamedTuple):
    """What a tick tells diplomacy."""

    seed: int
    seq: int
    now_us: int
    pairs: int  # the budget
    prices: Mapping[str, int] = MappingProxyType({})  # district/commodity -> price ticks
    unrest_ppm: Mapping[str, int] = MappingProxyType({})  # district -> ppm
    told: tuple[Incident | Proposal | Breach, ...] = ()  # in the order in which they take effect


@dataclass(frozen=True, slots=True)
class Changed:
    """A pair whose state changed."""

    pair: int
    old: Relation
    new: Relation
    gained: dict[str, int]  # cause -> milli since the last change
    reason: str  # the cause that moved the score most, in the direction of the change

    @property
    def score_change(self) -> int:
        """Milli."""
        return sum(self.gained.values())


class TreatyNote(NamedTuple):
    """What became of a treaty."""

    pair: int
    kind: Treaty
    change: Change
    side: int  # who broke it: 0 the pair's first, 1 its second


@dataclass(frozen=True, slots=True)
class DiplomacyLived:
    """Diplomacy after a day, and what came of it."""

    relations: Relations
    evaluated: int
    carried: int
    changed: list[Changed] = field(default_factory=list)
    treaties: list[TreatyNote] = field(default_factory=list)


def step(plan: Plan, before: Relations, day: DiplomacyDay) -> DiplomacyLived:
    """One day. Pairs beyond the budget wait; those evaluated longest ago come first, ties by their number."""
    r = copied(before)
    r.day[0] += 1
    now = int(r.day[0])
    notes = _apply(plan, r, day, now)
    scarcity = _of_factions(plan, _dearness(plan, r, day.prices))
    unrest = _of_factions(plan, np.array([_ppm(day.unrest_ppm.get(home, 0)) for home in plan.homes], np.int64))
    strength = np.zeros(len(plan.factions), np.int64)
    kernel.measure(r.power, strength)
    between = matrix(plan, r)
    order = np.argsort(r.seen, kind="stable")[: max(0, day.pairs)].astype(np.int32)
    changes = np.zeros((len(order), 3 + CAUSES), np.int64)
    treaties = np.zeros((len(notes) + NOTES_A_PAIR * len(order), 4), np.int64)
    raw = np.zeros(CAUSES, np.int64)
    changed, noted = kernel.evaluate(
        order, plan.sides, r, between, strength, scarcity, unrest, now, day.now_us,
        np.uint64(day.seed & WORD_MASK), np.uint64(day.seq), raw, changes, treaties, 0,
    )  # fmt: skip
    kernel.exhaust(r, plan.sides, plan.power, strength, unrest)
    return DiplomacyLived(
        relations=r,
        evaluated=len(order),
        carried=plan.pairs - len(order),
        changed=[_changed(row) for row in changes[:changed].tolist()],
        treaties=notes + [TreatyNote(p, Treaty(k), Change(c), s) for p, k, c, s in treaties[:noted].tolist()],
    )


def score(relations: Relations) -> NDArray[np.int64]:
    """(p,) milli."""
    total: NDArray[np.int64] = relations.part.sum(axis=1, dtype=np.int64)
    return total


def matrix(plan: Plan, relations: Relations) -> NDArray[np.int8]:
    """(f, f) states; PEACE with oneself."""
    f = len(plan.factions)
    between = np.full((f, f), Relation.PEACE, np.int8)
    first, second = plan.sides[:, 0], plan.sides[:, 1]
    between[first, second] = relations.state
    between[second, first] = relations.state
    return between


def _changed(row: list[int]) -> Changed:
    pair, old, new, *gained = row
    way = 1 if new > old else -1
    reason = max(Cause, key=lambda cause: (gained[cause] * way, -cause))
    parts = {cause.name.lower(): gained[cause] for cause in Cause if gained[cause]}
    return Changed(pair, Relation(old), Relation(new), parts, reason.name.lower())


def _apply(plan: Plan, r: Relations, day: DiplomacyDay, now: int) -> list[TreatyNote]:
    """What directives tell takes effect before any pair is evaluated."""
    notes: list[TreatyNote] = []
    for told in day.told:
        match told:
            case Incident():
                _incident(plan, r, told, now)
            case Proposal():
                p = plan.pair(told.one, told.other)
                accepted = int(r.part[p].sum()) >= ACCEPTED_MIN[told.kind] and r.state[p] != Relation.WAR
                if accepted and told.until_us > day.now_us:
                    kernel.sign(r, p, told.kind, told.until_us, told.price, now)
                notes.append(TreatyNote(p, Treaty(told.kind), Change.SIGNED if accepted else Change.REFUSED, 0))
            case Breach():
                p = plan.pair(told.by, told.to)
                if r.until[p, told.kind] > day.now_us:
                    side = 0 if told.by < told.to else 1
                    kernel.break_treaty(r, p, told.kind, side, now)
                    notes.append(TreatyNote(p, Treaty(told.kind), Change.BROKEN, side))
    return notes


def _incident(plan: Plan, r: Relations, told: Incident, now: int) -> None:
    p, side = plan.pair(told.by, told.to), 0 if told.to < told.by else 1
    hurt = told.severity * FEELING_MAX // 100
    r.grievance[p, side, Grievance.INCIDENT] = min(FEELING_MAX, int(r.grievance[p, side, Grievance.INCIDENT]) + hurt)
    r.love[p, side] = max(-FEELING_MAX, int(r.love[p, side]) - hurt)
    r.trust[p, side] = max(-FEELING_MAX, int(r.trust[p, side]) - hurt // 2)
    at = int(r.deed_at[p, side])
    r.deed[p, side, at], r.deed_day[p, side, at], r.deed_at[p, side] = Deed.INCIDENT, now, (at + 1) % MEMORY


def _dearness(plan: Plan, r: Relations, prices: Mapping[str, int]) -> NDArray[np.int64]:
    """(homes,) ppm by which staples are dearer than usual; what is usual follows. Homes without a price have none."""
    dear = np.zeros(len(plan.homes), np.int64)
    for number, home in enumerate(plan.homes):
        found = [prices[key] for staple in plan.staples if (key := f"{home}/{staple}") in prices]
        if not found:
            continue
        price, usual = sum(found) * PRICE_SCALE, int(r.usual[number])
        if usual:
            dear[number] = max(0, min(DEAR_MAX_PPM, (price - usual) * 1_000_000 // usual))
        r.usual[number] = usual + (price - usual) // USUAL_DAYS if usual else price
    return dear


def _of_factions(plan: Plan, of_homes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(f,) what holds at each faction's home; 0 where it has none."""
    return np.append(of_homes, 0)[plan.home].astype(np.int64)


def _ppm(value: int) -> int:
    return max(0, min(1_000_000, value))
