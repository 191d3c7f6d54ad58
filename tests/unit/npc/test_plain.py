"""The kernel against plain Python: the same choices, bit for bit.
Lives here: random cities. Not here: the oracle (plain), the comparison (comparing)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.npc.cities import small_city
from tests.unit.npc.comparing import compared

# tiers so that all four are there; some ticks are short of decisions, lines or intents
TIGHT: list[dict[str, Any]] = [
    {"limits": (5, 20, 60, 400)},
    {"limits": (5, 20, 60, 400), "decisions": 150},
    {"limits": (40, 40, 40, 40), "events": 9, "intents": 2},
]


@pytest.mark.parametrize("changes", TIGHT)
def test_a_city_lives_as_in_plain_python(changes: dict[str, Any]) -> None:
    assert compared(small_city(4), 7, 26, **changes) > 1_000


RULES: list[dict[str, Any]] = [
    {"when": {"all": [{"need": "hunger", "at_most": 60}, {"chance_percent": 40}]}, "tier": "detailed"},
    {"when": {"any": [{"time": ["22:00", "05:00"]}, {"location": "home"}]}, "groups": ["pilgrims"], "tier": "asleep"},
    {"when": {"not": {"mood": "valence", "at_least": 2}}, "tier": "ambient"},
    {"when": {"relationship": "trust", "at_least": 41}, "tier": "active"},
]


def test_rules_of_tiers_hold_as_in_plain_python() -> None:
    section = small_city(3) | {"tier_rules": RULES}
    assert compared(section, 11, 26, limits=(20, 40, 60, 400), intervals_s=(600, 900, 1_800, 7_200)) > 1_000


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**64 - 1),
    percents=st.lists(st.integers(-100, 100), min_size=6, max_size=6),
    rates=st.lists(st.integers(-200, 200), min_size=8, max_size=8),
    weights=st.lists(st.integers(1, 1_000), min_size=3, max_size=3),
    decisions=st.integers(1, 400),
)
def test_any_numbers(seed: int, percents: list[int], rates: list[int], weights: list[int], decisions: int) -> None:
    section = small_city(1)
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
    compared(section, seed, 2, decisions=decisions)
