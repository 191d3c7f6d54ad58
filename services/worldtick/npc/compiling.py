"""From a scenario to the plan of its inhabitants.
Lives here: the layout of every table, what contradicts itself. Not here: their meaning (plan), YAML (scenario)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from worldtick.npc.conditions import Clause, Condition, Names, mapping_of
from worldtick.npc.faults import Faults
from worldtick.npc.plan import Answer, Crew, Plan, PlanTables, RuleTables, Table
from worldtick.npc.timetables import Week, week_of
from worldtick.npc.units import (
    AXES,
    CATEGORIES_MAX,
    COUNT_MAX,
    FLAGS_MAX,
    ITEMS_MAX,
    LEVELS,
    MOODS,
    NEEDS,
    PLACES_MAX,
    POINT,
    RATE_MAX,
    TIERS,
    TRAITS_MAX,
    Intent,
    Spot,
)

if TYPE_CHECKING:
    from worldtick.npc.scenario import Activity, Group, NpcScenario


def compile_plan(section: "NpcScenario") -> Plan:
    """Lay out the tables. Raises ValueError that names every fault found."""
    faults = Faults()
    kinds = tuple(dict.fromkeys(place.kind for place in section.places.values()))
    districts = tuple(dict.fromkeys(place.district for place in section.places.values()))
    names = Names(tuple(section.flags), tuple(section.items), tuple(section.places), kinds)
    _check_sizes(section, faults)
    activities = tuple(section.activities)
    categories = tuple(dict.fromkeys(each.category for each in section.activities.values()))
    if len(categories) > CATEGORIES_MAX:
        faults.append(f"activities: {len(categories)} categories; at most {CATEGORIES_MAX}")
    events = tuple(dict.fromkeys(e for a in section.activities.values() if (e := a.on_completion.event)))
    parts: dict[str, Any] = _activity_tables(section, names, categories, events, faults)
    parts |= _routine_tables(section, names, activities, faults)
    rules = _rule_tables(section, names, faults)
    parts |= _atom_tables(names)
    week = _weeks(section, activities, faults)
    parts |= {"week_start": week.start, "week_at": week.at, "week_activity": week.activity}
    parts |= _place_tables(section, districts, kinds)
    _check_fallback(section, faults)
    groups, first_nodes = _group_tables(section, districts, kinds, faults)
    if faults:
        raise ValueError("; ".join(faults))
    schedules = list(section.schedules)
    parts |= {
        "group_schedule": _row([schedules.index(g.schedule) if g.schedule else -1 for g in section.groups.values()]),
        "group_routine": _row([first_nodes.get(g.routine or "", -1) for g in section.groups.values()]),
        "fallback": activities.index(section.fallback),
        "inertia_q8": section.inertia_percent * 256 // 100,
        "calm": np.array([points * POINT // 2 for points in _calm(section)], np.int32),
    }
    crews = tuple(_crews(section, districts))
    return Plan(
        count=sum(crew.count for crew in crews),
        slice_npcs=section.slice_npcs,
        activities=activities,
        traits=tuple(section.traits),
        categories=categories,
        flags=tuple(section.flags),
        items=tuple(section.items),
        districts=districts,
        places=tuple(section.places),
        groups=tuple(section.groups),
        events=events,
        nodes=tuple(f"{name}/{node}" for name, routine in section.routines.items() for node in routine.nodes),
        brought=tuple(names.brought),
        effects=tuple(
            (number, each.on_completion.custom)
            for number, each in enumerate(section.activities.values())
            if each.on_completion.custom
        ),
        evaluators=_evaluators(section),
        ties=section.ties,
        crews=crews,
        answers=_answers(section),
        tables=PlanTables(**parts),
        rules=rules,
        **groups,
    )


def _calm(section: "NpcScenario") -> list[int]:
    calm = {str(mood): points for mood, points in section.calm.items()}
    return [calm.get(mood, 0) for mood in MOODS]


def _row(values: Iterable[int], dtype: Any = np.int16) -> Table:
    return np.array(list(values), dtype)


def _check_sizes(section: "NpcScenario", faults: Faults) -> None:
    for what, names, most in (
        ("flags", section.flags, FLAGS_MAX),
        ("items", section.items, ITEMS_MAX),
        ("traits", section.traits, TRAITS_MAX),
        ("places", list(section.places), PLACES_MAX),
    ):
        if len(names) > most:
            faults.append(f"{what}: {len(names)} of them; at most {most}")
        if len(set(names)) < len(names):
            faults.append(f"{what}: a name stands twice")
    people = sum(count for group in section.groups.values() for count in group.people.values())
    if not 1 <= people <= COUNT_MAX:
        faults.append(f"groups: {people} inhabitants; from 1 to {COUNT_MAX} in one world")


def _check_fallback(section: "NpcScenario", faults: Faults) -> None:
    if section.fallback not in section.activities:
        faults.index("fallback", section.fallback, tuple(section.activities), "activity")
        return
    chosen = section.activities[section.fallback]
    uses = any(units < 0 for units in chosen.on_completion.items.values())
    if chosen.requires is not None or chosen.cooldown_minutes or chosen.minutes or chosen.gives or uses:
        faults.append(
            f"fallback: {section.fallback} is not always possible; it has no requires, minutes, cooldown or items used"
        )


def _activity_tables(
    section: "NpcScenario", names: Names, categories: Sequence[str], events: Sequence[str], faults: Faults
) -> dict[str, Table]:
    each = list(section.activities.items())
    requires = [_requirement(name, activity, names, faults) for name, activity in each]
    start, must, never = _clause_rows(requires)
    evaluators = _evaluators(section)
    decay = [-section.decay.get(need, 0) for need in NEEDS] + [0, 0]  # type: ignore[call-overload]
    scale = np.array([POINT] * len(NEEDS) + [POINT // 2] * len(MOODS))  # moods span 200 points
    per_hour = np.array([mapping_of(activity.per_hour) for _, activity in each]) + decay
    rate = np.clip(per_hour * scale, -RATE_MAX, RATE_MAX)
    cooling = [bool(activity.cooldown_minutes) for _, activity in each]
    return {
        "rate": rate.astype(np.int32),
        "gain": (np.array([mapping_of(a.on_completion.levels) for _, a in each]) * scale).astype(np.int32),
        "brings": _row((a.on_completion != type(a.on_completion)() for _, a in each), np.uint8),
        "bond": np.array([[a.on_completion.relationship.get(x, 0) for x in AXES] for _, a in each], np.int16),  # type: ignore[call-overload]
        "set_flags": _flags(each, names, faults, "set_flags"),
        "keep_flags": ~_flags(each, names, faults, "clear_flags"),
        "item_gain": _by_name([(n, a.on_completion.items) for n, a in each], "item", names.items, faults),
        "event": _row(events.index(e) if (e := a.on_completion.event) else -1 for _, a in each),
        "weight_q8": _row((a.weight * 256 // 100 for _, a in each), np.int32),
        "category": _row(categories.index(a.category) for _, a in each),
        "trait": _by_name([(n, a.traits) for n, a in each], "trait", section.traits, faults),
        "urgency": np.array([[a.urgency.get(need, 0) for need in NEEDS] for _, a in each], np.int32),  # type: ignore[call-overload]
        "mood": np.array([[a.mood.get(mood, 0) for mood in MOODS] for _, a in each], np.int32),  # type: ignore[call-overload]
        "company": _row((a.company for _, a in each), np.int32),
        "evaluator": _row(evaluators.index(a.evaluator) if a.evaluator else -1 for _, a in each),
        "clause_start": start,
        "must": must,
        "never": never,
        "least_s": _row((a.minutes * 60 for _, a in each), np.int64),
        "cool_s": _row((a.cooldown_minutes * 60 for _, a in each), np.int64),
        "cool_row": _row(sum(cooling[:number]) if cools else -1 for number, cools in enumerate(cooling)),
        "spot": _row(_spot(name, a, names.kinds, faults) for name, a in each),
        "intent": _row((Intent[a.intent.upper()] if a.intent else 0 for _, a in each), np.int8),
        "gives": _row(_given(name, a, names, faults) for name, a in each),
    }


def _evaluators(section: "NpcScenario") -> tuple[str, ...]:
    return tuple(dict.fromkeys(a.evaluator for a in section.activities.values() if a.evaluator))


def _requirement(name: str, activity: "Activity", names: Names, faults: Faults) -> tuple[Clause, ...]:
    needed = [Condition(item=i, at_least=-n) for i, n in activity.on_completion.items.items() if n < 0]
    if activity.gives:
        needed.append(Condition(item=activity.gives, at_least=1))
    asked = [*needed, *([activity.requires] if activity.requires else [])]
    return faults.clauses(f"activities.{name}", Condition(all=tuple(asked)) if asked else None, names)


def _clause_rows(rows: Sequence[Sequence[Clause]]) -> tuple[Table, Table, Table]:
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    flat = [clause for row in rows for clause in row]
    return start, _row((must for must, _ in flat), np.uint64), _row((never for _, never in flat), np.uint64)


def _flags(each: Sequence[tuple[str, "Activity"]], names: Names, faults: Faults, part: str) -> Table:
    rows = [
        sum(
            1 << faults.index(f"activities.{name}.{part}", flag, names.flags, "flag")
            for flag in set(getattr(activity.on_completion, part))
        )
        for name, activity in each
    ]
    return _row(rows, np.uint32)


def _by_name(rows: Sequence[tuple[str, Mapping[str, int]]], what: str, known: Sequence[str], faults: Faults) -> Table:
    """(activities, known) int32: the numbers that each activity gives to names."""
    table = np.zeros((len(rows), len(known)), np.int32)
    for number, (activity, given) in enumerate(rows):
        for name, value in given.items():
            column = faults.index(f"activities.{activity}.{what}s", name, known, what)
            if name in known:
                table[number, column] = value
    return table


def _spot(name: str, activity: "Activity", kinds: Sequence[str], faults: Faults) -> int:
    fixed = {"stay": Spot.STAY, "home": Spot.HOME, "work": Spot.WORK}.get(activity.location)
    if fixed is not None:
        return int(fixed)
    return faults.index(f"activities.{name}.location", activity.location, kinds, "kind of place")


def _given(name: str, activity: "Activity", names: Names, faults: Faults) -> int:
    if (activity.gives is not None) != (activity.intent == "give"):
        faults.append(f"activities.{name}: an activity gives an item if its intent is give, and only then")
    return (
        -1 if activity.gives is None else faults.index(f"activities.{name}.gives", activity.gives, names.items, "item")
    )


def _routine_tables(
    section: "NpcScenario", names: Names, activities: Sequence[str], faults: Faults
) -> dict[str, Table]:
    kinds, chosen, counts, to, weight = [], [], [], [], []
    conditions: list[tuple[Clause, ...]] = []
    base = 0
    for name, routine in section.routines.items():
        nodes = list(routine.nodes)
        faults.index(f"routines.{name}.start", routine.start, nodes, "node")
        for key, node in routine.nodes.items():
            place = f"routines.{name}.nodes.{key}"
            kinds.append(("time_slot", "decision", "activity").index(node.kind))
            chosen.append(faults.index(place, node.activity, activities, "activity") if node.activity else -1)
            counts.append(len(node.edges))
            for edge in node.edges:
                to.append(base + faults.index(place, edge.to, nodes, "node"))
                weight.append(edge.weight)
                conditions.append(faults.clauses(place, edge.when, names))
        base += len(nodes)
    start, must, never = _clause_rows(conditions)
    return {
        "node_kind": _row(kinds, np.int8),
        "node_activity": _row(chosen),
        "edge_start": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "edge_to": _row(to),
        "edge_weight": _row(weight, np.int32),
        "edge_clause": start,
        "edge_must": must,
        "edge_never": never,
    }


def _rule_tables(section: "NpcScenario", names: Names, faults: Faults) -> RuleTables:
    """The rules of tiers; one that holds always and for all must be the last."""
    groups = tuple(section.groups)
    meant = np.zeros((len(section.tier_rules), len(groups)), np.bool_)
    for number, rule in enumerate(section.tier_rules):
        place = f"tier_rules.{number}"
        for name in rule.groups or groups:
            meant[number, faults.index(place, name, groups, "group")] = True
        if rule.when is None and not rule.groups and number + 1 < len(section.tier_rules):
            faults.append(f"{place}: it holds always, so no rule after it is ever looked at; give it a when or groups")
    conditions = [faults.clauses(f"tier_rules.{n}", rule.when, names) for n, rule in enumerate(section.tier_rules)]
    tiers = _row((TIERS.index(rule.tier) for rule in section.tier_rules), np.uint8)
    return RuleTables(tiers, meant, *_clause_rows(conditions))


def _atom_tables(names: Names) -> dict[str, Table]:
    keys = list(names.atoms)
    return {
        "atom_kind": _row(key[0] for key in keys),
        "atom_column": _row((key[1] for key in keys), np.int32),
        "atom_low": _row((key[2] for key in keys), np.int64),
        "atom_high": _row((key[3] for key in keys), np.int64),
    }


def _weeks(section: "NpcScenario", activities: Sequence[str], faults: Faults) -> Week:
    duties = {
        name: [
            (d.days, d.start, d.end, faults.index(f"schedules.{name}", d.activity, activities, "activity"))
            for d in listed
        ]
        for name, listed in section.schedules.items()
    }
    try:
        return week_of(duties)
    except ValueError as fault:
        faults.append(str(fault))
        return week_of({})


def _place_tables(section: "NpcScenario", districts: Sequence[str], kinds: Sequence[str]) -> dict[str, Table]:
    places = list(section.places.values())
    by_spot: list[list[int]] = [[] for _ in range(len(kinds) * len(districts))]
    for number, place in enumerate(places):
        by_spot[kinds.index(place.kind) * len(districts) + districts.index(place.district)].append(number)
    return {
        "place_district": _row(districts.index(place.district) for place in places),
        "place_kind": _row(kinds.index(place.kind) for place in places),
        "spot_start": np.concatenate([[0], np.cumsum([len(row) for row in by_spot])]).astype(np.int32),
        "spot_place": _row(number for row in by_spot for number in row),
    }


def _group_tables(
    section: "NpcScenario", districts: Sequence[str], kinds: Sequence[str], faults: Faults
) -> tuple[dict[str, Any], Mapping[str, int]]:
    first_nodes: dict[str, int] = {}
    base = 0
    for name, routine in section.routines.items():
        first_nodes[name] = base + (list(routine.nodes).index(routine.start) if routine.start in routine.nodes else 0)
        base += len(routine.nodes)
    groups = list(section.groups.items())
    for name, group in groups:
        _check_group(name, group, section, districts, faults)
    trait = [[group.traits.get(trait, (-100, 100)) for trait in section.traits] for _, group in groups]
    flags = [sum(1 << section.flags.index(f) for f in set(g.flags) if f in section.flags) for _, g in groups]
    items = [[group.items.get(item, 0) for item in section.items] for _, group in groups]
    return {
        "group_tier": _row((TIERS.index(group.tier) for _, group in groups), np.uint8),
        "group_home": _row(faults.index(f"groups.{n}.home", g.home, kinds, "kind of place") for n, g in groups),
        "group_work": _row(
            faults.index(f"groups.{n}.work", g.work, kinds, "kind of place") if g.work else -1 for n, g in groups
        ),
        "group_trait": np.array(trait, np.int16).reshape(len(groups), len(section.traits), 2),
        "group_flags": _row(flags, np.uint32),
        "group_items": np.array(items, np.uint16).reshape(len(groups), len(section.items)),
    }, first_nodes


def _check_group(name: str, group: "Group", section: "NpcScenario", districts: Sequence[str], faults: Faults) -> None:
    for what, names, known in (
        ("trait", group.traits, section.traits),
        ("flag", group.flags, section.flags),
        ("item", group.items, section.items),
        ("schedule", [group.schedule] if group.schedule else [], tuple(section.schedules)),
        ("routine", [group.routine] if group.routine else [], tuple(section.routines)),
        ("district", group.people, districts),
    ):
        for each in names:
            faults.index(f"groups.{name}", each, known, what)
    kinds = {(place.district, place.kind) for place in section.places.values()}
    for district, kind in ((d, k) for d in group.people for k in (group.home, group.work) if k):
        if group.people[district] and (district, kind) not in kinds:
            faults.append(f"groups.{name}: {district} has no place of the kind {kind!r}")
    for trait, (low, high) in group.traits.items():
        if low > high:
            faults.append(f"groups.{name}.traits.{trait}: from {low} to {high} is impossible")


def _crews(section: "NpcScenario", districts: Sequence[str]) -> Iterable[Crew]:
    first = 0
    for number, group in enumerate(section.groups.values()):
        for district, count in group.people.items():
            yield Crew(number, districts.index(district), first, count)
            first += count


def _answers(section: "NpcScenario") -> tuple[Answer, ...]:
    return tuple(
        Answer(name, LEVELS.index(d.need), d.usual * POINT, d.ppm_per_point, d.low_ppm, d.high_ppm)
        for name, d in section.demand.items()
    )
