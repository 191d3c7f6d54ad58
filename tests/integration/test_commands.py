"""Commands on a real database: proved, judged, done once and answered, whatever is sent.
Lives here: the hearing, completion, configuration. Not here: topics (test_control_commands), clocks (test_clock)."""

import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.courts import Court, clock, command, completed, finish, key_of, said, world
from tests.small_worlds import history, make_world, shape
from worldtick.clock.worldtime import HOUR_US
from worldtick.control.desk import Answered, Dead
from worldtick.control.proving import (
    SIGNATURE_HEADER,
    is_signed_by,
    key_id_of,
    new_private_key,
    private_pem,
    public_bytes,
    read_private_key,
    sign,
    signature_in,
)
from worldtick.control.rates import ACTORS_MAX, Rates
from worldtick.store.commands import count_fates, list_commands
from worldtick.store.db import Pool, transaction
from worldtick.store.keys import revoke_key

pytestmark = pytest.mark.postgres


def test_the_same_id_is_done_once_and_answered_alike(pool: Pool) -> None:
    key = make_world(pool, "w")
    court = Court(pool)
    value = command("clock.advance", {"duration": "1h"})
    first, again, other = court.raw(value), court.raw(value), court.raw(value, offset=1)
    assert isinstance(first, Answered)
    assert isinstance(again, Answered)
    assert isinstance(other, Answered)
    assert (first.fate, again.fate, other.fate) == ("accepted", "duplicate", "again")
    assert first.reply.value == again.reply.value == other.reply.value
    assert dict(again.reply.headers)["duplicate"] == b"true"
    assert first.reply == other.reply
    assert clock(pool).target_us == HOUR_US
    stolen = json.loads(value) | {"args": {"duration": "2h"}}
    assert said(court.raw(json.dumps(stolen).encode()))["code"] == "id_taken"
    assert clock(pool).target_us == HOUR_US
    assert history(pool, key) == []


def test_a_tick_is_forced_also_while_paused_and_completed_once(pool: Pool) -> None:
    key, other = make_world(pool, "w"), make_world(pool, "other")
    court = Court(pool)
    assert court.ask("clock.pause")["changed"] is True
    assert court.ask("clock.pause")["changed"] is False
    assert court.ask("clock.advance", {"duration": "1h"})["code"] == "refused"
    reply = court.ask("tick.force")
    (tick,) = history(pool, key)
    assert (reply["status"], reply["tick"], reply["tick_id"]) == ("accepted", 1, tick.tick_id)
    assert tick.triggered_by == "manual"
    assert history(pool, other) == []
    assert completed(pool) == []
    finish(pool, 1)
    (done,) = completed(pool)
    assert (done["status"], done["tick"], done["events_executed"]) == ("completed", 1, 0)
    assert completed(pool) == []
    daily = court.ask("tick.force", {"kind": "daily"})
    assert daily["status"] == "accepted"
    assert shape(history(pool, key))[-1] == (25, "daily", 1, 24)


def test_a_directive_is_checked_queued_and_completed_by_the_tick_that_carries_it(pool: Pool) -> None:
    key = make_world(pool, "w", services=("count",))
    court = Court(pool)
    faulty = court.ask("directive.count.nudge", {"by": "much", "other": 1})
    assert (faulty["status"], faulty["code"], len(faulty["faults"])) == ("refused", "invalid", 2)
    assert "did you mean directive.count.nudge" in court.ask("directive.count.nugde")["message"]
    reply = court.ask("directive.count.nudge", {"by": 3})
    assert reply["directive_id"] > 0
    court.ask("tick.force")
    assert [directive.args for directive in history(pool, key)[0].directives] == [{"by": 3}]
    finish(pool, 1)
    assert sorted(done["name"] for done in completed(pool)) == ["directive.count.nudge", "tick.force"]


@pytest.mark.parametrize("field", ["timeScale", "tickIntervalSeconds", "lagMaxSeconds"])
@pytest.mark.parametrize("value", ["0", "-1", "NaN", "1e308", '"60"', "true", "null_", "Infinity"])
def test_values_that_are_refused(pool: Pool, field: str, value: str) -> None:
    make_world(pool, "w")
    court = Court(pool)
    before = clock(pool), world(pool)
    raw = command("world.configure", {field: "HERE"}).replace(b'"HERE"', value.encode())
    verdict = court.raw(raw)
    if isinstance(verdict, Dead):
        assert verdict.reason == "not_json"
    else:
        assert said(verdict)["code"] == "invalid"
        assert any(field in fault for fault in said(verdict)["faults"])
    assert (clock(pool), world(pool)) == before


