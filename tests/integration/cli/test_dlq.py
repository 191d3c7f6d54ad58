"""`worldtick dlq`: letters of control and of a real worker's dead step, listed, shown and replayed once.
Lives here: the verbs. Not here: what is dead-lettered and why (test_control, test_worker)."""

import dataclasses
import secrets
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.control_rooms import paste, running_control
from tests.integration.cli.conftest import Command
from tests.integration.conftest import RunWorker
from tests.small_worlds import COUNT, T0, Section, history, make_world, read_topic
from tests.waiting import until
from worldtick.clock.worldtime import HOUR_US, format_unix_us
from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Service, Step
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka, pytest.mark.usefixtures("small_catalogue")]

HOURLY = "world.tick.hourly"
NEXT = {"data": {"tick_type": "hourly"}}


def _bury(kafka: str, prefix: str, pool: Pool, *values: Any) -> None:
    """Paste poison and let control dead-letter it."""
    before = len(read_topic(kafka, f"{prefix}{HOURLY}.dlq"))
    paste(kafka, prefix + HOURLY, *values)
    with running_control(kafka, prefix, pool):
        until(lambda: len(read_topic(kafka, f"{prefix}{HOURLY}.dlq")) == before + len(values))


def test_letters_are_listed_and_shown(worldtick: Command, kafka: str, pool: Pool, topics: str) -> None:
    raw = secrets.token_bytes(40).replace(b"\0", b"\1").replace(b"{", b"\1")
    _bury(kafka, topics, pool, b"{broken", b"\xff" + raw, NEXT)
    rows = worldtick("dlq", "list", "--json").rows
    assert {row["dead"]["reason"] for row in rows} == {"not_json", "bad_utf8", "no_world"}
    assert {row["dead"]["topic"] for row in rows} == {topics + HOURLY}
    (row,) = worldtick("dlq", "list", HOURLY, "--reason", "not_json", "--json").rows
    assert row["value"] == "{broken"
    for name in (HOURLY, HOURLY + ".dlq", topics + HOURLY, topics + HOURLY + ".dlq"):
        shown = worldtick("dlq", "show", name, row["partition"], row["offset"], "--json").row
        assert (shown["value"], shown["replayed"]) == ("{broken", None)
        assert shown["headers"]["dlq.topic"] == topics + HOURLY
    text = worldtick("dlq", "list", "--limit", 1)
    assert "dead: " in text.out
    assert text.err == "1 dead letters (--limit 1)\n"
    assert worldtick("dlq", "list", "world.tick", "--json").out == ""


def test_a_record_goes_back_as_it_was_once(worldtick: Command, kafka: str, pool: Pool, topics: str) -> None:
    """A paste that no world was there for: the world is made, and the letter replayed."""
    producer = Producer({"bootstrap.servers": kafka})
    value = b'{"data": {"tick_type": "hourly", "world": "late"}}'
    producer.produce(topics + HOURLY, value, b"late", headers=[("a", b"\xff"), ("a", None), ("b", b"")])
    producer.flush(10)
    with running_control(kafka, topics, pool):
        until(lambda: len(read_topic(kafka, f"{topics}{HOURLY}.dlq")) == 1)
        (row,) = worldtick("dlq", "list", HOURLY, "--json").rows
        place = (HOURLY, row["partition"], row["offset"])
        key = make_world(pool, "late")
        assert worldtick("dlq", "replay", *place, "--json").row["sent_to"] == topics + HOURLY
        until(lambda: len(history(pool, key)) == 1)
        twice = worldtick("dlq", "replay", *place)
        assert (twice.code, twice.out) == (1, "")
        assert "was replayed before" in twice.err
        assert worldtick("dlq", "replay", *place, "--again").code == 0
        until(lambda: len(history(pool, key)) == 2)  # it names no slot: one advance each
    assert worldtick("dlq", "show", *place, "--json").row["replayed"]["times"] == 2
    copies = [record for record in read_topic(kafka, topics + HOURLY) if record.value() == value]
    assert [(copy.key(), copy.headers()) for copy in copies] == [
        (b"late", [("a", b"\xff"), ("a", None), ("b", b"")])
    ] * 3


