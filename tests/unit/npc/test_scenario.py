"""What a section of inhabitants may not say, and what its conditions come to.
Lives here: faults and clauses. Not here: whether a condition holds (test_plain)."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.npc.cities import city, plan_of, village
from worldtick.npc.conditions import Condition, Names, clauses_of
from worldtick.npc.scenario import NpcScenario
from worldtick.npc.timetables import week_of

HOUR = 3_600


def _activity(**words: Any) -> dict[str, Any]:
    section = village()
    section["activities"]["toil"] = words
    return section


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (_activity(requires={"flag": "brave"}), "activities.toil: there is no flag 'brave'; there are none"),
        (_activity(requires={"location": "moon"}), "there is no place or kind of place 'moon'; there are home, field"),
        (_activity(requires={"need": "energy", "at_least": 60, "at_most": 40}), "from 60 to 40 is impossible"),
        (_activity(requires={"mood": "valence", "at_most": 200}), "it lies between -100 and 100"),
        (_activity(requires={"need": "energy"}), "need needs at_least or at_most"),
        (_activity(requires={"flag": "a", "item": "b", "at_least": 1}), "a condition says one thing"),
        (_activity(requires={"time": ["08:00", "08:00"]}), "a window that ends when it begins"),
        (_activity(location="moon"), "there is no kind of place 'moon'"),
        (_activity(traits={"bold": 5}), "there is no trait 'bold'"),
        (_activity(intent="give"), "gives an item if its intent is give"),
        (_activity(on_completion={"items": {"gold": 1}}), "there is no item 'gold'"),
        (village(fallback="toil"), "fallback: toil is not always possible"),
        (village(fallback="sing"), "there is no activity 'sing'; there are idle, rest, toil"),
        (village(flags=["a", "a"]), "flags: a name stands twice"),
        (village(groups={"folk": {"people": {"Hill": 3}}}), "there is no district 'Hill'; there are Vale"),
        (village(groups={"folk": {"people": {"Vale": 0}}}), "0 inhabitants"),
        (village(groups={"folk": {"people": {"Vale": 1}, "schedule": "x"}}), "there is no schedule 'x'"),
        (
            village(schedules={"x": [{"days": ["Mon"], "start": "05:00", "end": "09:00", "activity": "toil"},
                                     {"days": ["Mon"], "start": "08:00", "end": "10:00", "activity": "toil"}]}),
            "schedules.x: two duties at Mon 08:00",
        ),
        (
            village(routines={"r": {"start": "a", "nodes": {"a": {"kind": "decision", "edges": [{"to": "b"}]}}}}),
            "routines.r.nodes.a: there is no node 'b'",
        ),
    ],
)  # fmt: skip
def test_faults_are_named(section: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as fault:
        NpcScenario.model_validate(section)
    assert told in str(fault.value)


RULES = [
    {"when": {"flag": "brave"}, "tier": "active"},
    {"tier": "asleep"},
    {"when": {"all": [{"item": "gold", "at_least": 1}, {"location": "moon"}]}, "tier": "active"},
    {"groups": ["folk", "elves"], "tier": "dormant"},
]


def test_all_faults_of_rules_at_once() -> None:
    with pytest.raises(ValidationError) as fault:
        NpcScenario.model_validate(village(tier_rules=RULES))
    for told in (
        "tier_rules.0: there is no flag 'brave'; there are none",
        "tier_rules.1: it holds always, so no rule after it is ever looked at",
        "tier_rules.2: there is no item 'gold'",
        "tier_rules.2: there is no place or kind of place 'moon'",
        "tier_rules.3: there is no group 'elves'; there are folk",
    ):
        assert told in str(fault.value)


def test_a_rule_names_a_tier_and_one_condition() -> None:
    rules = [{"tier": "awake"}, {"when": {"need": "energy", "at_most": 400}, "tier": "active"}, {"when": None}]
    with pytest.raises(ValidationError) as fault:
        NpcScenario.model_validate(village(tier_rules=rules))
    places = {".".join(str(part) for part in each["loc"]) for each in fault.value.errors()}
    assert places == {"tier_rules.0.tier", "tier_rules.1.when", "tier_rules.2.tier"}


def test_all_faults_of_names_at_once() -> None:
    section = _activity(location="moon", traits={"bold": 5})
    with pytest.raises(ValidationError, match=r"'bold'.*'moon'"):
        NpcScenario.model_validate(section)


def test_equal_sections_share_their_plan_and_survive_json() -> None:
    section = NpcScenario.model_validate(city())
    assert section.plan is plan_of(city())
    again = NpcScenario.model_validate_json(section.model_dump_json())
    assert again.plan is section.plan


def _holds(clauses: tuple[tuple[int, int], ...], truth: int) -> bool:
    return any(truth & must == must and truth & never == 0 for must, never in clauses)


def test_expressions_become_clauses_that_mean_the_same() -> None:
    a, b, c = ({"flag": name} for name in "abc")
    expression = {"any": [{"all": [a, {"not": b}]}, {"not": {"any": [a, {"all": [b, c]}]}}]}
    clauses = clauses_of(Condition.model_validate(expression), Names("abc", (), (), ()))
    for truth in range(8):
        x, y, z = truth & 1, truth >> 1 & 1, truth >> 2 & 1
        assert _holds(clauses, truth) == bool((x and not y) or not (x or (y and z)))


def test_what_grows_too_large_is_refused() -> None:
    pairs = [{"any": [{"flag": f"f{n}"}, {"flag": f"g{n}"}]} for n in range(12)]
    names = Names([f"{x}{n}" for x in "fg" for n in range(12)], (), (), ())
    with pytest.raises(ValueError, match="4096 clauses"):
        clauses_of(Condition.model_validate({"all": pairs}), names)


def test_a_window_over_sunday_midnight_stands_in_two_parts() -> None:
    week = week_of({"s": [(["Sun"], "22:00", "06:00", 5)]})
    assert week.at.tolist() == [0, 6 * HOUR, (6 * 24 + 22) * HOUR]
    assert week.activity.tolist() == [5, -1, 5]
