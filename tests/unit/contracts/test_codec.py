"""Bytes that are not ours, or only nearly: every one is Unreadable with a reason, nothing else is raised.
Lives here: poison, framing, the schema registry. Not here: agreement of the schemas (test_events)."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.contracts import samples
from tests.unit.contracts.registry_server import RegistryCalls
from worldtick.contracts.avro import crc64
from worldtick.contracts.codec import VALUE_BYTES_MAX, decode
from worldtick.contracts.errors import Faulty, Unavailable, Unreadable
from worldtick.contracts.rings import Ring, Unsealed, decode_paste, decode_ring
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.wire import EventWriter

JSON, AVRO = EventWriter("json"), EventWriter("avro")
TICK = samples.sealed("hourly", 3_600_000_000)
RING_JSON, RING_AVRO = JSON.ring(TICK, "world.tick.hourly"), AVRO.ring(TICK, "world.tick.hourly")
PRETTY = b'  "event_id": "550e8400-e29b-41d4-a716-446655440000",'
POISON = [
    (None, "null_value"),
    (b"", "empty"),
    (b" \n", "empty"),
    (b" " * (VALUE_BYTES_MAX + 1), "too_large"),
    (b"{", "not_json"),
    (PRETTY, "not_json"),
    (b"hello", "not_json"),
    (b'{"a": NaN}', "not_json"),
    (b'{"event_type": "world.tick\xff"}', "bad_utf8"),
    (b"\xfe\xed", "bad_utf8"),
    (b"[1, 2]", "not_an_object"),
    (b"7", "not_an_object"),
    (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
    (b"\xc3\x01", "truncated_avro"),
    (b"\xc3\x01" + bytes(8), "no_such_schema"),
    (RING_AVRO[:-3], "truncated_avro"),
    (RING_AVRO + b"\x00", "bad_avro"),
    (RING_AVRO.replace(b"scheduler", b"schedule\xff"), "bad_utf8"),
    (b"\x00\x00", "truncated_avro"),
    (b"\x00\x00\x00\x00\x07body", "no_such_schema"),
]


@pytest.mark.parametrize(("value", "reason"), POISON, ids=lambda part: str(part)[:24])
def test_poison_is_unreadable_with_its_reason(value: bytes | None, reason: str) -> None:
    for read in (decode, decode_ring, decode_paste):
        with pytest.raises(Unreadable) as fault:
            read(value)
        assert fault.value.reason == reason
        assert str(fault.value)


def test_a_pretty_printed_fragment_gets_a_hint() -> None:
    with pytest.raises(Unreadable, match="one line"):
        decode_ring(PRETTY)


def test_a_sealed_ring_is_read_in_every_format() -> None:
    expected = Ring("w1", 15, 14, TICK.tick_id, "hourly")
    assert decode_ring(RING_JSON) == decode_ring(RING_AVRO) == expected
    assert decode_ring(b" " + json.dumps(json.loads(RING_JSON), indent=2).encode()) == expected


@pytest.mark.parametrize(
    "data",
    [
        {"world": "w1"},
        {"tick_id": TICK.tick_id, "tick_type": "hourly", "game_hour": 14},
        {"world": "w1", "seq": 3},
        {"world": "w1", "seq": 3, "kind_seq": None},
        {},
    ],
)
def test_a_paste_is_unsealed_and_no_garbage(data: dict[str, Any]) -> None:
    value = json.dumps({"event_type": "world.tick.hourly", "data": data}).encode()
    with pytest.raises(Unsealed) as fault:
        decode_ring(value)
    assert fault.value.reason == "unsealed"
    assert decode_paste(value).data.world == data.get("world")


@pytest.mark.parametrize(
    "record",
    [
        {"event_type": "world.tick.hourly"},
        {"data": 5},
        {"data": {"world": "w", "seq": "3", "kind_seq": 1}},
        {"data": {"world": "w", "seq": 0, "kind_seq": 1}},
        {"data": {"world": "w", "seq": 2**63, "kind_seq": 1}},
        {"data": {"world": "w", "seq": 3, "kind_seq": 1, "tick_id": TICK.tick_id, "tick_type": "weekly"}},
        {"data": {"world": "w", "seq": 3, "kind_seq": 1, "tick_type": "daily"}},
        {"data": {"world": "w" * 256, "seq": 3, "kind_seq": 1}},
    ],
)
def test_a_record_that_is_no_tick_is_garbage(record: dict[str, Any]) -> None:
    with pytest.raises(Unreadable) as fault:
        decode_ring(json.dumps(record).encode())
    assert fault.value.reason == "wrong_schema"
    assert not isinstance(fault.value, Unsealed)


def test_a_paste_with_faults_names_them_all() -> None:
    value = b'{"data": {"game_hour": 25, "tick_type": "weekly", "game_time": "2024-01-15T14:00:00"}}'
    with pytest.raises(Unreadable) as fault:
        decode_paste(value)
    assert fault.value.reason == "wrong_schema"
    assert all(word in str(fault.value) for word in ("game_hour", "tick_type", "game_time", "zone"))


_EDITS = st.tuples(st.integers(0, len(RING_AVRO) - 1), st.binary(max_size=12), st.integers(0, 12))


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from([RING_JSON, RING_AVRO]), st.lists(_EDITS, max_size=4), st.booleans())
def test_damaged_records_are_read_or_unreadable(value: bytes, edits: list[tuple[int, bytes, int]], cut: bool) -> None:
    for at, put, drop in edits:
        value = value[:at] + put + value[at + drop :]
    if cut and edits:
        value = value[: edits[0][0]]
    _read_or_unreadable(value)


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from([b"", b"{", b"\x00", b"\xc3\x01", RING_AVRO[:10]]), st.binary(max_size=64))
def test_random_bytes_are_read_or_unreadable(head: bytes, tail: bytes) -> None:
    _read_or_unreadable(head + tail)


@pytest.mark.parametrize(
    "body", [b"1" * 5_000, b"1e999999999", b"-1e400", b'"\\ud800"', b"1.0e-999999999999999999999", b"0." + b"1" * 9_000]
)
def test_absurd_numbers_and_texts_are_read_or_unreadable(body: bytes) -> None:
    _read_or_unreadable(b'{"event_type": ' + body + b', "data": {"seq": ' + body + b"}}")
    _read_or_unreadable(b'{"data": {"game_day": ' + body + b"}}")


def _read_or_unreadable(value: bytes) -> None:
    """Anything else that is raised fails the test."""
    for read in (decode, decode_ring, decode_paste):
        with contextlib.suppress(Unreadable):
            read(value)


def test_the_fingerprint_is_that_of_the_avro_specification() -> None:
    table = list(range(256))
    for index in table:
        for _ in range(8):
            table[index] = (table[index] >> 1) ^ (0xC15D213AA4D7A795 if table[index] & 1 else 0)
    mark = 0xC15D213AA4D7A795
    for byte in b'"null"':
        mark = (mark >> 8) ^ table[(mark ^ byte) & 0xFF]
    assert crc64("null") == mark.to_bytes(8, "little")


def test_confluent_framing_goes_through_a_registry(registry_url: str) -> None:
    writer = EventWriter("avro-confluent", SchemaRegistry(registry_url))
    value = writer.ring(TICK, "world.tick.hourly")
    assert value[:5] == b"\x00\x00\x00\x00\x01"
    assert value[5:] == RING_AVRO[10:]
    reader = SchemaRegistry(registry_url)
    assert decode(value, reader) == decode(RING_JSON)
    assert decode_ring(value, reader) == decode_ring(RING_JSON)
    assert RegistryCalls.asked == ["/subjects/worldtick.WorldTickHourly/versions", "/schemas/ids/1"], "asked once each"


def test_an_id_that_the_registry_does_not_know_is_asked_for_once(registry_url: str) -> None:
    reader = SchemaRegistry(registry_url)
    for _ in range(3):
        with pytest.raises(Unreadable) as fault:
            decode(b"\x00\x00\x00\x00\x08body", reader)
        assert fault.value.reason == "no_such_schema"
    assert RegistryCalls.asked == ["/schemas/ids/8"]


def test_a_registry_that_is_away_makes_no_dead_letter(registry_url: str) -> None:
    with pytest.raises(Unavailable, match="503"):
        decode(b"\x00\x00\x00\x03\xe7body", SchemaRegistry(registry_url))
    with pytest.raises(Unavailable, match="does not answer"):
        decode(b"\x00\x00\x00\x00\x01body", SchemaRegistry("http://127.0.0.1:1", timeout_s=1.0))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "registry:8081", ""])
def test_a_registry_is_an_http_address(url: str) -> None:
    with pytest.raises(Faulty, match="SCHEMA_REGISTRY_URL"):
        SchemaRegistry(url)


def test_an_unknown_format_and_a_missing_registry_are_faults() -> None:
    with pytest.raises(Faulty, match="xml"):
        EventWriter("xml")  # type: ignore[arg-type]
    with pytest.raises(Faulty, match="SCHEMA_REGISTRY_URL"):
        EventWriter("avro-confluent")
