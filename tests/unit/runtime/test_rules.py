"""When snapshots are stored, and what a step may publish and ask.
Lives here: the rules' arithmetic, refused facts and effects. Not here: the protocol that keeps them (simulation)."""

from typing import Any

import pytest

from tests.small_worlds import MARKET
from worldtick.runtime.declared import EFFECTS_MAX, Undeclared, encoded_effects, encoded_facts
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Effect, Step


@pytest.mark.parametrize(("size_bytes", "every"), [(0, 0), (16, 1), (16_384, 1), (16_385, 2), (10**9, 24)])
def test_snapshots_are_spread_so_that_their_bytes_stay_bounded(size_bytes: int, every: int) -> None:
    due = [ticks for ticks in range(100) if Rules().snapshot_due(size_bytes, ticks, turn=1)]
    assert due[0] == every


def test_slices_that_move_together_are_not_stored_together() -> None:
    rules, since, stored = Rules(), dict.fromkeys(range(100), 0), []
    for place in range(1, 200):
        since = {key: ticks + 1 for key, ticks in since.items()}
        due = [key for key, ticks in since.items() if rules.snapshot_due(10**6, ticks, place + key)]
        assert max(since.values()) <= rules.snapshot_ticks_max
        since |= dict.fromkeys(due, 0)
        stored.append(len(due))
    assert max(stored) <= 5
    assert min(stored) >= 4


def test_a_snapshot_is_kept_where_a_multiple_of_the_interval_is_passed() -> None:
    rules = Rules(snapshot_kept_every_ticks=10)
    kept = [(a, b) for a in range(30) for b in range(a, 30) if rules.snapshot_kept(a, b)]
    assert all(any(a < multiple <= b for multiple in (10, 20)) for a, b in kept)
    assert (9, 10) in kept
    assert (0, 29) in kept


@pytest.mark.parametrize(
    "facts",
    [
        {"cold": {"a": 1}},
        {"heat": {"a": 1.5}},
        {"heat": {"a": True}},
        {"heat": {"a": 2**63}},
        {"heat": {1: 1}},
        {"heat": {f"{number:09d}" * 8: 2**62 for number in range(1_000)}},
    ],
    ids=["undeclared", "float", "bool", "too_large", "key", "too_many"],
)
def test_facts_that_no_tick_can_carry_are_refused(facts: Any) -> None:
    with pytest.raises(Undeclared):
        encoded_facts(MARKET, facts)


def test_good_facts_have_one_encoding_whatever_their_order() -> None:
    one = encoded_facts(MARKET, {"heat": {"a": 1, "b": -(2**63)}})
    assert one == encoded_facts(MARKET, {"heat": {"b": -(2**63), "a": 1}})
    assert encoded_facts(MARKET, None) is None


def test_effects_are_bounded_in_number_and_size() -> None:
    effect = Effect("count", "nudge", {"by": 1})
    assert encoded_effects(Step(0, effects=[effect] * 2)) == ['{"by":1}'] * 2
    with pytest.raises(Undeclared, match="effects"):
        encoded_effects(Step(0, effects=[effect] * (EFFECTS_MAX + 1)))
    with pytest.raises(Undeclared, match="bytes"):
        encoded_effects(Step(0, effects=[Effect("count", "nudge", {"by": "x" * 20_000})]))
