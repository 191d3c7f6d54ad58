"""Sifting: many records at once come to what each would come to alone, with a row each and the same reply ever after.
Lives here: the sieve on a real store. Not here: each refusal's own test (test_commands), floods (test_hostile)."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.courts import Court, clock, command, key_of, said
from tests.small_worlds import make_world
from worldtick.control.desk import Answered, Dead, Incoming
from worldtick.control.proving import SIGNATURE_HEADER, new_private_key, sign
from worldtick.store.commands import count_fates
from worldtick.store.db import Pool, transaction

pytestmark = pytest.mark.postgres

T0_MS = 1_700_000_000_000


def _record(offset: int, value: bytes | None, key: Ed25519PrivateKey | None = None, over: bytes = b"") -> Incoming:
    headers = [(SIGNATURE_HEADER, sign(key, over or value or b"").encode())] if key else None
    return Incoming("world.control", 0, offset, T0_MS, None, value, headers)


def _code(verdict: Answered | Dead | None) -> Any:
    """What a verdict says, in a word; None where there is none."""
    if not isinstance(verdict, Answered):
        return verdict and verdict.reason
    return said(verdict).get("code", verdict.fate)


def _batch(ann: Ed25519PrivateKey, eve: Ed25519PrivateKey, bob: Ed25519PrivateKey) -> list[tuple[str | None, Incoming]]:
    """(what it is sifted to, record); ann owns w, eve another world, bob may only look."""
    own, honest = command("clock.pause"), command("clock.resume", id="honest")
    late, again = command("clock.pause", id="late", issued_at="2020-01-01T00:00:00Z"), command("clock.pause", id="done")
    asked: list[tuple[str | None, bytes | None, Ed25519PrivateKey | None, bytes]] = [
        ("unsigned", own, None, b""),
        ("forged", own, ann, own + b" "),
        ("unknown_key", own, new_private_key(), b""),
        ("wrong_actor", own, eve, b""),
        ("refused", command("clock.pause", actor="eve"), eve, b""),
        ("refused", command("clock.pause", actor="bob"), bob, b""),
        ("refused", command("clock.puase"), ann, b""),
        ("expired", late, ann, b""),
        (None, late, ann, b""),  # the one before it decides, and the hearing says it again
        ("not_yet", command("clock.pause", issued_at="2999-01-01T00:00:00Z"), ann, b""),
        ("duplicate", again, ann, b""),
        ("id_taken", command("clock.resume", id="done"), ann, b""),
        ("not_json", b"garbage", None, b""),
        ("too_deep", json.dumps(1).encode().replace(b"1", b"[" * 5_000), None, b""),
        ("null_value", None, None, b""),
        (None, honest, ann, b""),
        (None, honest, ann, b""),
    ]
    return [(code, _record(100 + at, value, key, over)) for at, (code, value, key, over) in enumerate(asked)]


def test_a_batch_comes_to_what_each_would_alone(pool: Pool) -> None:
    make_world(pool, "w", owner="ann")
    make_world(pool, "hers", owner="eve")
    ann, eve, bob = key_of(pool, "ann", "owner"), key_of(pool, "eve", "owner"), key_of(pool, "bob", "viewer")
    court = Court(pool, auth="signed")
    assert court.ask("clock.pause", key=ann, id="done")["status"] == "accepted"
    batch = _batch(ann, eve, bob)
    sifted = court.hearing.sift([record for _, record in batch])
    assert [_code(sifted.get((0, record.offset))) for _, record in batch] == [code for code, _ in batch]
    verdicts = [sifted.get((0, record.offset)) or court.hearing.judge(record) for _, record in batch]
    assert [_code(verdict) for verdict in verdicts[-2:]] == ["accepted", "duplicate"]
    assert not clock(pool).paused
    with transaction(pool) as conn:
        counted = count_fates(conn)
    assert sum(counted.values()) == len(batch) + 1
    _read_again(pool, court, batch, verdicts)


def _read_again(
    pool: Pool, court: Court, batch: list[tuple[str | None, Incoming]], verdicts: list[Answered | Dead]
) -> None:
    """After a crash: the same records, the same replies, no row more."""
    records = [record for _, record in batch]
    with transaction(pool) as conn:
        before = count_fates(conn)
    sifted = court.hearing.sift(records)
    for record, verdict in zip(records, verdicts, strict=True):
        again = sifted.get((0, record.offset)) or court.hearing.judge(record)
        if isinstance(verdict, Dead):
            assert again == verdict
        else:
            assert isinstance(again, Answered)
            assert (again.fate, again.reply) == ("again", verdict.reply)
    with transaction(pool) as conn:
        assert count_fates(conn) == before


def test_a_rate_that_is_used_up_is_refused_together(pool: Pool) -> None:
    court = Court(pool, per_minute=12)
    records = [_record(number, command("ping")) for number in range(6)]
    assert court.hearing.sift(records[:4]) == {}
    assert [_code(court.hearing.judge(record)) for record in records[:4]] == ["accepted"] * 2 + ["rate_limited"] * 2
    sifted = court.hearing.sift(records[4:])
    assert [_code(sifted[0, number]) for number in (4, 5)] == ["rate_limited"] * 2
