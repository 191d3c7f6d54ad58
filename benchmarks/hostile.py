"""Hostile records for world.control: forged, replayed, expired, of the wrong owner, malformed, huge, deep.
Lives here: making them beforehand, always the same ones but for keys and times. Not here: what must become of them."""

import json
import time
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.random import Generator, Philox

from worldtick.clock.worldtime import SECOND_US, format_unix_us
from worldtick.control.proving import SIGNATURE_HEADER, key_id_of, new_private_key, public_bytes, sign

HUGE_EVERY = 100  # each of these takes nearly all that the topic does
DEEP = 5_000  # levels


class Sent(NamedTuple):
    """A record as it is sent."""

    value: bytes
    headers: list[tuple[str, bytes]]


def command(command_id: str, actor: str, world: str, name: str, age_s: int = 0, **more: Any) -> bytes:
    """A command that was issued so long ago."""
    issued = format_unix_us(time.time_ns() // 1_000 - age_s * SECOND_US)
    asked = {"id": command_id, "actor": actor, "name": name, "world": world, "issued_at": issued, **more}
    return json.dumps(asked).encode()


def signed(key: Ed25519PrivateKey, value: bytes, over: bytes | None = None) -> Sent:
    """A record with a signature over its own bytes, or over others."""
    return Sent(value, [(SIGNATURE_HEADER, sign(key, value if over is None else over).encode())])


def flood(
    count: int, name: str, world: str, owner: Ed25519PrivateKey, other: Ed25519PrivateKey, once: Sent
) -> list[Sent]:
    """So many against a world of `ann`, whose key is `owner`; `eve` has the other; `once` was done already."""
    dice, nobody = Generator(Philox(11)), new_private_key()
    known = key_id_of(public_bytes(owner))

    def one(number: int) -> Sent:
        if number % HUGE_EVERY == HUGE_EVERY - 1:
            return Sent(b'{"id": "' + b"h" * 120_000 + b'"}', [])
        asks = {"name": "clock.advance", "args": {"duration": "1h"}}
        own = command(f"{name}{number}", "ann", world, **asks)
        match number % 10:
            case 0:
                return Sent(own, [])
            case 1:
                return Sent(own, [(SIGNATURE_HEADER, f"{known}.{'A' * 86}".encode())])
            case 2:
                return signed(owner, own, over=own + b" ")
            case 3:
                return signed(nobody, own)
            case 4:
                return once
            case 5:
                return signed(owner, command(f"{name}{number}", "ann", world, age_s=3_600, **asks))
            case 6:
                return signed(other, own)
            case 7:
                return signed(other, command(f"{name}{number}", "eve", world, **asks))
            case 8:
                return Sent(dice.bytes(300), [])
            case _:
                return Sent(b'{"id":' * DEEP, [])

    return [one(number) for number in range(count)]
