"""Hostile senders on a real broker: none of what they send is done, each is answered or dead, others are served on.
Lives here: floods through the topic. Not here: single refusals, the hearing alone (test_commands)."""

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.random import Generator, Philox

from tests.small_worlds import CATALOGUE, history, make_topics, make_world, read_topic
from tests.waiting import running, until
from worldtick.clock.course import Pace
from worldtick.clock.worldtime import HOUR_US, SECOND_US, format_unix_us
from worldtick.contracts.commands import read_command
from worldtick.contracts.wire import EventWriter
from worldtick.control.desk import Rules
from worldtick.control.hearing import Manners
from worldtick.control.proving import SIGNATURE_HEADER, key_id_of, new_private_key, public_bytes, sign
from worldtick.control.sending import Courier
from worldtick.control.serve import run_control
from worldtick.store.commands import count_fates
from worldtick.store.db import Pool, transaction
from worldtick.store.keys import insert_key

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

FEW, MANY = 300, 10_000
RATE = 10_000_000  # so that what is refused here is refused for what it is, not for its number
Record = tuple[bytes | None, list[tuple[str, bytes]]]


@contextmanager
def _control(kafka: str, prefix: str, pool: Pool) -> Iterator[Courier]:
    """Control, which demands signatures, and an honest sender."""

    def work(stop: threading.Event) -> None:
        manners = Manners("signed", RATE)
        rules = Rules(prefix=prefix)
        run_control({"bootstrap.servers": kafka}, pool, CATALOGUE, EventWriter(), rules, stop, manners=manners)

    with running(work):
        courier = Courier({"bootstrap.servers": kafka}, prefix)
        try:
            yield courier
        finally:
            courier.close()


def _key(pool: Pool, actor: str) -> Ed25519PrivateKey:
    key = new_private_key()
    with transaction(pool) as conn:
        insert_key(conn, key_id_of(public_bytes(key)), actor, "owner", public_bytes(key))
    return key


