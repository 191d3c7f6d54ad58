"""Worlds that go by their timers, on real parts: from one timer's exact time to the next, until nothing is left.
Lives here: the event driver with the agenda's own worker. Not here: timers themselves (tests/unit/agenda)."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.conftest import RunWorker
from tests.small_worlds import COUNT, MARKET, Section, command_clock, history, read_topic
from tests.waiting import running, until
from worldtick.agenda.asked import AgendaScenario
from worldtick.agenda.service import SERVICE
from worldtick.clock.course import Pace
from worldtick.clock.worldtime import EPOCH_S, HOUR_US, MINUTE_US, SECOND_US, WallTime, format_world_time
from worldtick.contracts.errors import Faulty, Refused
from worldtick.contracts.wire import EventWriter
from worldtick.control.asking import ask
from worldtick.control.clocks import SKIP_TO_NEXT
from worldtick.control.completing import complete
from worldtick.control.creation import Plan, create_world
from worldtick.control.desk import Answered, Incoming, Outgoing
from worldtick.control.hearing import Hearing, Manners
from worldtick.runtime.service import Service
from worldtick.store.clocks import lock_clocks, unfinished
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of
from worldtick.ticker.pacer import Pacer
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.turns import Pacing

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

CATALOGUE: Mapping[str, Service[Any]] = {SERVICE.name: SERVICE, COUNT.name: COUNT, MARKET.name: MARKET}
TIMERS: list[dict[str, Any]] = [
    {"id": "night", "at_us": 2 * HOUR_US + 10 * MINUTE_US, "priority": 1},
    {"id": "first", "at_us": 2 * HOUR_US + 10 * MINUTE_US},
    {"id": "hair", "at_us": 2 * HOUR_US + 10 * MINUTE_US + 1},
    {"id": "morning", "at_us": 9 * HOUR_US + 45 * MINUTE_US},
]


def _make(pool: Pool, world: str, timers: list[dict[str, Any]], facts: str, **pace: Any) -> int:
    agenda = AgendaScenario.model_validate({"timers": timers})
    sections = {"agenda": agenda, "count": Section(), "market": Section()}
    text = json.dumps({"services": {"agenda": agenda.model_dump(exclude_none=True)}})
    plan = Plan(world, text, sections, WallTime(time.time_ns() // 1_000), facts=facts, pace=Pace(**pace))
    create_world(pool, plan, CATALOGUE)
    with transaction(pool) as conn:
        return keys_of(conn, [world])[world][0]


def _said(kafka: str, prefix: str, *types: str) -> list[tuple[str, str, str | None]]:
    """(world, type, timer) of events of these types, in the order in which each world said them."""
    records = [json.loads(record.value()) for record in read_topic(kafka, prefix + "simulation.event")]
    assert len({record["event_id"] for record in records}) == len(records)
    return [
        (record["data"]["world"], name, record["data"].get("timer"))
        for record in records
        if (name := record["event_type"].rpartition(".")[2]) in types
    ]


def _at_rest(pool: Pool) -> bool:
    with transaction(pool) as conn:
        rows = conn.execute("select count(*) from clock where driver = 'event' and due_us is not null").fetchone()
        return rows == (0,)


@pytest.mark.parametrize("facts", ["lag", "latest"])
def test_from_timer_to_timer_until_nothing_is_left(
    pool: Pool, publisher: Publisher, run_worker: RunWorker, kafka: str, topic_prefix: str, facts: str
) -> None:
    key = _make(pool, "w", TIMERS, facts, driver="event")
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE))
    with run_worker(SERVICE), run_worker(COUNT), run_worker(MARKET), running(pacer.run_until):
        until(lambda: _at_rest(pool))
        assert ("w", "simulation_complete", None) in _said(kafka, topic_prefix, "simulation_complete")
        ask(pool, CATALOGUE, "w", "agenda", "timer_add", {"id": "late", "after": "3h"})
        until(lambda: not _at_rest(pool) or history(pool, key)[-1].to_us > 12 * HOUR_US)
        until(lambda: _at_rest(pool))
    said = _said(kafka, topic_prefix, "timer_fired", "simulation_complete")
    fired = [timer for _, name, timer in said if name == "timer_fired"]
    assert fired == ["first", "night", "hair", "morning", "late"]
    assert [name for _, name, _ in said].count("simulation_complete") == 2  # once for each time that nothing was left
    ticks = history(pool, key)
    slots = [tick.to_us for tick in ticks]
    assert {timer["at_us"] for timer in TIMERS} <= set(slots)
    assert [tick.seq for tick in ticks] == list(range(1, len(ticks) + 1))
    assert len([tick for tick in ticks if tick.kind == "hourly"]) == ticks[-1].to_us // HOUR_US
    assert [tick.kind for tick in ticks if tick.to_us % HOUR_US] == ["step"] * 3 + ["step"] * (
        len([slot for slot in slots if slot % HOUR_US]) - 3
    )


def test_a_timer_cuts_the_tick_of_an_automatic_world(
    pool: Pool, publisher: Publisher, run_worker: RunWorker, kafka: str, topic_prefix: str
) -> None:
    pace = {"driver": "auto", "scale_ppb": 3_600 * 10**9, "interval_us": SECOND_US}
    key = _make(pool, "w", TIMERS, "latest", **pace)
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE))
    with run_worker(SERVICE), run_worker(COUNT), run_worker(MARKET), running(pacer.run_until):
        until(lambda: any(tick.to_us >= 3 * HOUR_US for tick in history(pool, key)))
    slots = [tick.to_us for tick in history(pool, key)]
    moments = [2 * HOUR_US + 10 * MINUTE_US, 2 * HOUR_US + 10 * MINUTE_US + 1, 3 * HOUR_US]
    assert [slot for slot in slots if 2 * HOUR_US < slot <= 3 * HOUR_US] == moments


def test_skipping_to_the_next_timer_by_hand(pool: Pool, publisher: Publisher, run_worker: RunWorker) -> None:
    key = _make(pool, "w", TIMERS, "latest", driver="manual")
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE))
    with run_worker(SERVICE), run_worker(COUNT), run_worker(MARKET), running(pacer.run_until):
        for at_us in sorted({timer["at_us"] for timer in TIMERS}):
            assert command_clock(pool, "w", SKIP_TO_NEXT, {}).target_us == at_us
            until(lambda at_us=at_us: _settled(pool, key, at_us))  # type: ignore[misc]
        over = command_clock(pool, "w", SKIP_TO_NEXT, {})
    assert (over.now_us, over.target_us) == (9 * HOUR_US + 45 * MINUTE_US, None)
    assert [timer for timer, _ in _fates(pool)] == ["first", "night", "hair", "morning"]


def test_skipping_by_commands_is_completed_with_what_was_executed(
    pool: Pool, publisher: Publisher, run_worker: RunWorker
) -> None:
    key = _make(pool, "w", TIMERS, "latest", driver="manual")
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE))
    hearing = Hearing(pool, CATALOGUE, Manners())
    completed: list[dict[str, Any]] = []
    with run_worker(SERVICE), run_worker(COUNT), run_worker(MARKET), running(pacer.run_until):
        for number, at_us in enumerate(sorted({timer["at_us"] for timer in TIMERS})):
            reply = _skip(hearing, number)
            assert (reply["status"], reply["changed"], reply["completes"]) == ("accepted", True, True)
            until(lambda at_us=at_us: _settled(pool, key, at_us))  # type: ignore[misc]
            complete(pool, EventWriter(), 0, lambda records: completed.extend(map(_data, records)))
        over = _skip(hearing, len(TIMERS))
    assert [reply["events_executed"] for reply in completed] == [2, 1, 1]
    assert completed[0]["next_event_time"] == format_world_time(2 * HOUR_US + 10 * MINUTE_US + 1, EPOCH_S)
    assert (over["status"], over["changed"], over["completes"]) == ("accepted", False, False)
    assert over["message"] == "No more events"


def _skip(hearing: Hearing, number: int) -> dict[str, Any]:
    """The reply to clock.skip_to_next."""
    value = json.dumps({"id": f"skip-{number}", "actor": "ann", "name": SKIP_TO_NEXT, "world": "w"}).encode()
    verdict = hearing.judge(Incoming("world.control", 0, number, 0, None, value, None))
    assert isinstance(verdict, Answered)
    return _data(verdict.reply)


def _data(reply: Outgoing) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(reply.value or b"")["data"]
    return data


@pytest.mark.parametrize("execute", [True, False])
def test_a_jump_over_timers_executes_or_skips_them(
    pool: Pool, publisher: Publisher, run_worker: RunWorker, execute: bool
) -> None:
    key = _make(pool, "w", TIMERS, "lag", driver="manual")
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE))
    to_us = 9 * HOUR_US + 45 * MINUTE_US  # where the last one is due: that one runs
    with run_worker(SERVICE), run_worker(COUNT), run_worker(MARKET), running(pacer.run_until):
        args = {"time": format_world_time(to_us, EPOCH_S), "execute_skipped": execute}
        assert command_clock(pool, "w", "clock.set", args).target_us == to_us
        until(lambda: _settled(pool, key, to_us))
    fate = "fired" if execute else "skipped"
    assert _fates(pool) == [
        ("first", fate), ("night", fate), ("hair", fate), ("morning", "fired")
    ]  # fmt: skip
    cuts = [tick.to_us for tick in history(pool, key) if tick.kind == "step"]
    moments = sorted({timer["at_us"] for timer in TIMERS})
    assert cuts == (moments if execute else moments[-1:])


def _settled(pool: Pool, key: int, at_us: int) -> bool:
    """Whether the world is there and all services have finished."""
    with transaction(pool) as conn:
        return lock_clocks(conn, [key])[0].now_us == at_us and not unfinished(conn, [key])


def _fates(pool: Pool) -> list[tuple[str, str]]:
    with transaction(pool) as conn:
        return conn.execute("select timer, fate from timer_fate order by seq, ordinal").fetchall()


def test_a_world_without_an_agenda_does_not_go_by_timers(pool: Pool) -> None:
    plan = Plan("w", "{}", {"count": Section()}, WallTime(0), pace=Pace("event"))
    with pytest.raises(Faulty, match="'agenda'"):
        create_world(pool, plan, CATALOGUE)
    create_world(pool, Plan("w", "{}", {"count": Section()}, WallTime(0)), CATALOGUE)
    with pytest.raises(Refused, match="'agenda'"):
        command_clock(pool, "w", "clock.set_mode", {"driver": "event"})


def test_one_at_rest_costs_nothing(pool: Pool, publisher: Publisher, run_worker: RunWorker) -> None:
    _make(pool, "w", [], "latest", driver="event")
    turns: list[object] = []
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE), on_turn=turns.append)
    with run_worker(SERVICE), run_worker(COUNT), run_worker(MARKET), running(pacer.run_until):
        until(lambda: _at_rest(pool))
    seen = len(turns)
    assert [pacer.look() for _ in range(5)] == [None] * 5
    assert len(turns) == seen
