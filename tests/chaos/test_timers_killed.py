"""Timers whose worker is killed again and again: each comes up once, at its own time, in order, and says so once.
Lives here: the agenda on processes that die. Not here: workers in general (test_killed), the event driver."""

import json
from typing import Any

import pytest

from tests.chaos.fleet import Fleet
from tests.small_worlds import T0, read_topic
from worldtick.agenda.agenda import Bounds, agenda_of, live
from worldtick.agenda.asked import AgendaScenario
from worldtick.agenda.service import SERVICE
from worldtick.clock.worldtime import EPOCH_S, HOUR_US, MINUTE_US, WallTime, format_world_time
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import Plan, create_world
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.postgres]

CATALOGUE = {SERVICE.name: SERVICE}
SHORT = {"batch_records": 5, "ticks_per_record": 2}
KILLS, HOURS_EACH = 6, 8
HOURS = KILLS * HOURS_EACH


def _scenario() -> AgendaScenario:
    """Two hundred that come up once, some at one moment, and five that recur."""
    once = [
        {"id": f"t{number}", "after_us": number * 37 % 48 * 59 * MINUTE_US + number % 3, "priority": number % 4 - 2}
        for number in range(200)
    ]
    again = [{"id": f"r{number}", "after": f"{number + 1}m", "every": f"{17 + number}m"} for number in range(5)]
    return AgendaScenario.model_validate({"timers": [*once, *again]})


def _expected() -> list[tuple[str, str, int]]:
    lived = live(agenda_of(_scenario().puts()), [], HOURS * HOUR_US, Bounds(10**6, 10**6, 10**6))
    return [
        (fate.name, format_world_time(fate.timer.at_us, EPOCH_S), fate.timer.times + 1)
        for fate in lived.fates
        if fate.timer is not None
    ]


def _said(fleet: Fleet, world: str) -> list[dict[str, Any]]:
    records = [json.loads(record.value()) for record in read_topic(fleet.bootstrap, fleet.prefix + "simulation.event")]
    fired = [record for record in records if record["event_type"].endswith("timer_fired")]
    assert len({record["event_id"] for record in fired}) == len(fired)
    return [record["data"] for record in fired if record["data"]["world"] == world]


def test_each_timer_comes_up_once_whoever_dies(fleet: Fleet) -> None:
    section = _scenario()
    text = json.dumps({"services": {SERVICE.name: section.model_dump(exclude_none=True)}})
    for name in ("w0", "w1"):
        plan = Plan(name, text, {SERVICE.name: section}, T0, daily=False, catch_up_max=1_000)
        assert create_world(fleet.pool, plan, CATALOGUE)
    publisher = Publisher(fleet.bootstrap, EventWriter(), fleet.prefix)
    members = [fleet.start("agenda", rules=SHORT), fleet.start("agenda", rules=SHORT)]
    for number in range(KILLS):
        at_us = WallTime(T0 + ((number + 1) * HOURS_EACH - 1) * HOUR_US)
        run_ticker(fleet.pool, publisher, CATALOGUE, Order("hourly", at_us, HOUR_US))
        fleet.await_more(1 + number % 4)
        members[number % 2].kill()
        members[number % 2] = fleet.start("agenda", rules=SHORT)
    fleet.await_done()
    publisher.close()
    assert [member.terminate() for member in members] == [0, 0]
    expected = _expected()
    assert len(expected) > 700
    for world in ("w0", "w1"):
        said = _said(fleet, world)
        assert [(data["timer"], data["at"], data["occurrence"]) for data in said] == expected
    fates = fleet.query("select timer, at_us, seq from timer_fate order by world_key, seq, ordinal")
    stamped = [(timer, format_world_time(at_us, EPOCH_S)) for timer, at_us, _ in fates]
    assert stamped == [row[:2] for row in expected] * 2
    assert all(seq == max(1, -(-at_us // HOUR_US)) for _, at_us, seq in fates), "within the hour that it lies in"
