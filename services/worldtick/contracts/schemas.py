"""The schemas that a reader knows: every released one, by fingerprint and by event.
Lives here: loading them once. Not here: making them (release), using them (codec)."""

import json
from functools import lru_cache
from typing import Any, NamedTuple

from worldtick.contracts.avro import Schema, crc64, parsed
from worldtick.contracts.envelope import VERSION
from worldtick.contracts.shipped import shipped


class Known(NamedTuple):
    """All released Avro schemas, ready for fastavro."""

    by_fingerprint: dict[bytes, Schema]
    by_event: dict[str, Schema]  # of the version that this build writes
    fingerprint: dict[str, bytes]  # of the same


@lru_cache(maxsize=1)
def known() -> Known:
    """Read the shipped schemas, once in a process. Raises Unavailable if they are missing."""
    found = Known({}, {}, {})
    for file in sorted((shipped("schemas") / "avro").glob("*/*.avsc")):
        schema = parsed(json.loads(file.read_text("utf-8")))
        mark = crc64(schema)
        found.by_fingerprint[mark] = schema
        if file.stem == VERSION:
            found.by_event[file.parent.name] = schema
            found.fingerprint[file.parent.name] = mark
    return found


def json_schema_of(event_type: str, version: str = VERSION) -> dict[str, Any]:
    """A released JSON Schema. Raises FileNotFoundError if there is none."""
    text = (shipped("schemas") / "json" / event_type / f"{version}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
