"""The agenda as a service: the laws, the agreed bytes, what it says, what may be asked of it.
Lives here: steps as the runtime sees them. Not here: many timers (test_queue), the plain model (test_agenda)."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from worldtick.agenda.agenda import Agenda
from worldtick.agenda.asked import AgendaScenario, TimerAdd
from worldtick.agenda.service import FATES, NEXT_TIMER, SERVICE, TIMERS_FIRED
from worldtick.clock.worldtime import DAY_US, HOUR_US, MINUTE_US
from worldtick.kit.bench import Bench, Lived
from worldtick.kit.budgets import check_oldest_first
from worldtick.kit.golden import check_golden
from worldtick.kit.laws import check_laws

GOLDEN = Path(__file__).with_name("agenda.golden.json")
SECTION: dict[str, Any] = {
    "timers": [
        {"id": "market_day", "after": "9h", "every": "1d", "payload": {"square": "Watson"}},
        {"id": "tax", "after": "90m", "every": "2h", "count": 3, "priority": -1,
         "then": {"service": "agenda", "name": "timer_add", "args": {"id": "reminder", "after": "10m"}}},
        {"id": "once", "after_us": 5_400_000_000},
    ]
}  # fmt: skip


def _eventful(seed: int = 1, timers_fired: int = 1_000, **settings: int) -> Bench[Agenda]:
    """A history with everything in it that the step can meet."""
    bench = Bench(SERVICE, SECTION, seed=seed, budgets={TIMERS_FIRED: timers_fired}, settings=settings)
    bench.run(3)
    bench.part(10 * MINUTE_US)
    bench.direct("timer_add", id="a", at="2020-01-01T05:00:00+02:00", payload={"n": [1, 2.5, "x"]})
    bench.direct("timer_add", id="b", after="1h", every="1m", count=100)
    bench.direct("timer_add", id="b", after="2h")
    bench.direct("timer_add", id="past", at="2020-01-01T00:30:00Z")
    bench.direct("timer_cancel", id="nobody")
    bench.part(5 * MINUTE_US)
    bench.run(2)
    bench.direct("timer_cancel", id="b")
    bench.direct("timer_skip", before_us=DAY_US)
    bench.run(4)
    bench.direct("timer_cancel", id="market_day")
    bench.run(20)
    bench.direct("complete")
    bench.direct("complete")
    bench.run(3)
    return bench


def _said(bench: Bench[Agenda], kind: str) -> list[dict[str, Any]]:
    return [event.data for _, each in bench.steps() for event in each.step.events if event.type == kind]


def test_keeps_the_laws() -> None:
    check_laws(_eventful(), _eventful(seed=-5, timers_fired=2, timers_max=4), place="worldtick.agenda.service:SERVICE")


def test_runs_what_waits_oldest_first() -> None:
    bench = Bench(SERVICE, {}, budgets={TIMERS_FIRED: 2})
    for number in range(9):
        bench.direct("timer_add", id=f"t{number}", after_us=HOUR_US - number)
    bench.run(6)
    check_oldest_first(bench, TIMERS_FIRED, lambda agenda: [timer.key for timer in agenda.queue])


def test_gives_the_agreed_bytes(request: pytest.FixtureRequest) -> None:
    check_golden(_eventful(), GOLDEN, bool(request.config.getoption("--update-golden")))


def test_a_timer_says_its_own_time_and_its_effect_comes_with_the_next_tick() -> None:
    bench = Bench(SERVICE, SECTION)
    first, second, third = bench.run(3)
    assert first.slices[0].step.events == ()
    fired = [event.data for event in second.slices[0].step.events]
    assert [(data["timer"], data["at"], data["occurrence"]) for data in fired] == [
        ("tax", "2020-01-01T01:30:00Z", 1),
        ("once", "2020-01-01T01:30:00Z", 1),
    ]
    assert fired[0]["then"] == "agenda.timer_add"
    assert [directive.args["id"] for directive in third.tick.directives_of("agenda")] == ["reminder"]
    assert [event.data["at"] for event in third.slices[0].step.events] == ["2020-01-01T02:10:00Z"]
    market = [data for data in _said(_eventful(), "timer_fired") if data["timer"] == "market_day"]
    assert [json.loads(data["payload"]) for data in market] == [{"square": "Watson"}] * len(market)


def test_the_fact_names_the_next_timer_from_the_worlds_beginning_on() -> None:
    assert SERVICE.first_facts is not None
    assert SERVICE.first_facts(AgendaScenario.model_validate(SECTION), 1, 0) == {NEXT_TIMER: {"us": 90 * MINUTE_US}}
    assert SERVICE.first_facts(AgendaScenario(), 1, 0) == {NEXT_TIMER: {}}
    bench = Bench(SERVICE, {"timers": [{"id": "a", "after": "90m"}]})
    assert [_fact(lived) for lived in bench.run(3)] == [None, {}, None]
    bench.direct("complete")
    bench.direct("timer_add", id="b", after="3h")
    assert _fact(bench.tick()) == {"us": 6 * HOUR_US}
    bench.run(2)
    bench.direct("complete")
    assert _fact(bench.tick()) == {"over": 1}


def _fact(lived: Lived[Agenda]) -> dict[str, int] | None:
    facts = lived.slices[0].step.facts
    return None if facts is None else dict(facts[NEXT_TIMER])


def test_every_fate_has_a_row_for_sql_readers() -> None:
    bench = _eventful()
    rows = [row for _, each in bench.steps() for row in each.step.rows.get(FATES, ())]
    kinds = ("fired", "skipped", "cancelled", "refused")
    said = [event for _, each in bench.steps() for event in each.step.events if event.type != "simulation_complete"]
    assert [(row[1], row[2]) for row in rows] == [(event.data["timer"], event.type[6:]) for event in said]
    assert {row[2] for row in rows} == set(kinds)
    assert len(_said(bench, "simulation_complete")) == 1


def test_a_timer_is_disabled_and_enabled_by_directive() -> None:
    bench = _eventful()
    bench.direct("timer_add", id="rent", after="1h", every="1h")
    bench.direct("timer_disable", id="rent")
    bench.run(5)
    bench.direct("timer_enable", id="rent")
    bench.direct("timer_enable", id="nobody")
    bench.run(2)
    assert [said["timer"] for said in _said(bench, "timer_disabled")] == ["rent"]
    (enabled,) = _said(bench, "timer_enabled")
    fired = [said["at"] for said in _said(bench, "timer_fired") if said["timer"] == "rent"]
    assert fired[0] == enabled["at"]
    assert len(fired) == 2, "one an hour, from then on"
    assert _said(bench, "timer_refused")[-1]["reason"] == "no timer of this name is pending"
    check_laws(bench, place="worldtick.agenda.service:SERVICE")


def test_an_effect_that_makes_no_sense_is_refused_and_stops_nothing() -> None:
    bench = Bench(SERVICE, {})
    effects: list[tuple[str, dict[str, Any]]] = [
        ("timer_add", {"id": "x" * 200}),
        ("timer_add", {"id": "far", "at": "9999-12-31T23:59:59Z", "every": "1s"}),
        ("nonsense", {"id": "n"}),
        ("timer_add", {"id": "a", "after": "1h", "payload": []}),
    ]
    for name, args in effects:
        bench._queue(name, args, "effect:npc/0@1", None, 0)
    bench.direct("timer_add", id="good", after="1m")
    bench.run(1)
    assert [data["timer"] for data in _said(bench, "timer_refused")] == ["?", "n", "a"]
    assert [data["timer"] for data in _said(bench, "timer_fired")] == ["good"]


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ({"id": "a"}, "one of at, at_us, after, after_us"),
        ({"id": "a", "after": "1h", "at_us": 5}, "not 2 of them"),
        ({"id": "a", "at": "2024-03-15T14:30:00"}, "no zone"),
        ({"id": "a", "after": "soon"}, "no duration"),
        ({"id": "a", "after": "1h", "every": "10ms"}, "at most once a second"),
        ({"id": "a", "after": "1h", "every": "1h", "every_us": 3_600_000_000}, "not both"),
        ({"id": "a", "after": "1h", "count": 3}, "name every too"),
        ({"id": "a", "after": "1h", "every": "1h", "count": 0}, "greater than or equal to 1"),
        ({"id": "a", "after": "1h", "priority": 5_000}, "less than or equal"),
        ({"id": "no spaces", "after": "1h"}, "match pattern"),
        ({"id": "a", "after": "1h", "payload": {"x": "y" * 5_000}}, "at most 4096"),
        ({"id": "a", "after": "1h", "payload": {"x": float("nan")}}, "that JSON does not have"),
        ({"id": "a", "after": "1h", "payload": json.loads('{"x":' * 500 + "1" + "}" * 500)}, "nested more than 16"),
        (
            {"id": "a", "after": "1h", "then": {"service": "economy", "name": "x", "args": {"y": 2**70}}},
            "more than 64 bits",
        ),
        ({"id": "a", "after": "1h", "then": {"service": "Economy!", "name": "x"}}, "match pattern"),
        ({"id": "a", "after": "1h", "colour": "red"}, "not permitted"),
    ],
)
def test_what_may_not_be_asked_is_refused_with_its_reason(args: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        TimerAdd.model_validate(args)


def test_a_scenarios_timers_count_from_its_beginning_and_differ() -> None:
    for timers, fault in (
        ([{"id": "a", "at": "2024-01-14T09:00:00Z"}], "after"),
        ([{"id": "a", "after": "1h"}, {"id": "a", "after": "2h"}], "named twice: a"),
    ):
        with pytest.raises(ValidationError, match=fault):
            AgendaScenario.model_validate({"timers": timers})
