"""What stands in a record's headers: CloudEvents 1.0 (Kafka, binary mode) and W3C trace context.
Lives here: making them, cheaply. Not here: those of dead letters (deadletter)."""

import re
from functools import lru_cache
from typing import Final

Headers = list[tuple[str, bytes]]

JSON_TYPE: Final = b"application/json"
AVRO_TYPE: Final = b"application/avro"
_SPEC: Final = ("ce_specversion", b"1.0")
_JSON: Final = ("content-type", JSON_TYPE)
_AVRO: Final = ("content-type", AVRO_TYPE)
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def cloudevent_headers(
    event_id: str, event_type: str, time: str, source: str, world: str, traceparent: str, value: bytes
) -> Headers:
    """The headers of one record of ours; the subject is the world, the content type that of `value`."""
    return [
        _SPEC,
        ("ce_id", event_id.encode()),
        _bytes("ce_source", source),
        _bytes("ce_type", event_type),
        ("ce_time", time.encode()),
        _bytes("ce_subject", world),
        _JSON if value[:1] == b"{" else _AVRO,
        ("traceparent", traceparent.encode()),
    ]


@lru_cache(maxsize=4_096)  # few sources and types, some thousand worlds
def _bytes(name: str, text: str) -> tuple[str, bytes]:
    return name, text.encode()


def derived_traceparent(tick_id: str) -> str:
    """The trace of a tick that nobody gave one: its id is the trace id, the id's second half the span."""
    trace = tick_id.replace("-", "").lower()
    return f"00-{trace}-{trace[16:]}-01"


def traceparent_in(headers: Headers | None) -> str | None:
    """The valid traceparent among a record's headers, to be passed on; None if there is none."""
    for name, value in headers or ():
        if name == "traceparent" and value is not None:
            text = value.decode("ascii", "replace")
            if _TRACEPARENT.fullmatch(text):
                return text
    return None
