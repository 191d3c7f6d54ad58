"""Bytes to records: JSON, Avro single-object encoding and Confluent-framed Avro, told apart by the first bytes.
Lives here: reading any record of ours. Not here: writing (wire), fast reading of rings (rings), models (registry)."""

from decimal import Decimal
from io import BytesIO
from typing import Any, Final

import msgspec
from fastavro import schemaless_reader
from fastavro.schema import SchemaParseException

from worldtick.contracts.avro import Schema
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.schemas import known

VALUE_BYTES_MAX: Final = 1 << 20  # above every topic's limit
SINGLE_OBJECT: Final = b"\xc3\x01"
CONFLUENT: Final = b"\x00"
AVRO_MARKS: Final = (SINGLE_OBJECT, CONFLUENT)
ONE_LINE_HINT: Final = (
    "a record is one JSON object on one line; put pretty-printed JSON on a single line before pasting it"
)

_json = msgspec.json.Decoder(float_hook=Decimal)
_CUT = (EOFError, IndexError, MemoryError)  # what fastavro raises on bytes that end too early
_BROKEN = (ValueError, TypeError, KeyError, ArithmeticError, AttributeError, SchemaParseException)


def decode(value: bytes | None, registry: SchemaRegistry | None = None) -> dict[str, Any]:
    """The record in a value, in any of our three formats; the same dict whichever it was.

    Numbers with a fraction are Decimals, exact; fields that say null are absent. Raises Unreadable with a reason:
    null_value, empty, too_large, not_json, bad_utf8, not_an_object, too_deep, no_such_schema, truncated_avro, bad_avro.
    Raises Unavailable if a schema registry is needed and away.
    """
    value = readable(value)
    if value.startswith(AVRO_MARKS):
        return from_avro(value, registry)
    return from_json(value)


def readable(value: bytes | None) -> bytes:
    """The value if there is one of a size that we read. Raises Unreadable."""
    if value is None:
        raise Unreadable("null_value", "the record has no value")
    if len(value) > VALUE_BYTES_MAX:
        raise Unreadable("too_large", f"the value has {len(value)} bytes; at most {VALUE_BYTES_MAX} are read")
    if not value or value.isspace():
        raise Unreadable("empty", "the value is empty")
    return value


def from_json(value: bytes) -> dict[str, Any]:
    """A JSON object. Raises Unreadable."""
    try:
        record = _json.decode(value)
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as broken:
        raise json_fault(value, broken) from broken
    if not isinstance(record, dict):
        raise Unreadable("not_an_object", f"the value is JSON, but no object; {ONE_LINE_HINT}")
    return _plain_record(record)


def json_fault(value: bytes, broken: Exception) -> Unreadable:
    """Why a value is no JSON of ours."""
    if isinstance(broken, RecursionError):
        return Unreadable("too_deep", "the JSON is nested too deeply")
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as bad:
        return Unreadable("bad_utf8", f"the value is neither Avro nor UTF-8 text: {bad.reason} at byte {bad.start}")
    return Unreadable("not_json", f"the value is no JSON ({broken}); {ONE_LINE_HINT}")


def from_avro(value: bytes, registry: SchemaRegistry | None) -> dict[str, Any]:
    """An Avro record in either framing, read with its writer's schema. Raises Unreadable or Unavailable."""
    schema, start = _writers_schema(value, registry)
    stream = BytesIO(value)
    stream.seek(start)
    try:
        record = schemaless_reader(stream, schema, None)
    except UnicodeDecodeError as bad:
        raise Unreadable("bad_utf8", f"a string in the Avro record is not UTF-8: {bad.reason}") from bad
    except _CUT as cut:
        raise Unreadable("truncated_avro", f"the Avro record ends too early, after {len(value)} bytes") from cut
    except _BROKEN as broken:
        raise Unreadable("bad_avro", f"the bytes do not fit their schema {schema['name']}: {broken}") from broken
    if stream.tell() != len(value):
        raise Unreadable("bad_avro", f"{len(value) - stream.tell()} bytes follow the Avro record {schema['name']}")
    if not isinstance(record, dict):
        raise Unreadable("not_an_object", f"schema {schema['name']} is no record")
    return _plain_record(record)


def _writers_schema(value: bytes, registry: SchemaRegistry | None) -> tuple[Schema, int]:
    """The schema that a framed value names, and where its body starts."""
    if value.startswith(SINGLE_OBJECT):
        if len(value) < 10:
            raise Unreadable("truncated_avro", f"{len(value)} bytes are less than an Avro header of 10")
        schema = known().by_fingerprint.get(value[2:10])
        if schema is None:
            raise Unreadable("no_such_schema", f"no released schema has the fingerprint {value[2:10].hex()}")
        return schema, 10
    if len(value) < 5:
        raise Unreadable("truncated_avro", f"{len(value)} bytes are less than a Confluent header of 5")
    schema_id = int.from_bytes(value[1:5], "big")
    if registry is None:
        raise Unreadable("no_such_schema", f"the value names schema {schema_id} of a registry: set SCHEMA_REGISTRY_URL")
    return registry.schema(schema_id), 5


def _plain_record(record: dict[Any, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in record.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _plain_record(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return Decimal(repr(value)) if isinstance(value, float) else value
