"""What directives and other inhabitants do to a slice's people, before a tick's decisions.
Lives here: focus, demotion, edits of components, meetings. Not here: their JSON (service), limits of tiers (tiers)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from worldtick.npc.acting import closeness
from worldtick.npc.people import NOBODY, People
from worldtick.npc.plan import Plan, Table
from worldtick.npc.units import AXIS_FULL, FULL, UNITS_MAX

FREED = ("tier", "claim", "claimed_s", "focus_s", "tie", "home", "work")  # columns that only directives change


@dataclass(frozen=True, slots=True)
class Focus:
    """Look closely at some, or stop it. Exactly one of npc, place, group; -1: not meant."""

    npc: int = -1  # entity
    place: int = -1  # who is there now
    group: int = -1
    until_s: int = 0  # world second at which it is over; not in the future: it is over now
    claim: int | None = None  # besides, the tier that they claim from now on


@dataclass(frozen=True, slots=True)
class Edit:
    """Set what is named of one inhabitant; all else stays."""

    npc: int
    levels: Mapping[int, int] = field(default_factory=dict)  # row -> units
    items: Mapping[int, int] = field(default_factory=dict)  # item -> units
    set_flags: int = 0  # bits
    clear_flags: int = 0
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Meeting:
    """What another inhabitant did to this one in an earlier tick."""

    npc: int  # to whom
    by: int  # entity
    points: tuple[int, int, int, int]  # on each axis
    item: int = -1
    units: int = 0


def applied(
    plan: Plan,
    first: int,
    people: People,
    focuses: Sequence[Focus],
    changes: Sequence[Edit],
    meetings: Sequence[Meeting],
    now_s: int,
) -> tuple[People, Table]:
    """(people, units of each item that found no room). Entities of other slices are passed by."""
    spilled = np.zeros(len(plan.items), np.int64)
    if not (focuses or changes or meetings):
        return people, spilled
    people = people._replace(**{name: getattr(people, name).copy() for name in FREED})
    for focus in focuses:
        _look(first, people, focus, now_s)
    for change in changes:
        if 0 <= change.npc - first < len(people.flags):
            _change(people, change.npc - first, change)
    for meeting in meetings:
        if 0 <= meeting.npc - first < len(people.flags):
            _meet(people, meeting.npc - first, meeting, spilled)
    return people, spilled


def _look(first: int, people: People, focus: Focus, now_s: int) -> None:
    if focus.npc >= 0:
        who = np.flatnonzero(np.arange(first, first + len(people.flags)) == focus.npc)
    elif focus.place >= 0:
        who = np.flatnonzero(people.place == focus.place)
    else:
        who = np.flatnonzero(people.group == focus.group)
    people.focus_s[who] = focus.until_s
    people.claimed_s[who] = now_s
    if focus.claim is not None:
        people.claim[who] = focus.claim


def _change(people: People, i: int, change: Edit) -> None:
    for row, units in change.levels.items():
        people.level[row, i] = max(0, min(FULL, units))
    for item, units in change.items.items():
        people.item[item, i] = max(0, min(UNITS_MAX, units))
    people.flags[i] = (int(people.flags[i]) & ~change.clear_flags & 0xFFFFFFFF) | change.set_flags
    if change.place is not None:
        people.place[i] = change.place


def _meet(people: People, i: int, meeting: Meeting, spilled: Table) -> None:
    """A stranger takes a free tie, else that of the lowest affinity and trust, if it is not above nothing much."""
    if meeting.item >= 0:
        room = UNITS_MAX - int(people.item[meeting.item, i])
        people.item[meeting.item, i] += min(room, meeting.units)
        spilled[meeting.item] += max(0, meeting.units - room)
    ties = people.tie[:, i]
    known = np.flatnonzero(ties == meeting.by)
    if len(known) == 0:
        worth = np.where(ties == NOBODY, -1, people.axis[0, :, i].astype(np.int64) + people.axis[1, :, i])
        slot = int(np.argmin(worth))
        if people.partner[i] == slot:
            return  # not in the middle of what is done with the other
        people.tie[slot, i] = meeting.by
        people.axis[:, slot, i] = 0
    else:
        slot = int(known[0])
    points = people.axis[:, slot, i].astype(np.int64) + np.array(meeting.points)
    people.axis[:, slot, i] = np.clip(points, 0, AXIS_FULL)
    people.close[i] = closeness(people, i)
