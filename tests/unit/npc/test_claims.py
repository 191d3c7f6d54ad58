"""Tiers claimed by rule: who is promoted and demoted, when, and what limits make of it.
Lives here: rules in small worlds and cut ones. Not here: whether a condition holds (test_plain)."""

from typing import Any

import numpy as np

from tests.unit.npc.cities import city, hours, plan_of, village
from worldtick.kit.bench import Bench
from worldtick.npc.codec import columns
from worldtick.npc.edits import Focus
from worldtick.npc.scenario import NpcScenario
from worldtick.npc.service import SERVICE
from worldtick.npc.units import NEVER, POINT, TIERS, Tier
from worldtick.npc.words import DECISIONS, EVENTS, INTENTS

HOUR_S = 3_600
TIRED = {"when": {"need": "energy", "at_most": 70}, "tier": "detailed"}
FRESH = {"when": {"need": "energy", "at_least": 85}, "tier": "dormant"}


def _ruled(*rules: dict[str, Any], people: int = 40, **changes: Any) -> Any:
    return plan_of(village(people, tier_rules=list(rules), **changes))


def test_a_rule_promotes_and_another_demotes_and_between_them_a_claim_stays() -> None:
    plan = _ruled(TIRED, FRESH)
    before = None
    turned = {(was, now): 0 for was in (0, 3) for now in (0, 3)}
    for lived in hours(plan, 30, limits=(100, 100, 100, 100)):
        people = lived.slice.people
        if before is not None:
            tired, fresh = before.level[0] <= 70 * POINT, before.level[0] >= 85 * POINT
            expected = np.where(tired, Tier.DETAILED, np.where(fresh, Tier.DORMANT, before.claim))
            assert np.array_equal(people.claim, expected)
            assert np.array_equal(people.tier, people.claim)
            for was, now in zip(before.claim.tolist(), people.claim.tolist(), strict=True):
                turned[was, now] += 1
        before = people
    assert min(turned.values()) > 0, turned


def test_of_rules_that_hold_the_first_decides_and_each_is_about_its_groups() -> None:
    groups = {name: {"people": {"Vale": 5}} for name in ("folk", "guests", "guards")}
    rules = [{"groups": ["guards", "guests"], "tier": "active"}, {"groups": ["guests", "folk"], "tier": "ambient"}]
    (lived,) = hours(_ruled(*rules, {"tier": "asleep"}, groups=groups), 1)
    assert lived.tiers.tolist() == [0, 10, 5, 0, 0]
    assert lived.slice.people.tier.tolist() == [2] * 5 + [1] * 10


def test_a_limit_holds_and_the_oldest_claims_yield() -> None:
    """Three wake at night, five more by day: of the eight that claim to be active, the three oldest make room."""
    groups = {"owls": {"people": {"Vale": 3}, "tier": "asleep"}, "larks": {"people": {"Vale": 5}, "tier": "asleep"}}
    rules = [
        {"when": {"time": ["00:00", "12:00"]}, "groups": ["owls"], "tier": "active"},
        {"when": {"time": ["06:00", "12:00"]}, "groups": ["larks"], "tier": "active"},
        {"when": {"time": ["12:00", "00:00"]}, "tier": "asleep"},
    ]
    told = [lived.slice.people for lived in hours(_ruled(*rules, groups=groups), 13, limits=(0, 5, 0, 9))]
    assert told[5].tier.tolist() == [1, 1, 1, 4, 4, 4, 4, 4]
    assert told[6].tier.tolist() == [3, 3, 3, 1, 1, 1, 1, 1]
    assert told[6].claimed_s.tolist() == [0, 0, 0] + [6 * HOUR_S] * 5
    assert told[12].tier.tolist() == [4] * 8
    assert (told[12].due_s == NEVER).all()


def test_who_is_in_focus_is_left_alone_until_its_lease_is_over() -> None:
    looks = [Focus(npc=2, until_s=2 * HOUR_S)]
    plan = _ruled({"tier": "asleep"}, people=4)
    told = [next(hours(plan, 1, focuses=looks)).slice]
    told += [lived.slice for lived in hours(plan, 2, told[0], first=2)]
    assert [state.people.tier.tolist() for state in told] == [[4, 4, 0, 4], [4, 4, 0, 4], [4, 4, 4, 4]]
    assert told[1].people.claim[2] == Tier.DORMANT


def test_a_section_without_rules_has_the_bytes_that_it_had() -> None:
    assert "tier_rules" not in NpcScenario.model_validate(village()).model_dump()
    section = NpcScenario.model_validate(village(tier_rules=[TIRED]))
    again = NpcScenario.model_validate_json(section.model_dump_json(by_alias=True))
    assert again.plan is section.plan
    assert len(again.plan.rules.tier) == 1


def test_rules_hold_alike_however_a_world_is_cut() -> None:
    rules = [{"when": {"all": [{"need": "hunger", "at_most": 70}, {"chance_percent": 50}]}, "tier": "active"}, FRESH]
    wide = {f"{tier}_limit": 1_000_000 for tier in TIERS[:-1]}
    ample = {DECISIONS: 1_000_000, EVENTS: 1_000_000, INTENTS: 0}
    worlds = []
    for slice_npcs in (10_000, 300):
        bench = Bench(SERVICE, city(tier_rules=rules, slice_npcs=slice_npcs), seed=3, budgets=ample, settings=wide)
        bench.run(5)
        worlds.append([dict(columns(state)) for state in bench.states])
    (whole,), cut = worlds
    assert len(cut) == 7
    for name, values in whole.items():
        assert np.array_equal(values, np.concatenate([each[name] for each in cut])), name
    assert (whole["claim/0"] == Tier.ACTIVE).sum() > 100
