"""The agenda against its plain model: the same timers, in the same order, whatever is asked for.
Lives here: what becomes of timers. Not here: chunks (test_queue), what a tick says of them (test_agenda_service)."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.agenda.plain import ORDERS, PENDING_MAX, Plain, Said
from worldtick.agenda import queue
from worldtick.agenda.agenda import (
    JUMPED,
    NOTHING,
    Agenda,
    Bounds,
    Cancel,
    Complete,
    Disable,
    Enable,
    Fate,
    Order,
    Put,
    Skip,
    agenda_of,
    live,
)
from worldtick.agenda.codec import decode, encode
from worldtick.agenda.timers import Then

PLENTY = Bounds(1_000_000, 1_000_000, 1_000_000)


def put(name: str, at_us: int, every_us: int = 0, left: int = 1, priority: int = 0, then: Then | None = None) -> Put:
    """A timer to be put in."""
    return Put(name, at_us, every_us, left, priority, "", then, "admin")


def _said(fates: Sequence[Fate]) -> list[Said]:
    return [(fate.what, fate.name, None if fate.timer is None else fate.timer.at_us, fate.times) for fate in fates]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(ORDERS, st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=12), st.data())
def test_lives_as_the_plain_model_does(ticks: list[tuple[list[Order], int, int]], data: st.DataObject) -> None:
    agenda, plain, now_us = NOTHING, Plain(), 0
    for orders, span_us, budget in ticks:
        now_us += span_us
        bounds = Bounds(budget, 1_000, PENDING_MAX)
        before = encode(agenda)
        lived = live(agenda, orders, now_us, bounds)
        expected = plain.live(orders, now_us, bounds)
        assert _said(lived.fates) == expected
        assert lived.agenda.queue.count == len(plain.waiting) == lived.agenda.register.count
        assert len(lived.agenda.disabled) == len(plain.pending) - len(plain.waiting)
        assert lived.agenda.next_us == min((each.at_us for each in plain.waiting), default=None)
        assert encode(agenda) == before, "a step leaves the state that it was given as it was"
        assert lived.used <= budget
        assert not lived.carried or lived.used == budget
        agenda = lived.agenda
        if data.draw(st.booleans()):
            body = encode(agenda)
            agenda = decode(body)
            assert encode(agenda) == body


def test_order_is_time_then_priority_then_insertion() -> None:
    puts = [
        put("late", 20),
        put("b", 10, priority=5),
        put("c", 10, priority=-5),
        put("d", 10, priority=-5),
        put("e", 9),
    ]
    lived = live(NOTHING, puts, 30, PLENTY)
    assert [fate.name for fate in lived.fates] == ["e", "c", "d", "b", "late"]
    assert lived.agenda.next_us is None


def test_two_a_microsecond_apart_run_in_order_and_one_beyond_the_tick_waits() -> None:
    agenda = agenda_of([put("second", 1_000_001), put("first", 1_000_000), put("third", 1_000_002)])
    lived = live(agenda, [], 1_000_001, PLENTY)
    assert [fate.name for fate in lived.fates] == ["first", "second"]
    assert lived.agenda.next_us == 1_000_002


def test_what_recurs_runs_at_each_of_its_times_among_the_others() -> None:
    agenda = agenda_of([put("bell", 10, every_us=10, left=4), put("once", 25)])
    lived = live(agenda, [], 35, PLENTY)
    assert _said(lived.fates) == [("fired", "bell", 10, 1), ("fired", "bell", 20, 1), ("fired", "once", 25, 1),
                                  ("fired", "bell", 30, 1)]  # fmt: skip
    lived = live(lived.agenda, [], 1_000, PLENTY)
    assert _said(lived.fates) == [("fired", "bell", 40, 1)]
    assert lived.agenda.queue.count == lived.agenda.register.count == 0


def test_what_is_disabled_does_not_come_up_and_goes_on_from_its_next_time() -> None:
    agenda = live(NOTHING, [put("tax", 10, every_us=10, left=5), put("once", 12), Disable("tax")], 15, PLENTY).agenda
    assert agenda.next_us is None
    quiet = live(agenda, [Disable("once"), put("tax", 99), Disable("tax")], 47, PLENTY)
    assert _said(quiet.fates) == [("refused", "once", None, 1), ("refused", "tax", None, 1)]
    again = live(quiet.agenda, [Enable("tax", 47)], 60, PLENTY)
    assert _said(again.fates) == [("enabled", "tax", 50, 1), ("fired", "tax", 50, 1), ("fired", "tax", 60, 1)]
    assert [timer.left for timer in again.agenda.queue] == [3], "what passed meanwhile counts as nothing"
    gone = live(live(again.agenda, [Disable("tax")], 61, PLENTY).agenda, [Cancel("tax"), Enable("tax", 61)], 62, PLENTY)
    assert _said(gone.fates) == [("cancelled", "tax", 70, 1), ("refused", "tax", None, 1)]
    assert gone.agenda.disabled == ()


def test_the_budget_carries_over_oldest_first() -> None:
    agenda = agenda_of([put(f"t{number}", 100 - number) for number in range(10)])
    fired: list[str] = []
    for used, carried in ((4, 6), (4, 2), (2, 0)):
        lived = live(agenda, [], 100, PLENTY._replace(timers_fired=4))
        assert (lived.used, lived.carried) == (used, carried)
        fired += [fate.name for fate in lived.fates]
        agenda = lived.agenda
    assert fired == [f"t{number}" for number in reversed(range(10))]


def test_no_more_is_sent_than_a_step_may_send() -> None:
    then = Then("economy", "supply_shock", "{}")
    agenda = agenda_of([put(f"t{number}", number, then=then) for number in range(5)])
    lived = live(agenda, [], 10, PLENTY._replace(sends=3))
    assert (lived.used, lived.carried) == (3, 2)


def test_the_same_timer_asked_for_twice_is_one_and_another_of_its_name_is_refused() -> None:
    lived = live(NOTHING, [put("a", 50), put("a", 50), put("a", 51)], 10, PLENTY)
    assert [(fate.what, fate.name) for fate in lived.fates] == [("refused", "a")]
    assert lived.agenda.queue.count == 1
    lived = live(lived.agenda, [Cancel("a"), put("a", 51), Cancel("b")], 11, PLENTY)
    assert _said(lived.fates) == [("cancelled", "a", 50, 1), ("refused", "b", None, 1)]
    assert lived.agenda.next_us == 51


def test_no_more_timers_wait_than_may() -> None:
    lived = live(NOTHING, [put(f"t{number}", 50) for number in range(4)], 10, PLENTY._replace(pending=3))
    assert _said(lived.fates) == [("refused", "t3", None, 1)]
    assert lived.agenda.queue.count == 3


def test_a_jump_skips_what_it_passes_and_nothing_else() -> None:
    agenda = agenda_of([put("a", 10), put("b", 20, every_us=7, left=0), put("at", 100), put("c", 99), put("d", 300)])
    lived = live(agenda, [Skip(100), put("new", 60)], 30, PLENTY)
    assert _said(lived.fates) == [("skipped", "a", 10, 1), ("skipped", "b", 20, 12), ("skipped", "c", 99, 1)]
    assert {fate.reason for fate in lived.fates} == {JUMPED}
    lived = live(lived.agenda, [], 100, PLENTY)
    assert _said(lived.fates) == [("fired", "new", 60, 1), ("fired", "at", 100, 1)]
    assert lived.agenda.next_us == 104


def test_a_jump_over_more_than_the_budget_skips_on_in_the_next_ticks() -> None:
    agenda = agenda_of([put(f"t{number}", number) for number in range(10)])
    few = PLENTY._replace(timers_fired=4)
    lived = live(agenda, [Skip(8), put("new", 2)], 1, few)
    assert (lived.used, lived.carried) == (4, 5)  # the new one is not due yet
    lived = live(lived.agenda, [], 9, few)
    assert _said(lived.fates) == [("fired", "new", 2, 1), *(("skipped", f"t{n}", n, 1) for n in (4, 5, 6))]
    lived = live(lived.agenda, [], 9, few)
    assert _said(lived.fates) == [("skipped", "t7", 7, 1), ("fired", "t8", 8, 1), ("fired", "t9", 9, 1)]
    assert lived.agenda.mark is None


def test_nothing_left_is_said_once_until_something_is_put_in_again() -> None:
    lived = live(agenda_of([put("a", 10)]), [Complete()], 5, PLENTY)
    assert not lived.completed, "something is left"
    said = []
    for orders in ([Complete()], [Complete()], [put("b", 30)], [Complete()]):
        lived = live(lived.agenda, orders, 40, PLENTY)
        said.append((lived.completed, lived.agenda.over))
    assert said == [(True, True), (False, True), (False, False), (True, True)]


@pytest.mark.parametrize("chunk", [1, 2, 3, 256])
def test_bytes_do_not_depend_on_how_the_queue_is_cut(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number * 37 % 100}" for number in range(100)]
    expected = encode(agenda_of([put(name, int(name[1:])) for name in names]))
    monkeypatch.setattr(queue, "CHUNK", chunk)
    agenda: Agenda = NOTHING
    for name in names:
        agenda = live(agenda, [put(name, int(name[1:]))], -1, PLENTY).agenda
    assert encode(agenda) == expected
    assert decode(expected).queue.count == 100
