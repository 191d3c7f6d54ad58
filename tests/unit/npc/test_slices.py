"""A world of inhabitants does not depend on how it is cut, and a step changes nothing but what it returns.
Lives here: slices, digests, purity of steps. Not here: what a decision is (test_plain)."""

import numpy as np
import pytest

from tests.unit.npc.cities import city, moment, plan_of
from worldtick.npc.codec import columns, decode, encode
from worldtick.npc.edits import Focus, Meeting
from worldtick.npc.hours import Lived, step
from worldtick.npc.people import genesis
from worldtick.npc.plan import Plan

ALL = (10_000, 10_000, 10_000, 10_000)


def _world(plan: Plan, ticks: int) -> list[list[Lived]]:
    """Every slice's ticks; nobody's limit binds."""
    states = [genesis(plan, 7, number) for number in range(plan.slices)]
    history = []
    for seq in range(1, ticks + 1):
        focuses = [Focus(place=2, until_s=6 * 3_600)] if seq == 2 else []
        meetings = [Meeting(npc=700, by=3, points=(5, 5, 5, 0), item=0, units=2)] if seq == 4 else []
        lived = [step(state, moment(seq, limits=ALL, focuses=focuses, meetings=meetings)) for state in states]
        states = [each.slice for each in lived]
        history.append(lived)
    return history


def test_one_slice_and_thirty_seven_are_one_world() -> None:
    whole = _world(plan_of(city()), 30)
    cut = _world(plan_of(city(slice_npcs=55)), 30)
    assert [len(whole[-1]), len(cut[-1])] == [1, 37]
    parts = [dict(columns(each.slice)) for each in cut[-1]]
    for name, column in columns(whole[-1][0].slice):
        joined = np.concatenate([part[name] for part in parts])
        assert joined.tobytes() == column.tobytes(), f"{name} depends on how the world is cut"
    for one, many in zip(whole, cut, strict=True):
        assert one[0].used == sum(each.used for each in many)
        assert np.array_equal(one[0].wants, sum(each.wants for each in many))
        assert np.array_equal(one[0].moves, sum(each.moves for each in many))


def test_a_slice_is_its_bytes() -> None:
    plan = plan_of(city())
    state = genesis(plan, 7, 0)
    for seq in range(1, 30):
        body = encode(state)
        again = decode(body, plan, 0)
        assert encode(again) == body
        first, second = step(state, moment(seq)), step(again, moment(seq))
        assert encode(state) == body, "a step writes into the state that it was given"
        assert encode(first.slice) == encode(second.slice)
        assert first.log.at.tobytes() == second.log.at.tobytes()
        assert first.intents.tobytes() == second.intents.tobytes()
        state = first.slice
    assert np.array_equal(decode(encode(state), plan, 0).standing, state.standing)


def test_the_last_slice_is_shorter() -> None:
    plan = plan_of(city(slice_npcs=1_100))
    assert [plan.span(0), plan.span(1)] == [(0, 1_100), (1_100, 900)]
    assert len(genesis(plan, 7, 1).people.flags) == 900


def test_bytes_of_another_slice_are_refused() -> None:
    plan = plan_of(city(slice_npcs=1_100))
    with pytest.raises(ValueError, match="slice 1 of 900 inhabitants"):
        decode(encode(genesis(plan, 7, 0)), plan, 1)


def test_seeds_differ() -> None:
    plan = plan_of(city())
    assert encode(genesis(plan, 7, 0)) != encode(genesis(plan, 8, 0))
