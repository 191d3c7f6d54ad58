"""Commands beyond clocks and configuration, on a real database: ticks by their slot, states, tasks, dead letters.
Lives here: what each does and sends. Not here: proof, ids, replies (test_commands), topics (cli/test_control_verbs)."""

import json

import pytest

from tests.courts import T0_MS, WRITER, Court, command, completed, said
from tests.small_worlds import history, make_world
from worldtick.contracts.errors import Refused
from worldtick.control.commands import Reach
from worldtick.control.desk import Answered, Outgoing
from worldtick.control.replaying import Letter
from worldtick.store.db import Pool, transaction

pytestmark = pytest.mark.postgres


def test_a_tick_is_asked_for_by_its_slot_as_a_paste_names_it(pool: Pool) -> None:
    key = make_world(pool, "w", services=("count",))
    court = Court(pool)
    reply = court.ask("tick.manual", {"game_time": "2020-01-01T05:00:00+02:00"})
    assert (reply["status"], reply["tick"]) == ("accepted", 3)
    assert [tick.triggered_by for tick in history(pool, key)] == ["system", "system", "manual"]
    same = court.ask("tick.manual", {"game_day": 1, "game_hour": 2})
    assert (same["changed"], same["tick"], same["tick_id"]) == (False, 2, history(pool, key)[1].tick_id)
    assert court.ask("tick.manual")["tick"] == 4
    assert "lies in the past" in court.ask("tick.manual", {"tick_type": "daily", "game_day": 1})["message"]
    assert "no hourly boundary" in court.ask("tick.manual", {"game_time": "2020-01-01T05:30:00Z"})["message"]
    assert "slots ahead" in court.ask("tick.manual", {"game_time": "2020-03-01T00:00:00Z"})["message"]
    assert len(court.ask("tick.manual", {"game_hour": 24, "tick_type": "weekly", "slot": 1})["faults"]) == 3
    assert len(history(pool, key)) == 4


def test_a_tick_that_would_have_to_wait_for_services_is_refused_and_seals_nothing(pool: Pool) -> None:
    key = make_world(pool, "w", services=("count",), facts="lag")
    court = Court(pool)
    assert court.ask("tick.manual", {"game_hour": 1})["status"] == "accepted"
    refused = court.ask("tick.manual", {"game_hour": 9})
    assert (refused["status"], "count must finish first" in refused["message"]) == ("refused", True)
    assert len(history(pool, key)) == 1


def test_tasks_are_timers_that_are_disabled_and_enabled(pool: Pool) -> None:
    make_world(pool, "w", services=("count",))
    refused = Court(pool).ask("task.disable", {"task": "rent"})
    assert "no service 'agenda'" in refused["message"]


def test_all_services_store_a_worlds_state(pool: Pool) -> None:
    key = make_world(pool, "w")
    court = Court(pool)
    assert "no tick yet" in court.ask("snapshot.now")["message"]
    for _ in range(2):
        court.ask("tick.force")
    court.ask("clock.pause")
    with transaction(pool) as conn:
        conn.execute("update slice set version = 2, snapshot_version = 1 where stream <> 'daily'")
    completed(pool)
    value = command("snapshot.now")
    verdict = court.raw(value)
    assert isinstance(verdict, Answered)
    assert said(verdict)["completes"] is True
    rings = [(ring.topic, json.loads(ring.value or b"")["data"]) for ring in verdict.sends]
    assert [(topic, ring["seq"], ring["snapshot"]) for topic, ring in rings] == [
        ("world.tick", 2, True),
        ("world.tick.hourly", 2, True),
    ]
    again = court.raw(value, offset=court.offset)
    assert isinstance(again, Answered)
    assert (again.fate, again.sends) == ("again", verdict.sends)
    assert completed(pool) == []
    with transaction(pool) as conn:
        conn.execute("update slice set snapshot_version = 2 where service = 'count'")
        conn.execute("update slice set status = 1 where service = 'market'")  # parked: nobody waits for it
    (done,) = completed(pool)
    assert (done["name"], done["status"], done["tick"]) == ("snapshot.now", "completed", 2)
    assert len(history(pool, key)) == 2


def letter(offset: int) -> Letter:
    """A dead letter about a pasted tick."""
    headers = [("dlq.reason", b"past"), ("dlq.topic", b"world.tick"), ("dlq.partition", b"1"), ("own", b"kept")]
    return Letter("world.tick.dlq", 0, offset, T0_MS, None, b'{"data": {}}', headers)


def test_a_dead_letter_is_replayed_once_with_the_reply(pool: Pool) -> None:
    def found(topic: str, partition: int, offset: int) -> Letter:
        if offset > 7:
            raise Refused("the topic holds no such offset")
        return letter(offset)

    court = Court(pool, reach=Reach(WRITER, letters=found))
    args = {"topic": "world.tick", "offset": 7}
    dry = court.raw(command("dlq.replay", args, dry_run=True))
    value = command("dlq.replay", args)
    first = court.raw(value)
    again = court.raw(value, offset=court.offset)
    assert isinstance(dry, Answered)
    assert isinstance(first, Answered)
    assert isinstance(again, Answered)
    assert (dry.sends, said(dry)["status"]) == ((), "accepted")
    assert list(first.sends) == [Outgoing("world.tick", None, b'{"data": {}}', [("own", b"kept")])]
    assert (again.fate, again.sends) == ("again", first.sends)
    assert "was replayed before" in court.ask("dlq.replay", args)["message"]
    assert court.ask("dlq.replay", {**args, "again": True})["status"] == "accepted"
    assert "no such offset" in court.ask("dlq.replay", {**args, "offset": 8})["message"]