def test_all_letters_of_a_topic(worldtick: Command, kafka: str, pool: Pool, topics: str) -> None:
    _bury(kafka, topics, pool, NEXT, NEXT, b"garbage")
    key = make_world(pool, "w")
    done = worldtick("dlq", "replay", HOURLY, "--all", "--reason", "no_world")
    assert (done.code, done.err) == (0, "2 of 2 replayed\n")
    with running_control(kafka, topics, pool):
        until(lambda: len(history(pool, key)) == 2)
    again = worldtick("dlq", "replay", HOURLY, "--all", "--reason", "no_world")
    assert "0 of 2 replayed" in again.err
    assert again.err.count("was replayed before") == 2


def test_a_replay_that_did_not_report_is_not_repeated(
    worldtick: Command, kafka: str, pool: Pool, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _bury(kafka, topics, pool, b"garbage")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("worldtick.control.replaying._send", dies)
        assert worldtick("dlq", "replay", HOURLY, 0, 0).code == 130
    unsure = worldtick("dlq", "replay", HOURLY, 0, 0)
    assert (unsure.code, "did not report" in unsure.err) == (1, True)
    assert worldtick("dlq", "replay", HOURLY, 0, 0, "--again").code == 0


def _fragile() -> Service[int]:
    def step(state: int, tick: SealedTick) -> Step[int]:
        if any(directive.args.get("by") == 13 for directive in tick.directives):
            raise ValueError("thirteen")
        return Step(state + tick.seq)

    return dataclasses.replace(COUNT, step=step)


def test_of_a_dead_step_only_the_directives_come_again(
    worldtick: Command, kafka: str, pool: Pool, topics: str, run_worker: RunWorker
) -> None:
    key = make_world(pool, "w", sections={"count": Section(slices=2)})
    for by in (13, 7):
        assert worldtick("directive", "add", "w", "count", "nudge", f"by={by}").code == 0
    assert worldtick("ticker", "--type", "hourly", "--at", format_unix_us(T0)).code == 0
    with run_worker(_fragile()):
        until(lambda: len(read_topic(kafka, f"{topics}world.tick.dlq")) == 2)  # one of each slice
    rows = worldtick("dlq", "list", "world.tick", "--world", "w", "--json").rows
    assert [(row["dead"]["reason"], row["dead"]["topic"]) for row in rows] == [
        ("step_failed", f"{topics}world.tick")
    ] * 2
    done = worldtick("dlq", "replay", "world.tick", rows[0]["partition"], rows[0]["offset"], "--json")
    assert (done.code, done.row["seq"], len(done.row["directive_ids"])) == (0, 1, 2)
    for row in rows:  # the other slice's letter is about the same directives
        twice = worldtick("dlq", "replay", "world.tick", row["partition"], row["offset"])
        assert (twice.code, "were queued again before" in twice.err) == (1, True)
    assert worldtick("ticker", "--type", "hourly", "--at", format_unix_us(T0 + HOUR_US)).code == 0
    again = history(pool, key)[1].directives
    assert [directive.args for directive in again] == [{"by": 13}, {"by": 7}]
    assert again[0].source.startswith("replay:1/")
    assert len(read_topic(kafka, topics + "world.tick")) == 2  # no record went back
    with transaction(pool) as conn:
        conn.execute("delete from tick")
    gone = worldtick("dlq", "replay", "world.tick", rows[0]["partition"], rows[0]["offset"], "--again")
    assert (gone.code, "no longer kept" in gone.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list", "world.tik"], 2, "did you mean world.tick?"),
        (["show", HOURLY, "0", "5"], 1, "is none of them"),
        (["show", HOURLY, "9", "0"], 2, "no such topic or partition"),
        (["show", "generation.request", "0", "0"], 2, "no such topic or partition"),
        (["replay", HOURLY], 2, "or --all"),
        (["replay", HOURLY, "0"], 2, "or --all"),
        (["replay", HOURLY, "0", "0", "--all"], 2, "or --all"),
        (["replay", HOURLY, "0", "77"], 1, "is none of them"),
    ],
)
def test_what_is_refused(worldtick: Command, topics: str, arguments: list[str], code: int, said: str) -> None:
    ended = worldtick("dlq", *arguments)
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert said in ended.err
