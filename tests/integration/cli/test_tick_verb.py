"""`worldtick tick template`: lines that control seals, as they are printed.
Lives here: the verb, and its lines judged by the desk. Not here: `tick explain`."""

import json

import pytest

from tests.integration.cli.conftest import Command
from tests.small_worlds import CATALOGUE, history, make_world, shape
from worldtick.control.desk import Again, Desk, Incoming, Rules, Sealed
from worldtick.store.db import Pool

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def _record(line: str, offset: int, kind: str = "hourly") -> Incoming:
    return Incoming(f"world.tick.{kind}", 0, offset, 1, None, line.encode(), None)


def test_a_line_without_world_moves_it_each_time(worldtick: Command, pool: Pool, topic_prefix: str) -> None:
    key = make_world(pool, "w")
    printed = worldtick("tick", "template", "hourly")
    assert (printed.code, printed.out.count("\n")) == (0, 1)
    assert f"one record on {topic_prefix}world.tick.hourly" in printed.err
    desk = Desk(pool, CATALOGUE, Rules())
    assert [desk.judge(_record(printed.out, offset)) for offset in (0, 1)] == [Sealed(key, 1), Sealed(key, 2)]


def test_a_line_for_a_world_is_its_next_tick_once(worldtick: Command, pool: Pool) -> None:
    key = make_world(pool, "w")
    desk = Desk(pool, CATALOGUE, Rules())
    hour = worldtick("tick", "template", "hourly", "--world", "w").out
    assert desk.judge(_record(hour, 0)) == Sealed(key, 1)
    assert desk.judge(_record(hour, 1)) == Again(key, 1)
    assert json.loads(hour)["data"]["tick_id"] == history(pool, key)[0].tick_id
    day = worldtick("tick", "template", "daily", "--world", "w").out
    assert (json.loads(day)["data"]["game_day"], json.loads(day)["data"]["game_time"]) == (2, "2020-01-02T00:00:00Z")
    assert desk.judge(_record(day, 2, "daily")) == Sealed(key, 25)
    assert shape(history(pool, key))[-1] == (25, "daily", 1, 24)


def test_a_line_whose_slot_the_ticker_seals_meanwhile_is_known(worldtick: Command, pool: Pool) -> None:
    key = make_world(pool, "w")
    line = worldtick("tick", "template", "hourly", "--world", "w").out
    desk = Desk(pool, CATALOGUE, Rules())
    nameless = worldtick("tick", "template", "hourly").out
    assert desk.judge(_record(nameless, 0)) == Sealed(key, 1)
    assert desk.judge(_record(line, 1)) == Again(key, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["template"], 2, "Missing argument"),
        (["template", "weekly"], 2, "weekly"),
        (["template", "hourly", "--world", "wrold"], 1, "did you mean world?"),
        (["template", "hourly", "--world", "days"], 1, "has no hourly ticks"),
        (["nothing"], 2, "No such command"),
    ],
)
def test_what_is_refused(worldtick: Command, pool: Pool, arguments: list[str], code: int, said: str) -> None:
    make_world(pool, "world")
    make_world(pool, "days", hourly=False)
    ended = worldtick("tick", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
