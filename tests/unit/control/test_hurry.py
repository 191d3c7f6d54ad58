"""The guess: which records seem to be commands that may be done.
Lives here: what is remembered, and what never hurries. Not here: verdicts, which no guess changes (test_sifting)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from worldtick.contracts.commands import read_command
from worldtick.contracts.errors import Refused
from worldtick.control.desk import Incoming
from worldtick.control.hurry import DECIDED_MAX, Hurry
from worldtick.control.proving import SIGNATURE_HEADER, key_id_of, new_private_key, public_bytes, sign
from worldtick.store.keys import KeyRow


def _now() -> datetime:
    """A command of a minute that this module was merely loaded in would be too old by the time it is judged."""
    return datetime.now(UTC)  # noqa: TID251


def _value(**more: Any) -> bytes:
    asked = {"id": "a", "actor": "ann", "name": "clock.pause", "world": "w", "issued_at": _now().isoformat()}
    return json.dumps({**asked, **more}).encode()


def _record(value: bytes | None, key: Ed25519PrivateKey | None = None) -> Incoming:
    headers = [(SIGNATURE_HEADER, sign(key, value or b"").encode())] if key else None
    return Incoming("world.control", 0, 0, 0, None, value, headers)


def _key(hurry: Hurry) -> Ed25519PrivateKey:
    key = new_private_key()
    key_id = key_id_of(public_bytes(key))
    hurry.met_keys({key_id: KeyRow(key_id, "ann", "owner", public_bytes(key), _now(), None)})
    return key


def test_only_what_is_proved_by_a_key_that_was_met_hurries() -> None:
    hurry = Hurry("signed")
    key = _key(hurry)
    assert hurry.may_be_done(_record(_value(), key))
    assert not hurry.may_be_done(_record(_value()))
    assert not hurry.may_be_done(_record(_value(), new_private_key()))
    assert not hurry.may_be_done(_record(_value(actor="eve"), key))
    assert not hurry.may_be_done(_record(_value(issued_at="2020-01-01T00:00:00Z"), key))


@pytest.mark.parametrize("value", [None, b"", b"garbage", b"{}", b"[" * 5_000])
def test_what_is_no_command_never_hurries(value: bytes | None) -> None:
    assert not Hurry("none").may_be_done(_record(value))


def test_ids_and_strangers_are_remembered_within_bounds() -> None:
    hurry = Hurry("none")
    assert hurry.may_be_done(_record(_value()))
    hurry.met_decided("ann", "a")
    assert not hurry.may_be_done(_record(_value()))
    with pytest.raises(Refused), hurry.noting_strangers(read_command(_value(id="b", actor="eve"))):
        raise Refused("not hers")
    assert not hurry.may_be_done(_record(_value(id="c", actor="eve")))
    assert hurry.may_be_done(_record(_value(id="c", actor="eve", world="hers")))
    for number in range(DECIDED_MAX + 2):
        hurry.met_decided("ann", str(number))
    assert len(hurry._decided) <= DECIDED_MAX + 1
