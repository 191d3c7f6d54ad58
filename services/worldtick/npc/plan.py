"""The plan of a world's inhabitants: activities, conditions, schedules, routines and groups as tables.
Lives here: the tables that never change. Not here: how a scenario comes to them (compiling), what changes (people)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

Table = NDArray[Any]


class PlanTables(NamedTuple):
    """What kernels read. A activities, C clauses, E edges, G groups, D districts, S schedules."""

    rate: Table  # (A, 8) int32: units an hour of each level while it lasts, decay and calm apart
    calm: Table  # (2,) int32: units an hour by which a mood comes back to even
    gain: Table  # (A, 8) int32: units at completion
    brings: Table  # (A,) uint8: 1 where its end brings anything
    bond: Table  # (A, 4) int16: points at completion, with whom it was done
    set_flags: Table  # (A,) uint32
    keep_flags: Table  # (A,) uint32: and-mask
    item_gain: Table  # (A, I) int32 units
    event: Table  # (A,) int16 custom event, -1: none
    weight_q8: Table  # (A,) int32
    category: Table  # (A,) int16
    trait: Table  # (A, T) int32 percent
    urgency: Table  # (A, 6) int32 percent
    mood: Table  # (A, 2) int32 percent
    company: Table  # (A,) int32 percent
    evaluator: Table  # (A,) int16: row of Plan.evaluators, -1: none
    clause_start: Table  # (A + 1,) int32, then the edges' own rows follow
    must: Table  # (C,) uint64
    never: Table  # (C,) uint64
    least_s: Table  # (A,) int64 seconds
    cool_s: Table  # (A,) int64 seconds
    cool_row: Table  # (A,) int16: row of People.cool, -1: none
    spot: Table  # (A,) int16: Spot, or kind of place
    intent: Table  # (A,) int8
    gives: Table  # (A,) int16 item, -1: none
    atom_kind: Table  # (atoms,) int16 Atom
    atom_column: Table  # (atoms,) int32
    atom_low: Table  # (atoms,) int64
    atom_high: Table  # (atoms,) int64
    week_start: Table  # (S + 1,) int32 rows of the week
    week_at: Table  # (rows,) int64 second of the week
    week_activity: Table  # (rows,) int16, -1: free
    group_schedule: Table  # (G,) int16, -1: none
    group_routine: Table  # (G,) int16: first node, -1: none
    node_kind: Table  # (nodes,) int8: 0 first open edge, 1 by weight, 2 activity
    node_activity: Table  # (nodes,) int16
    edge_start: Table  # (nodes + 1,) int32
    edge_to: Table  # (E,) int16
    edge_weight: Table  # (E,) int32
    edge_clause: Table  # (E + 1,) int32 rows of edge_must
    edge_must: Table  # (,) uint64
    edge_never: Table  # (,) uint64
    place_district: Table  # (P,) int16
    place_kind: Table  # (P,) int16
    spot_start: Table  # (kinds x D + 1,) int32 rows of spot_place
    spot_place: Table  # (P,) int16: places by kind and district
    fallback: Any  # int
    inertia_q8: Any  # int


class RuleTables(NamedTuple):
    """The rules by which tiers are claimed, in order: R rules, C clauses, G groups."""

    tier: Table  # (R,) uint8
    group: Table  # (R, G) bool: whom it is about
    clause_start: Table  # (R + 1,) int32 rows of must and never
    must: Table  # (C,) uint64
    never: Table  # (C,) uint64


@dataclass(frozen=True, slots=True, eq=False)
class Crew:
    """The people of one group in one district: entities first .. first + count - 1."""

    group: int
    district: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """How a need acts on a commodity's demand."""

    commodity: str
    need: int
    usual: int  # units
    ppm_per_point: int
    low_ppm: int
    high_ppm: int


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One scenario's inhabitants, shared by all worlds and slices made of it."""

    count: int
    slice_npcs: int
    activities: tuple[str, ...]
    traits: tuple[str, ...]
    categories: tuple[str, ...]
    flags: tuple[str, ...]
    items: tuple[str, ...]
    districts: tuple[str, ...]
    places: tuple[str, ...]
    groups: tuple[str, ...]
    events: tuple[str, ...]
    nodes: tuple[str, ...]  # routine/node
    brought: tuple[str, ...]  # third-party conditions, by column of their atoms
    effects: tuple[tuple[int, str], ...]  # (activity, third-party effect)
    evaluators: tuple[str, ...]  # third-party factors of scores, each once
    ties: int
    crews: tuple[Crew, ...]
    group_tier: Table  # (G,) uint8
    group_home: Table  # (G,) int16 kind
    group_work: Table  # (G,) int16 kind, -1: none
    group_trait: Table  # (G, T, 2) int16 percent
    group_flags: Table  # (G,) uint32
    group_items: Table  # (G, I) uint16
    answers: tuple[Answer, ...]
    tables: PlanTables
    rules: RuleTables

    @property
    def slices(self) -> int:
        """How many slices the people fill; entity i lives in slice i // slice_npcs."""
        return max(1, -(-self.count // self.slice_npcs))

    def span(self, number: int) -> tuple[int, int]:
        """(first entity, count) of a slice."""
        first = number * self.slice_npcs
        return first, max(0, min(self.slice_npcs, self.count - first))
