"""docs/CONTRACTS.md, made from the schemas, the topics and a sample reader.
Lives here: the page. Not here: what it describes, writing it (cli/docs)."""

from collections.abc import Mapping
from typing import Any

from worldtick.contracts.envelope import VERSION
from worldtick.contracts.registry import MODELS
from worldtick.contracts.schemas import json_schema_of, known
from worldtick.contracts.topics import TopicSpec, topic_specs

HEAD = """# Contracts

Made by `worldtick docs` from `schemas/`, `topics/` and the models; a test fails when it is stale.

## Reading our topics

- **Set `isolation.level=read_committed`.** Every event is published in a Kafka transaction, once. A reader that is not
  read_committed, as Kafka's console consumer is by default, also sees what was aborted: duplicates, and events of
  steps that were never committed. `kafka-console-consumer --isolation-level read_committed` does it right.
- Every record is one base event: `event_id, event_type, timestamp, version, source, data`. `event_id` is derived from
  world, tick, service, slice and ordinal, so that the same event has the same id whenever it is published;
  `timestamp` is world time, and wall time is the Kafka record's own. All moments are RFC 3339 with a zone.
- The key is the world's id, so one world's records stand in order in one partition. Order is kept per world, service
  and slice; `data.seq` is the tick's ordinal in the world.
- Pass over fields that you do not know. Within version 1 fields are only added, and only optional ones: a reader
  pinned to any release reads every later one, and the other way round.
- Values are JSON, Avro single-object encoding (first bytes `C3 01`, then the schema's CRC-64-AVRO fingerprint,
  8 bytes) or Confluent-framed Avro (`00`, then the registry's schema id, 4 bytes), by the setting `WORLDTICK_FORMAT`
  (json, avro, avro-confluent). All our readers accept all three; for Confluent's they need `SCHEMA_REGISTRY_URL`.
- Money is an exact decimal with two digits beside an integer in ticks of 0.01 (`price`, `price_ticks`): compute with
  the integer.
- Headers are CloudEvents 1.0 (`ce_specversion, ce_id, ce_source, ce_type, ce_time, ce_subject` = the world,
  `content-type`) and W3C `traceparent`, the same on a tick and on all that comes of it.
- A tick record is sealed if its data have `world`, `seq` and `kind_seq`. Anything else on a tick topic is a paste,
  which control seals or dead-letters.

A whole reader that needs nothing of ours but the schema files (`docs/samples/read_events.py`):

```python
"""

REASONS = """
## Dead letters

Beside each topic stands NAME.dlq with what could not be used: key, value and headers as they were, and the headers
`dlq.reason`, `dlq.error`, `dlq.topic`, `dlq.partition`, `dlq.offset`, `dlq.timestamp`. `worldtick tail NAME.dlq` shows
them.

| Reason | Meaning |
| --- | --- |
| `null_value`, `empty`, `too_large` | no value, an empty one, one above 1 MiB |
| `not_json`, `bad_utf8`, `too_deep` | neither Avro nor JSON; text that is not UTF-8; nested too deeply |
| `not_an_object` | JSON, but no object |
| `no_such_schema` | Avro whose fingerprint or registry id nobody knows |
| `truncated_avro`, `bad_avro` | Avro that ends too early, or does not fit its schema |
| `unknown_type`, `wrong_schema` | an event type that nobody knows; fields that do not fit, all of them named |
| `step_failed` | not a record but a step that died; the value is a `simulation.event.step_failed` |

Control adds its own reasons for pasted ticks.
"""


def page(sample: str) -> str:
    """The whole page, with the text of the sample reader."""
    parts = [HEAD, sample, "```\n", REASONS, "\n## Topics\n\n", *_topics(), f"\n## Events, version {VERSION}\n"]
    for event_type in MODELS:
        parts += _event(event_type)
    return "".join(parts)


def _topics() -> list[str]:
    rows = [
        "| Topic | Partitions | Replication | Retention | Segment | Cleanup | Compression | Largest record | Key | "
        "Dead-lettered by |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    ]
    return rows + [_topic(spec) for spec in topic_specs()]


def _topic(spec: TopicSpec) -> str:
    cells = (
        f"`{spec.name}`",
        spec.partitions,
        spec.replication_factor,
        f"{spec.retention_ms // 3_600_000} h",
        f"{spec.segment_ms // 3_600_000} h",
        spec.cleanup_policy,
        spec.compression_type,
        f"{spec.max_message_bytes} B",
        spec.key,
        spec.dead_letters or "-",
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def _event(event_type: str) -> list[str]:
    schema = json_schema_of(event_type)
    shape = _resolved(schema["properties"]["data"], schema)
    rows = [f"\n### {event_type}\n\n{shape['description']}\n"]
    rows.append(f"Avro fingerprint `{known().fingerprint[event_type].hex()}`.\n\n")
    rows.append("| Field of data | Type | Always | Meaning |\n| --- | --- | --- | --- |\n")
    return rows + _fields(shape, schema, "")


def _fields(shape: Mapping[str, Any], schema: Mapping[str, Any], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, part in shape["properties"].items():
        inner = _resolved(part, schema)
        always = "yes" if name in shape["required"] else "-"
        rows.append(f"| `{prefix}{name}` | {_type(inner)} | {always} | {part.get('description', '')} |\n")
        if "properties" in inner:
            rows += _fields(inner, schema, f"{prefix}{name}.")
    return rows


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A field's own shape: what a $ref names, or the branch beside null."""
    for branch in part.get("anyOf", [part]):
        if "$ref" in branch:
            found: Mapping[str, Any] = schema["$defs"][branch["$ref"].rsplit("/", 1)[1]]
            return found
        if branch.get("type") != "null":
            return {key: value for key, value in branch.items() if key != "description"}
    return part


def _type(part: Mapping[str, Any]) -> str:
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    if part.get("format") == "date-time":
        return "moment"
    if part.get("format") == "uuid":
        return "uuid"
    if part["type"] == "array":
        return f"list of {_type(part['items'])}"
    if part["type"] == "object":
        values = part.get("additionalProperties")
        return f"text -> {_type(values)}" if values else "object"
    if part["type"] == "integer":
        return _range(part)
    return {"string": "text"}.get(part["type"], str(part["type"]))


def _range(part: Mapping[str, Any]) -> str:
    low, high = part["minimum"], part["maximum"]
    if high < 2**63 - 1:
        return f"integer {low} to {high}"
    return "integer" if low < 0 else f"integer from {low}"
