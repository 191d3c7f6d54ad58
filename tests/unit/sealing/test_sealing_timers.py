"""How far a world may be moved before its next timer, from what its agenda said and what waits for it.
Lives here: the pure plan. Not here: its rows (tests/integration/test_event_driver)."""

from typing import Any

import msgspec
import pytest

from tests.small_worlds import COUNT
from worldtick.clock.worldtime import EPOCH_S, HOUR_US, MINUTE_US, WorldTime
from worldtick.contracts.sealed import Directive, SealedTick
from worldtick.kit.bench import Bench
from worldtick.sealing.draft import considered
from worldtick.sealing.timers import Ahead, event_limit_us, plan
from worldtick.store.clocks import Clock
from worldtick.store.directives import Waiting
from worldtick.store.timers import AgendaRow

NOW = 10 * MINUTE_US


def _clock(now_us: int = NOW, seq: int = 4, **more: Any) -> Clock:
    clock: Clock = Bench(COUNT, {}).clock
    clock.now_us, clock.seq = now_us, seq
    for name, value in more.items():
        setattr(clock, name, value)
    return clock


def _row(version: int = 4, waits: bool = False, **said: int) -> AgendaRow:
    return AgendaRow(1, version, msgspec.msgpack.encode({"next_timer": said}), waits)


def _waiting(number: int, name: str, service: str = "agenda", **args: Any) -> Waiting:
    return Waiting(1, number, service, name, args, "admin", None, 0)


def _tick(to_us: int, *services: str) -> SealedTick:
    directives = tuple(Directive(service, "x", {}, "admin", 1) for service in services)
    return SealedTick(
        "w", 1, EPOCH_S, 5, "step", 1, "id", NOW, to_us, 0, "scheduler", None, None, 4, (), {}, directives, {}
    )


def test_no_tick_passes_what_the_agenda_says_is_next() -> None:
    ahead = plan(_clock(), _row(us=HOUR_US), [], touched=False)
    assert ahead == Ahead(WorldTime(HOUR_US), frozenset(), settled=True, waits=False, over=False)
    assert event_limit_us(_clock(), ahead) == HOUR_US
    assert plan(_clock(), AgendaRow(1, 4, None, False), [], touched=False).timer_us is None


def test_what_waits_is_next_where_it_is_due_before_and_only_that_is_taken() -> None:
    waiting = [
        _waiting(7, "timer_add", id="a", after="5m"),
        _waiting(8, "timer_add", id="b", at="2020-01-01T00:12:00Z"),
        _waiting(9, "timer_add", id="broken", after="soon"),
    ]
    ahead = plan(_clock(), _row(us=HOUR_US), waiting, touched=False)
    assert ahead.timer_us == 12 * MINUTE_US
    assert sorted(ahead.known) == [7, 8, 9]
    rows = [*waiting, _waiting(10, "timer_add", id="late", after="1s"), _waiting(11, "nudge", service="count")]
    assert [row.directive_id for row in considered(rows, ahead.known)] == [7, 8, 9, 11]
    assert considered(rows, None) == rows


def test_a_jump_is_not_cut_by_what_it_skips() -> None:
    waiting = [_waiting(7, "timer_skip", before_us=5 * HOUR_US)]
    assert plan(_clock(), _row(us=HOUR_US), waiting, touched=False).timer_us == 5 * HOUR_US
    assert plan(_clock(), _row(us=6 * HOUR_US), waiting, touched=False).timer_us == 6 * HOUR_US
    later = [*waiting, _waiting(8, "timer_add", id="new", after="1h")]
    assert plan(_clock(), _row(us=HOUR_US), later, touched=False).timer_us == NOW + HOUR_US


@pytest.mark.parametrize(
    ("version", "touched", "next_us", "settled"),
    [(4, False, NOW, True), (2, False, NOW + 1, True), (2, False, NOW, False), (2, True, NOW + 1, False)],
)
def test_the_agenda_is_waited_for_where_it_may_change_what_is_next(
    version: int, touched: bool, next_us: int, settled: bool
) -> None:
    assert plan(_clock(), _row(version, us=next_us), [], touched).settled is settled


def test_within_one_turn_a_tick_that_fires_or_brings_directives_is_the_last() -> None:
    ahead = plan(_clock(), _row(us=HOUR_US), [], touched=False)
    assert ahead.after(_tick(HOUR_US - 1, "economy")).settled
    assert not ahead.after(_tick(HOUR_US)).settled
    brings = plan(_clock(), _row(us=HOUR_US), [_waiting(7, "timer_cancel", id="a")], touched=False)
    assert not brings.after(_tick(HOUR_US - 1, "agenda")).settled
    assert not ahead.after(_tick(HOUR_US)).after(_tick(HOUR_US - 1)).settled


def test_where_a_world_goes_that_is_driven_by_its_timers() -> None:
    clock = _clock()
    limits = {
        "to its next timer": (plan(clock, _row(us=5 * HOUR_US), [], False), 5 * HOUR_US),
        "what was beyond the budget runs at once": (plan(clock, _row(us=MINUTE_US), [], False), NOW + 1),
        "what waits is brought by the next boundary": (plan(clock, _row(waits=True), [], False), HOUR_US),
        "nothing is left, which is to be said": (plan(clock, _row(), [], False), NOW + 1),
        "and was said": (plan(clock, _row(over=1), [], False), NOW),
        "first what takes out timers": (
            plan(clock, _row(us=5 * HOUR_US, waits=True), [_waiting(7, "timer_cancel", id="a")], False),
            NOW + 1,
        ),
    }
    for why, (ahead, limit_us) in limits.items():
        assert event_limit_us(clock, ahead) == limit_us, why
    assert event_limit_us(clock, None) == NOW
    assert event_limit_us(_clock(hourly=False), plan(clock, _row(waits=True), [], False)) == 24 * HOUR_US
