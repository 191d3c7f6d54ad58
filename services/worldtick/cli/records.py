"""A record as people and scripts see it: decoded, or why it cannot be.
Lives here: rendering one Kafka record as text or JSON. Not here: reading topics (tail)."""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from worldtick.contracts.codec import decode
from worldtick.contracts.deadletter import SUFFIX, DeadLetter, read_dead_letter
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.headers import Headers
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.stamps import rfc3339

_json = msgspec.json.Encoder(decimal_format="number")
_TEXT_MAX_CHARS = 2_000  # of a dead letter's value on a terminal; --json shows all of it


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as read from a topic."""

    topic: str
    partition: int
    offset: int
    stamp_ms: int  # wall time, the record's own
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def place(self) -> str:
        """topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a record says: its content, or why it has none, or that it is a dead letter."""

    seen: Seen
    record: dict[str, Any] | None
    unreadable: Unreadable | None
    dead: DeadLetter | None

    def world(self) -> str | None:
        """The world that it is about: what it says, else its key."""
        data = (self.record or {}).get("data")
        said = data.get("world") if isinstance(data, dict) else None
        return str(said) if said is not None else shown_bytes(self.seen.key)

    def as_json(self) -> str:
        """One line for scripts. Bytes that are no text stand in base64 under `value_base64`."""
        seen = self.seen
        line: dict[str, Any] = {"topic": seen.topic, "partition": seen.partition, "offset": seen.offset}
        line["wall_time"] = wall_time(seen.stamp_ms)
        line["key"] = shown_bytes(seen.key)
        if self.dead is not None:
            dead = self.dead
            line["dead"] = {"reason": dead.reason, "error": dead.error, "topic": dead.topic}
            line["dead"].update(partition=dead.partition, offset=dead.offset, wall_time=wall_time(dead.timestamp_ms))
        if self.record is not None:
            line["record"] = self.record
        else:
            line["unreadable"] = self.unreadable.reason if self.unreadable else None
            line.update(_raw(seen.value))
        return _json.encode(line).decode()

    def as_text(self) -> str:
        """One line for people."""
        head = f"{self.seen.place} {wall_time(self.seen.stamp_ms) or '-'}"
        if self.dead is not None:
            dead = self.dead
            source = f"{dead.topic}/{dead.partition}/{dead.offset}"
            return f"{head} dead: {dead.reason or '?'} ({dead.error}) from {source}: {_printable(self.seen.value)}"
        if self.record is None:
            reason = f"{self.unreadable.reason} ({self.unreadable})" if self.unreadable else "?"
            return f"{head} unreadable: {reason}: {_printable(self.seen.value)}"
        return f"{head} {_sentence(self.record)}"


def show(seen: Seen, registry: SchemaRegistry | None) -> Shown:
    """Decode one record. Raises Unavailable if a schema registry is needed and away."""
    dead = read_dead_letter(seen.key, seen.value, seen.headers) if seen.topic.endswith(SUFFIX) else None
    try:
        return Shown(seen, decode(seen.value, registry), None, dead)
    except Unreadable as fault:
        return Shown(seen, None, fault, dead)


def wall_time(stamp_ms: int) -> str | None:
    """RFC 3339 of a record's own time; None where it has none."""
    return rfc3339(stamp_ms * 1_000) if 0 <= stamp_ms < 253_402_300_800_000 else None


def shown_bytes(raw: bytes | None) -> str | None:
    """Bytes as text, what is no UTF-8 escaped."""
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def _raw(value: bytes | None) -> dict[str, str | None]:
    try:
        return {"value": None if value is None else value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value or b"").decode()}


def _printable(value: bytes | None) -> str:
    """A value on a terminal: control characters escaped, so that no record can drive it."""
    if value is None:
        return "(no value)"
    text = value.decode("utf-8", "backslashreplace")
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return safe if len(safe) <= _TEXT_MAX_CHARS else f"{safe[:_TEXT_MAX_CHARS]}… ({len(value)} bytes)"


def _sentence(record: dict[str, Any]) -> str:
    """World time, type, then the data as key=value."""
    data = record.get("data")
    data = data if isinstance(data, dict) else {"data": data}
    said = " ".join(f"{key}={_json.encode(value).decode()}" for key, value in data.items())
    sentence = f"{record.get('timestamp', '-')} {record.get('event_type', '-')} {said}"
    return _printable(sentence.encode("utf-8", "backslashreplace"))
