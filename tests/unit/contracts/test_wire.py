"""What a ring says, its headers, and dead letters.
Lives here: rings against the calendar, headers, dead letters. Not here: formats (test_events, test_codec)."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.unit.contracts import samples
from worldtick.clock.calendar import moment
from worldtick.clock.worldtime import format_world_time
from worldtick.contracts.codec import decode
from worldtick.contracts.deadletter import ERROR_BYTES_MAX, ROOM_BYTES, DeadLetter, bounded, read_dead_letter
from worldtick.contracts.headers import AVRO_TYPE, JSON_TYPE, cloudevent_headers, derived_traceparent, traceparent_in
from worldtick.contracts.ids import tick_id
from worldtick.contracts.registry import as_event
from worldtick.contracts.schemas import json_schema_of
from worldtick.contracts.sealed import Kind
from worldtick.contracts.stamps import calendar_numbers, rfc3339
from worldtick.contracts.wire import EventWriter

HOUR_US = 3_600_000_000
JSON, AVRO = EventWriter("json"), EventWriter("avro")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@given(
    st.integers(0, 7_000 * 365 * 24), st.integers(0, HOUR_US - 1), st.sampled_from([0, samples.EPOCH_S, 951_782_461])
)
def test_a_tick_agrees_with_the_worlds_calendar(hours: int, rest_us: int, epoch_s: int) -> None:
    at_us = hours * HOUR_US + rest_us
    there, numbers = moment(at_us, epoch_s), calendar_numbers(at_us, epoch_s)
    assert numbers.hour == there.hour
    assert tuple(numbers[1:]) == (
        there.simulation_day,
        there.simulation_week,
        there.simulation_month,
        there.simulation_year,
    )
    assert rfc3339(epoch_s * 1_000_000 + at_us) == format_world_time(at_us, epoch_s)


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        ("step", "world.tick"),
        ("hourly", "world.tick"),
        ("daily", "world.tick"),
        ("hourly", "world.tick.hourly"),
        ("daily", "world.tick.daily"),
    ],
)
@pytest.mark.parametrize("writer", [JSON, AVRO], ids=["json", "avro"])
def test_a_ring_fits_its_schema(kind: Kind, topic: str, writer: EventWriter) -> None:
    tick = samples.sealed(kind, 48 * HOUR_US, caused_by="world.tick.daily/0/3")
    record = decode(writer.ring(tick, topic))
    event = as_event(record)
    Draft202012Validator(json_schema_of(topic)).validate(record)
    assert (event.event_type, event.source) == (topic, "simulation.ticker")
    assert event.data.game_time == event.timestamp == datetime(2020, 1, 3, tzinfo=UTC)
    assert (event.data.world, event.data.seq, event.data.kind_seq) == ("w1", 15, 14)
    assert event.data.caused_by == "world.tick.daily/0/3"
    assert "directives" not in record["data"], "directives and facts stay in the table"


def test_a_daily_ring_has_the_four_numbers() -> None:
    record = json.loads(JSON.ring(samples.sealed("daily", 31 * 24 * HOUR_US), "world.tick.daily"))
    assert record["data"]["game_day"] == 32
    assert list(record["data"]["metadata"].values()) == [32, 5, 2, 2020]


def test_a_ring_has_the_seeds_key_order() -> None:
    seeds = ["tick_id", "tick_type", "game_hour", "game_time", "tick_timestamp", "triggered_by", "consumers"]
    record = json.loads(JSON.ring(samples.sealed("hourly", HOUR_US), "world.tick.hourly"))
    assert list(record["data"])[: len(seeds)] == seeds


def test_the_same_tick_gives_the_same_bytes_and_an_id_of_its_own_on_each_topic() -> None:
    tick = samples.sealed("hourly", HOUR_US)
    assert JSON.ring(tick, "world.tick") == EventWriter("json").ring(tick, "world.tick")
    ids = {json.loads(JSON.ring(tick, topic))["event_id"] for topic in ("world.tick", "world.tick.hourly")}
    assert len(ids) == 2


def test_headers_are_those_of_cloudevents() -> None:
    value = JSON.ring(samples.sealed("hourly", HOUR_US), "world.tick")
    made = cloudevent_headers("id-1", "world.tick", samples.STAMP, "simulation.ticker", "w1", TRACE, value)
    headers = {name: text.decode() for name, text in made}
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "id-1",
        "ce_source": "simulation.ticker",
        "ce_type": "world.tick",
        "ce_time": samples.STAMP,
        "ce_subject": "w1",
        "content-type": JSON_TYPE.decode(),
        "traceparent": TRACE,
    }
    avro = cloudevent_headers("id-1", "world.tick", samples.STAMP, "x", "w1", TRACE, b"\xc3\x01")
    assert dict(avro)["content-type"] == AVRO_TYPE
    assert traceparent_in(made) == TRACE


@given(st.integers(0, 10**15))
def test_a_derived_trace_is_a_valid_one(slot_us: int) -> None:
    trace = derived_traceparent(tick_id("w", "hourly", slot_us))
    assert traceparent_in([("traceparent", trace.encode())]) == trace


@pytest.mark.parametrize(
    "text", [b"", b"00-1-2-01", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", TRACE.upper().encode(), b"\xff", None]
)
def test_a_broken_trace_is_not_passed_on(text: bytes) -> None:
    assert traceparent_in([("other", b"x"), ("traceparent", text)]) is None
    assert traceparent_in(None) is None


def _letter(**changed: object) -> DeadLetter:
    fields = {"reason": "not_json", "error": "no JSON", "topic": "world.tick", "partition": 2, "offset": 17}
    rest = {"timestamp_ms": 1_700_000_000_000, "key": b"w1", "value": b"\xff{", "headers": [("ce_id", b"1")]}
    return DeadLetter(**{**fields, **rest, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [b"\xff{", b"", None])
def test_a_dead_letter_comes_back_whole(value: bytes | None) -> None:
    letter = _letter(value=value)
    assert read_dead_letter(letter.key, letter.value, letter.wire_headers()) == letter


def test_a_dead_letter_that_died_again_says_the_last_reason() -> None:
    first = _letter()
    again = _letter(reason="unknown_world", headers=first.wire_headers(), offset=99)
    read = read_dead_letter(b"w1", b"v", again.wire_headers())
    assert (read.reason, read.offset, read.headers) == ("unknown_world", 99, [("ce_id", b"1")])
    assert len(again.wire_headers()) == 7


@given(st.text(max_size=6_000))
def test_an_error_text_is_bounded_and_on_one_line(error: str) -> None:
    cut = bounded(error)
    assert len(cut.encode()) <= ERROR_BYTES_MAX
    assert "\n" not in cut


def test_what_a_dead_letter_adds_fits_its_room() -> None:
    letter = _letter(reason="r" * 64, error="é" * 100_000, topic="t" * 249, partition=2**31, offset=2**63, headers=[])
    assert sum(len(name) + len(text) + 10 for name, text in letter.wire_headers()) < ROOM_BYTES


def test_a_record_without_our_headers_is_read_too() -> None:
    letter = read_dead_letter(None, b"x", [("dlq.offset", b"many"), ("dlq.reason", None)])  # type: ignore[list-item]
    assert (letter.reason, letter.offset, letter.partition) == ("", -1, -1)
