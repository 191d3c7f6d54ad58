"""Commands on the real parts: control behind its topic, a ticker beside it, workers played by the test.
Lives here: when what was commanded is in force, who waits for whom. Not here: single commands (test_commands)."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.small_worlds import CATALOGUE, history, make_topics, make_world
from tests.waiting import running, until
from worldtick.clock.course import Pace
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import HOUR_US, SECOND_US, WallTime, format_world_time
from worldtick.contracts.commands import read_command
from worldtick.contracts.wire import EventWriter
from worldtick.control.desk import Rules
from worldtick.control.hearing import Manners
from worldtick.control.sending import Courier, line_of
from worldtick.control.serve import run_control
from worldtick.store.clocks import Clock, lock_clocks
from worldtick.store.db import Pool, transaction
from worldtick.ticker.pacer import Pacer
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.turns import Pacing

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

LOOKS = 3  # of the ticker, which seals at each whatever is due: a tick that was still to come would have come


@contextmanager
def _courier(kafka: str, prefix: str, pool: Pool) -> Iterator[Courier]:
    """Control at work, and somebody who commands."""

    def work(stop: threading.Event) -> None:
        servers, rules, manners = {"bootstrap.servers": kafka}, Rules(prefix=prefix), Manners()
        run_control(servers, pool, CATALOGUE, EventWriter(), rules, stop, manners=manners)

    with running(work):
        courier = Courier({"bootstrap.servers": kafka}, prefix)
        try:
            yield courier
        finally:
            courier.close()


def _ask(courier: Courier, name: str, world: str | None) -> dict[str, Any]:
    """The first reply to a command, which was accepted."""
    value = line_of({"id": secrets.token_hex(8), "actor": "ann", "name": name, "world": world})
    asked = read_command(value)
    courier.send(value, asked, None)
    reply = next(iter(courier.replies(asked, 60)))
    assert reply["status"] == "accepted", reply
    return reply


def _clock(pool: Pool, key: int) -> Clock:
    with transaction(pool) as conn:
        return lock_clocks(conn, [key])[0]


def test_a_pause_is_in_force_for_the_very_next_tick(
    kafka: str, topic_prefix: str, pool: Pool, publisher: Publisher
) -> None:
    make_topics(kafka, topic_prefix)
    pace = Pace("auto", HOUR_US * 20 * PPB // SECOND_US, SECOND_US // 20, in_flight_max=1_000_000)  # an hour in 50 ms
    key, looks = make_world(pool, "w", first_us=WallTime(time.time_ns() // 1_000), pace=pace), [0]

    def look() -> None:
        looks[0] += 1

    pacer = Pacer(pool, publisher, Pacing(CATALOGUE), on_pass=look)
    with _courier(kafka, topic_prefix, pool) as courier, running(pacer.run_until):
        for _ in range(3):
            sealed = _clock(pool, key).seq
            until(lambda sealed=sealed: _clock(pool, key).seq > sealed)  # type: ignore[misc]
            reply = _ask(courier, "clock.pause", "w")
            then = _clock(pool, key)
            assert reply["game_time"] == format_world_time(then.now_us, then.epoch_s)
            looked = looks[0]
            until(lambda looked=looked: looks[0] > looked + LOOKS)  # type: ignore[misc]
            after = _clock(pool, key)
            assert (after.seq, after.now_us) == (then.seq, then.now_us)
            assert history(pool, key)[-1].to_us <= then.now_us
            _ask(courier, "clock.resume", "w")


def test_commands_do_not_wait_for_a_paste_that_does(kafka: str, topic_prefix: str, pool: Pool) -> None:
    make_topics(kafka, topic_prefix)
    key = make_world(pool, "w", services=("count",), facts="lag", pace=Pace("manual"))
    producer = Producer({"bootstrap.servers": kafka})
    far = {"data": {"world": "w", "game_time": "2020-01-01T02:00:00Z"}}
    with _courier(kafka, topic_prefix, pool) as courier:
        producer.produce(topic_prefix + "world.tick.hourly", json.dumps(far).encode(), b"w")
        assert producer.flush(10) == 0
        until(lambda: len(history(pool, key)) == 1)
        for _ in range(5):
            _ask(courier, "ping", None)
        assert len(history(pool, key)) == 1  # it waits still
        with transaction(pool) as conn:
            conn.execute("update slice set version = 1 where world_key = %s", (key,))
            conn.execute("notify worldtick_slices")
        until(lambda: len(history(pool, key)) == 2)