def test_configuration_is_partial_whole_and_of_one_tick(pool: Pool) -> None:
    key = make_world(pool, "w", services=("count", "market"), budgets={"market": {"bids": 7}})
    court = Court(pool)
    many = {"timeScale": -1, "budgets": {"market": {"orders": -1}}, "inFlightMax": 0, "tiers": {}}
    assert len(court.ask("world.configure", many)["faults"]) == 4
    crossed = {"timeScale": 2, "budgets": {"markt": {"orders": 1}}, "settings": {"market": {"opens_hour": 24}}}
    assert len(court.ask("world.configure", crossed)["faults"]) == 2
    assert court.ask("world.configure", {"maxJobOpsPerStep": 5})["code"] == "invalid"
    assert clock(pool).version == 1
    wanted = {
        "timeScale": 0.5,
        "tickIntervalSeconds": 2.5,
        "budgets": {"market": {"orders": 80}},
        "settings": {"market": {"closed": True}},
    }
    dry = court.ask("world.configure", wanted, dry_run=True)
    assert (dry["version"], clock(pool).version, clock(pool).interval_us) == (2, 1, 1_000_000)
    reply = court.ask("world.configure", wanted, expected_version=1)
    assert (reply["changed"], reply["version"], reply["tick"]) == (True, 2, 1)
    assert court.ask("world.configure", wanted)["changed"] is False
    assert court.ask("world.configure", {"timeScale": 3}, expected_version=1)["code"] == "version_conflict"
    assert (clock(pool).version, clock(pool).scale_ppb, clock(pool).interval_us) == (2, 500_000_000, 2_500_000)
    court.ask("tick.force")
    (tick,) = history(pool, key)
    assert tick.budgets["market"] == {"orders": 80, "bids": 420}
    assert tick.settings["market"] == {"opens_hour": 8, "closed": True}
    court.ask("world.configure", {"settings": {"market": {"closed": None}}, "budgets": {"market": {"orders": None}}})
    assert (world(pool).settings, world(pool).budgets) == ({}, {"market": {"bids": 7}})
    assert court.ask("world.configure", {"pauseSimulation": True})["changed"] is True
    assert clock(pool).paused


def test_signatures_roles_and_owners(pool: Pool) -> None:
    make_world(pool, "w", owner="ann")
    make_world(pool, "hers", owner="eve")
    ann, eve, bob = key_of(pool, "ann", "owner"), key_of(pool, "eve", "owner"), key_of(pool, "bob", "viewer")
    root = key_of(pool, "root", "admin")
    court = Court(pool, auth="signed")
    assert court.ask("clock.pause")["code"] == "unsigned"
    assert court.ask("clock.pause", key=new_private_key())["code"] == "unknown_key"
    assert court.ask("clock.pause", key=eve)["code"] == "wrong_actor"
    assert "not eve's" in court.ask("clock.pause", key=eve, actor="eve")["message"]
    assert "needs the role owner" in court.ask("clock.pause", key=bob, actor="bob")["message"]
    assert court.ask("ping", key=bob, actor="bob")["status"] == "accepted"
    value = command("clock.pause")
    signed = [(SIGNATURE_HEADER, sign(ann, value).encode())]
    assert said(court.raw(value.replace(b"pause", b"resum"), signed))["code"] == "forged"
    assert not clock(pool).paused
    assert said(court.raw(value, signed))["status"] == "accepted"
    assert clock(pool).paused
    assert court.ask("clock.resume", key=root, actor="root")["status"] == "accepted"
    assert court.ask("clock.pause", key=ann, world="hers")["status"] == "refused"
    assert court.ask("clock.pause", key=ann, issued_at=None)["code"] == "expired"
    assert court.ask("clock.pause", key=ann, issued_at="2020-01-01T00:00:00Z")["code"] == "expired"
    assert court.ask("clock.pause", key=ann, expires_at="2999-01-01T00:00:00Z")["code"] == "expired"
    assert court.ask("clock.pause", key=ann, issued_at="2999-01-01T00:00:00Z")["code"] == "not_yet"
    with transaction(pool) as conn:
        assert revoke_key(conn, key_id_of(public_bytes(ann)))
        assert not revoke_key(conn, key_id_of(public_bytes(ann)))
    assert court.ask("clock.pause", key=ann)["code"] == "revoked"
    assert not clock(pool).paused