def _command(number: int | str, actor: str, age_s: int = 0, **more: Any) -> bytes:
    issued = format_unix_us(time.time_ns() // 1_000 - age_s * SECOND_US)
    asked = {"name": "clock.advance", "world": "w", "args": {"duration": "1h"}, **more}
    return json.dumps({"id": f"h{number}", "actor": actor, "issued_at": issued, **asked}).encode()


def _signed(key: Ed25519PrivateKey, value: bytes, over: bytes | None = None) -> Record:
    return value, [(SIGNATURE_HEADER, sign(key, value if over is None else over).encode())]


def _attack(number: int, ann: Ed25519PrivateKey, eve: Ed25519PrivateKey, once: Record, dice: Generator) -> Record:
    """One of many ways to be hostile; ann owns the world, eve another one, `once` was done already."""
    own = _command(number, "ann")
    ways: tuple[Record, ...] = (
        (own, []),
        (own, [(SIGNATURE_HEADER, dice.bytes(60))]),
        (own, [(SIGNATURE_HEADER, f"{key_id_of(public_bytes(ann))}.{'A' * 86}".encode())]),
        _signed(ann, own, over=own + b" "),
        _signed(new_private_key(), own),
        _signed(eve, own),
        _signed(eve, _command(number, "eve")),
        _signed(ann, _command(number, "ann", age_s=3_600)),
        _signed(ann, _command(number, "ann", age_s=-3_600)),
        once,
        _signed(ann, _command("once", "ann", args={"duration": "9h"})),
        _signed(ann, _command(number, "ann", args={"duration": "-9h"})),
        _signed(ann, _command(number, "ann", args={"duration": "1h", "\0": "\0"})),
        _signed(ann, _command(number, "ann", name="directive.count.write", args={"text": "\0"})),
        _signed(ann, _command(number, "ann", name="world.create", world="x", args={"scenario": "../../etc/passwd"})),
        _signed(ann, _command(number, "ann", world="w\0")),
        _signed(ann, _command(number, "ann", args={"a": [[[[]]]] * 5_000})),
        _signed(ann, own.replace(b'"1h"', b"[" * 40 + b"]" * 40)),
        (b"[" * 20_000, []),
        (b'{"id":' * 5_000, []),
        (dice.bytes(300), []),
        (b"\xc3\x01" + dice.bytes(40), []),
        (b'{"id": "h", "id": "i", "actor": "ann"}', []),
        (None, []),
    )
    return ways[number % len(ways)]


def _huge() -> Record:
    """As large as the topic takes."""
    return b'{"id": "' + b"h" * 120_000 + b'"}', []


def _ping(courier: Courier, key: Ed25519PrivateKey) -> float:
    """Wall seconds from an honest command to its reply."""
    value = _command(secrets.token_hex(8), "ann", name="ping", args={})
    began = time.monotonic()
    command = read_command(value)
    courier.send(value, command, sign(key, value))
    (reply,) = courier.replies(command, 120)
    assert reply["status"] == "accepted", reply
    return time.monotonic() - began


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.soak, pytest.mark.timeout(1_200)])])
def test_of_a_flood_nothing_is_done_and_everything_answered(
    kafka: str, topic_prefix: str, pool: Pool, count: int
) -> None:
    make_topics(kafka, topic_prefix)
    key, ann, eve = make_world(pool, "w", owner="ann", pace=Pace("manual")), _key(pool, "ann"), _key(pool, "eve")
    make_world(pool, "hers", owner="eve")
    once = _signed(ann, _command("once", "ann"))
    # A topic's limit is a batch's: what is nearly as large must travel alone, or all beside it is refused too.
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5, "batch.size": 10_000})
    lost: list[str] = []
    dice = Generator(Philox(11))
    with _control(kafka, topic_prefix, pool) as courier:
        command = read_command(once[0])
        courier.send(once[0] or b"", command, once[1][0][1].decode())
        assert next(iter(courier.replies(command, 60)))["status"] == "accepted"
        with transaction(pool) as conn:
            before = conn.execute("select * from world natural join clock order by world_key").fetchall()
        sent = 1
        for number in range(count):
            value, headers = _huge() if number % 500 == 3 else _attack(number, ann, eve, once, dice)
            producer.produce(
                topic_prefix + "world.control",
                value,
                b"w",
                headers=headers,
                on_delivery=lambda error, _message: lost.append(str(error)) if error is not None else None,
            )
            producer.poll(0)
            sent += 1
            if number % (count // 3) == 0:
                producer.flush(60)
                _ping(courier, ann)  # in the midst of it
                sent += 1
        assert producer.flush(60) == 0
        assert lost == []
        until(lambda: _heard(pool) == sent, 60 if count == FEW else 900, "all of the flood judged")
        _ping(courier, ann)
    fates = _fates(pool)
    assert set(fates) == {"accepted", "refused", "duplicate", "dead"}
    assert fates["accepted"] == sent - count + 1
    with transaction(pool) as conn:
        assert conn.execute("select * from world natural join clock order by world_key").fetchall() == before
        assert conn.execute("select target_us from clock where world_key = %s", (key,)).fetchone() == (HOUR_US,)
        assert conn.execute("select count(*) from directive").fetchone() == (0,)
        codes = {row[0] for row in conn.execute("select distinct code from command where code is not null")}
    assert history(pool, key) == []
    assert "fault" not in codes, "a hostile command met a fault of ours"
    assert {"unsigned", "unknown_key", "forged", "wrong_actor", "expired", "not_yet", "id_taken", "invalid"} <= codes
    replies = [json.loads(record.value())["data"] for record in read_topic(kafka, topic_prefix + "world.control.reply")]
    letters = read_topic(kafka, topic_prefix + "world.control.dlq")
    assert (len(replies), len(letters)) == (sent + 1 - fates["dead"], fates["dead"])
    assert sum(reply["status"] == "accepted" for reply in replies) == fates["accepted"] + fates["duplicate"]


def _heard(pool: Pool) -> int:
    return sum(_fates(pool).values())


def _fates(pool: Pool) -> Counter[str]:
    with transaction(pool) as conn:
        return Counter(count_fates(conn))
