"""Admitting: what is to be known of a command before its world is asked: whose it is, whether it comes in time.
Lives here: these checks, refusals and stored replies as they are said. Not here: SQL, the order of checks (hearing)."""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast

import msgspec

from worldtick.contracts.commands import Command, is_expired
from worldtick.contracts.errors import Refused
from worldtick.contracts.wire import EventWriter
from worldtick.control.commands import Role
from worldtick.control.desk import Incoming
from worldtick.control.proving import is_signed_by, signature_in
from worldtick.control.replies import Reply, reply_of
from worldtick.store.commands import Answer, Heard
from worldtick.store.keys import KeyRow
from worldtick.store.pastes import Place

LIFE_S: Final = 300  # of a command that names no end
LIFE_S_MAX: Final = 86_400  # far below what rows of commands are kept for: a replay always finds its row
AHEAD_S_MAX: Final = 60  # how far a sender's clock may be ahead of ours

Auth = Literal["none", "signed"]


class Unproved(Exception):
    """A command that is not known to come from its actor: it decides nothing, not even its id."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Coded(Refused):
    """A refusal with a code of its own."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def too_many(actor: str, per_minute: int) -> Unproved:
    """That an actor has used up its rate."""
    return Unproved("rate_limited", f"{actor} sends more than {per_minute} a minute")


def role_of(keys: Callable[[str], KeyRow | None], record: Incoming, command: Command) -> Role:
    """What the sender of a signed command may do. `keys`: each key by its id. Raises Unproved."""
    given = signature_in(record.headers)
    if given is None:
        raise Unproved("unsigned", "the record has no signature that can be read; see `worldtick control sign`")
    key = keys(given.key_id)
    if key is None:
        raise Unproved("unknown_key", f"there is no key {given.key_id}; see `worldtick key list`")
    if not is_signed_by(bytes(key.public_key), given.signature, record.value or b""):
        raise Unproved("forged", f"the signature is not that of key {key.key_id} over these bytes")
    if key.revoked_at is not None:
        raise Unproved("revoked", f"key {key.key_id} was revoked")
    if key.actor != command.actor:
        raise Unproved("wrong_actor", f"key {key.key_id} is not {command.actor}'s")
    return cast(Role, key.role)  # the table's check allows no other


def refuse_late(command: Command, record: Incoming, wall_us: int, auth: Auth) -> None:
    """Raises Coded unless a command comes in its time (Unix us)."""
    now = datetime.fromtimestamp(wall_us / 1_000_000, UTC)
    issued = command.issued_at
    if issued is None:
        if auth == "signed":
            raise Coded("expired", "a signed command says when it was issued (issued_at)")
        issued = datetime.fromtimestamp(record.stamp_ms / 1_000, UTC) if record.stamp_ms > 0 else now
    if issued - now > timedelta(seconds=AHEAD_S_MAX):
        raise Coded("not_yet", f"it was issued after now, at {issued.isoformat()}; mend the sender's clock")
    if is_expired(command, issued, now, LIFE_S_MAX, LIFE_S):
        raise Coded("expired", f"it came too late, or would live over {LIFE_S_MAX} s; send it again under another id")


def stored(answer: Answer) -> Reply:
    """The reply in a decided row."""
    if answer.reply is None or answer.reply_id is None or answer.said_at is None:
        raise LookupError("a decided command has no reply")
    return Reply(bytes(answer.reply), answer.reply_id, answer.said_at)


def taken(command: Command) -> str:
    """Why a command is refused whose id another one has."""
    return f"id {command.id!r} of {command.actor} was given to another command; take a new one"


def first_name(command: Command) -> str:
    """What the reply to the one record that decides an id is named by."""
    return f"{command.actor}/{command.id}/first"


def heard_of(command: Command) -> Heard:
    """A command as its row has it."""
    return Heard(command.actor, command.id, command.name, command.world, meaning(command))


def heard_nothing(record: Incoming) -> Heard:
    """The same of a record that cannot be read."""
    return Heard(None, None, None, None, hashlib.sha256(record.value or b"").digest())


def columns(reply: Reply) -> tuple[bytes, str, str]:
    """A reply as the store keeps it."""
    return reply.value, reply.reply_id, reply.said_at


def name_of(place: Place) -> str:
    """What the reply to this very record is named by, where its id decides nothing."""
    return "/".join(map(str, place))


def refusal(
    writer: EventWriter, command: Command, name: str, code: str, sentence: str, faults: tuple[str, ...] = ()
) -> Reply:
    """The reply that says why nothing was done, now."""
    data: dict[str, Any] = {
        "command_id": command.id,
        "actor": command.actor,
        "name": command.name,
        "status": "refused",
        "world": command.world,
        "code": code,
        "message": sentence,
        "faults": faults,
        "dry_run": command.dry_run,
    }
    return reply_of(writer, name, time.time_ns() // 1_000, data)


def meaning(command: Command) -> bytes:
    """What a command asks, whenever it was issued: sent again under its id it is the same one."""
    asked = (command.name, command.world, command.args, command.expected_version, command.dry_run)
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).digest()
