"""The kernel against plain Python: the same choices, bit for bit.
Lives here: the comparison over random cities. Not here: the oracle (plain)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.npc.cities import city, moment, plan_of
from tests.unit.npc.plain import Oracle
from worldtick.npc.hours import step
from worldtick.npc.people import LIVED, genesis

# tiers so that all four are there; some ticks are short of decisions, lines or intents
TIGHT: list[dict[str, Any]] = [
    {"limits": (5, 20, 60, 400)},
    {"limits": (5, 20, 60, 400), "decisions": 150},
    {"limits": (40, 40, 40, 40), "events": 9, "intents": 2},
]


def _small(people: int) -> dict[str, Any]:
    section = city()
    for group in section["groups"].values():
        group["people"] = dict.fromkeys(group["people"], people)
    section["groups"]["pilgrims"]["tier"] = "detailed"
    return section


def _compare(section: dict[str, Any], seed: int, ticks: int, **changes: Any) -> int:
    """Live some ticks both ways; the decisions compared."""
    plan = plan_of(section)
    state = genesis(plan, seed, 0)
    compared = 0
    start = 1 + seed * 1_117 % 1_000
    for seq in range(start, start + ticks):
        told = moment(seq, seed=seed, **changes)
        lived = step(state, told)
        quiet = step(state, moment(seq, seed=seed, **(changes | {"decisions": 0}))).slice  # tiers alone
        before = Oracle(state, told)
        claims = zip(quiet.people.claim.tolist(), quiet.people.claimed_s.tolist(), strict=True)
        assert list(claims) == [before.claim(i) for i in range(plan.count)], f"claims in tick {seq}"
        oracle = Oracle(quiet, told)
        oracle.live()
        for name in LIVED:
            ours = getattr(lived.slice.people, name)
            assert np.array_equal(ours, np.array(oracle.row[name], ours.dtype)), f"{name} in tick {seq}"
        log = lived.log
        lines = zip(log.at, log.who, log.what, log.phase, log.place, log.partner, strict=True)
        assert [tuple(map(int, line)) for line in lines] == sorted(oracle.lines, key=lambda line: line[:2])
        assert lived.intents.tolist() == [list(ask) for ask in sorted(oracle.asks, key=lambda ask: (ask[4], ask[0]))]
        assert lived.used == oracle.used
        compared += lived.used
        state = lived.slice
    return compared


@pytest.mark.parametrize("changes", TIGHT)
def test_a_city_lives_as_in_plain_python(changes: dict[str, Any]) -> None:
    assert _compare(_small(4), 7, 26, **changes) > 1_000


RULES: list[dict[str, Any]] = [
    {"when": {"all": [{"need": "hunger", "at_most": 60}, {"chance_percent": 40}]}, "tier": "detailed"},
    {"when": {"any": [{"time": ["22:00", "05:00"]}, {"location": "home"}]}, "groups": ["pilgrims"], "tier": "asleep"},
    {"when": {"not": {"mood": "valence", "at_least": 2}}, "tier": "ambient"},
    {"when": {"relationship": "trust", "at_least": 41}, "tier": "active"},
]


def test_rules_of_tiers_hold_as_in_plain_python() -> None:
    section = _small(3) | {"tier_rules": RULES}
    assert _compare(section, 11, 26, limits=(20, 40, 60, 400), intervals_s=(600, 900, 1_800, 7_200)) > 1_000


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**64 - 1),
    percents=st.lists(st.integers(-100, 100), min_size=6, max_size=6),
    rates=st.lists(st.integers(-200, 200), min_size=8, max_size=8),
    weights=st.lists(st.integers(1, 1_000), min_size=3, max_size=3),
    decisions=st.integers(1, 400),
)
def test_any_numbers(seed: int, percents: list[int], rates: list[int], weights: list[int], decisions: int) -> None:
    section = _small(1)
    names = ("energy", "hunger", "social", "fun", "comfort", "safety", "valence", "arousal")
    section["activities"]["stroll"] |= {
        "weight": weights[0],
        "per_hour": dict(zip(names, rates, strict=True)),
        "mood": {"valence": percents[0], "arousal": percents[1]},
        "company": percents[2],
        "traits": {"curious": percents[3] * 2},
    }
    section["activities"]["chat"] |= {
        "weight": weights[1],
        "on_completion": {
            "levels": dict(zip(names, rates[::-1], strict=True)),
            "relationship": {"affinity": percents[4], "trust": percents[5]},
            "set_flags": ["unarmed"],
            "clear_flags": ["devout"],
        },
    }
    section["activities"]["idle"]["weight"] = weights[2]
    _compare(section, seed, 2, decisions=decisions)