def test_worlds_are_made_and_ended_by_command(pool: Pool) -> None:
    root, ann = key_of(pool, "root", "admin"), key_of(pool, "ann", "owner")
    court = Court(pool, auth="signed")
    document = {"name": "small", "services": {"count": {"slices": 2}}}
    assert court.ask("world.create", {"scenario": document}, key=ann)["changed"] is True
    assert world(pool).owner == "ann"
    assert court.ask("world.create", {"scenario": document}, key=ann)["changed"] is False
    assert court.ask("world.create", {"scenario": document, "owner": "eve"}, key=ann, world="x")["status"] == "refused"
    assert court.ask("world.create", {"scenario": document, "owner": "eve"}, key=root, actor="root", world="x")[
        "changed"
    ]
    for bad in ("../etc/passwd", "x.yaml", {"name": "small", "services": {"cuont": {}}}, 5):
        assert court.ask("world.create", {"scenario": bad}, key=ann, world="y")["code"] == "invalid"
    assert court.ask("world.archive", key=ann)["changed"] is True
    assert court.ask("clock.pause", key=ann)["code"] == "archived"
    assert court.ask("clock.pause", key=ann, world="nobody")["code"] == "unknown_world"


def hostile(pool: Pool, court: Court, count: int) -> None:
    """Send so many commands, none of which may count, and check that each is answered or dead, and audited."""
    eve, mallory = key_of(pool, "eve", "owner"), new_private_key()
    once = command("ping", actor="eve")
    signed_once = [(SIGNATURE_HEADER, sign(eve, once).encode())]
    court.raw(once, signed_once)
    deep = command("clock.pause", "HERE").replace(b'"HERE"', b"[" * 2_000 + b"]" * 2_000)
    verdicts = []
    for number in range(count):
        value = command("clock.pause", actor="eve")
        late = command("clock.pause", actor="eve", issued_at="2020-01-01T00:00:00Z")
        verdicts.append(
            (
                lambda value=value: court.raw(value, [(SIGNATURE_HEADER, sign(mallory, value).encode())]),
                lambda value=value: court.raw(value, [(SIGNATURE_HEADER, sign(eve, b"other").encode())]),
                lambda: court.raw(once, signed_once),
                lambda late=late: court.raw(late, [(SIGNATURE_HEADER, sign(eve, late).encode())]),
                lambda value=value: court.raw(value, [(SIGNATURE_HEADER, sign(eve, value).encode())]),
                lambda: court.raw(secrets.token_bytes(200)),
                lambda: court.raw(b'{"id": "' + b"x" * 140_000 + b'"}'),
                lambda: court.raw(deep),
                lambda: court.raw(b"[" * 100_000),
                lambda: court.raw(None),
            )[number % 10]()
        )
    fates = [verdict.fate if isinstance(verdict, Answered) else "dead" for verdict in verdicts]
    assert set(fates) == {"refused", "duplicate", "dead"}
    assert not clock(pool).paused
    with transaction(pool) as conn:
        assert sum(count_fates(conn).values()) == count + 1


def test_hostile_commands(pool: Pool) -> None:
    make_world(pool, "w", owner="ann")
    ann = key_of(pool, "ann", "owner")
    court = Court(pool, auth="signed", per_minute=10_000_000)
    hostile(pool, court, 300)
    assert court.ask("clock.pause", key=ann)["status"] == "accepted"
    with transaction(pool) as conn:
        newest = list_commands(conn, None, None, None, None, 1)[0]
        refused = list_commands(conn, "w", "eve", "refused", None, 1_000)
    assert (newest.actor, newest.fate) == ("ann", "accepted")
    assert {row.code for row in refused} == {"unknown_key", "forged", "expired", "refused"}


@pytest.mark.soak
def test_ten_thousand_hostile_commands(pool: Pool) -> None:
    make_world(pool, "w", owner="ann")
    court = Court(pool, auth="signed", per_minute=10_000_000)
    hostile(pool, court, 10_000)


def test_an_actor_has_a_rate_and_others_have_theirs(pool: Pool) -> None:
    court = Court(pool, per_minute=12)
    codes = [court.ask("ping").get("code") for _ in range(4)]
    assert codes == [None, None, "rate_limited", "rate_limited"]
    assert court.ask("ping", actor="bob").get("code") is None


def test_buckets_are_bounded_and_refill() -> None:
    rates = Rates(60, 2)
    assert [rates.allows("a", at) for at in (0, 0, 0, 0.5, 1, 1, 100, 100, 100)] == [
        *(True, True, False, False, True, False),
        *(True, True, False),
    ]
    for number in range(ACTORS_MAX + 5):
        rates.allows(str(number), 200)
    assert len(rates._buckets) == ACTORS_MAX


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_only_the_exact_bytes_are_signed(value: bytes, other: bytes) -> None:
    key = read_private_key(private_pem(KEY), "test")
    found = signature_in([("other", b"x"), (SIGNATURE_HEADER, sign(key, value).encode())])
    assert found is not None
    assert found.key_id == key_id_of(public_bytes(KEY))
    assert is_signed_by(public_bytes(KEY), found.signature, value)
    assert is_signed_by(public_bytes(KEY), found.signature, other) == (value == other)
    assert signature_in([(SIGNATURE_HEADER, other)]) is None


KEY = new_private_key()
