"""Replies: what control says of a command, as the record that goes out; the same bytes whenever it is said again.
Lives here: making and addressing them. Not here: when one is due (hearing, completing)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worldtick.contracts.commands import REPLY_TOPIC
from worldtick.contracts.headers import cloudevent_headers, derived_traceparent
from worldtick.contracts.ids import NAMESPACE, uuid5_text
from worldtick.contracts.stamps import rfc3339
from worldtick.contracts.wire import EventWriter
from worldtick.control.desk import Outgoing

SOURCE: Final = "simulation.control"
MESSAGE_MAX: Final = 2_000
FAULTS_MAX: Final = 50
FAULT_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it is stored."""

    value: bytes
    reply_id: str
    said_at: str


def reply_of(writer: EventWriter, name: str, wall_us: int, data: Mapping[str, Any]) -> Reply:
    """The reply whose identity is `name`; what is None is left out, what is long is cut."""
    said = {key: value for key, value in data.items() if value is not None}
    if "message" in said:
        said["message"] = str(said["message"])[:MESSAGE_MAX]
    said["faults"] = [str(fault)[:FAULT_MAX] for fault in data.get("faults", ())][:FAULTS_MAX]
    reply_id, said_at = uuid5_text(NAMESPACE.bytes, f"reply/{name}".encode()), rfc3339(wall_us)
    return Reply(writer.event(reply_id, REPLY_TOPIC, said_at, SOURCE, said), reply_id, said_at)


def outgoing(reply: Reply, world: str | None, actor: str, command_id: str, again: bool = False) -> Outgoing:
    """The record. `again`: it was said before, of another record with this id; only a header says so."""
    subject = world or actor
    trace = derived_traceparent(reply.reply_id)
    headers: list[tuple[str, bytes | None]] = [
        *cloudevent_headers(reply.reply_id, REPLY_TOPIC, reply.said_at, SOURCE, subject, trace, reply.value),
        ("command_id", command_id.encode()),
        ("actor", actor.encode()),
    ]
    if again:
        headers.append(("duplicate", b"true"))
    return Outgoing(REPLY_TOPIC, subject.encode(), reply.value, headers)
