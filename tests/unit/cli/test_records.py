"""How a record is shown: decoded, or why not; never able to drive a terminal.
Lives here: rendering. Not here: reading topics (integration/test_tail)."""

import json

import pytest

from tests.unit.contracts.samples import DATA, STAMP
from worldtick.cli.records import Seen, show, shown_bytes, wall_time
from worldtick.contracts.wire import EventWriter

CLEARED = "simulation.event.market_cleared"


def _seen(value: bytes | None, key: bytes | None = b"w", topic: str = "simulation.event", stamp_ms: int = 0) -> Seen:
    return Seen(topic, 2, 7, stamp_ms, key, value, [])


@pytest.mark.parametrize("form", ["json", "avro"])
def test_a_record_is_shown_whatever_its_format(form: str) -> None:
    value = EventWriter(form).event("e", CLEARED, STAMP, "tests", DATA[CLEARED])  # type: ignore[arg-type]
    shown = show(_seen(value), None)
    line = json.loads(shown.as_json())
    assert (line["topic"], line["partition"], line["offset"]) == ("simulation.event", 2, 7)
    assert line["wall_time"] == "1970-01-01T00:00:00Z"
    assert line["record"]["data"]["price_ticks"] == 1050
    assert shown.world() == "night_city"
    assert shown.as_text().startswith(f"simulation.event/2/7 1970-01-01T00:00:00Z {STAMP} {CLEARED} ")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "null_value"), (b"", "empty"), (b"{", "not_json"), (b"\xff", "bad_utf8"), (b"\xc3\x01x", "truncated_avro")],
)
def test_what_cannot_be_read_is_shown_with_its_reason(value: bytes | None, reason: str) -> None:
    shown = show(_seen(value, key=None), None)
    line = json.loads(shown.as_json())
    assert line["unreadable"] == reason
    assert ("value_base64" in line) == (value in (b"\xff", b"\xc3\x01x"))
    assert f"unreadable: {reason} (" in shown.as_text()
    assert shown.world() is None


def test_a_record_cannot_drive_the_terminal() -> None:
    value = b'{"event_type": "x\\u001b[2J", "data": {"a": "\\u0007\\u202e"}}'
    for shown in (show(_seen(value), None), show(_seen(b"\x1b[2J\r\n" + b"x" * 5_000, topic="a.dlq"), None)):
        text = shown.as_text()
        assert text.isprintable()
        assert len(text) < 2_500


def test_a_world_is_known_by_its_key_where_the_record_says_none() -> None:
    assert show(_seen(b'{"data": 1}', key=b"dry_town"), None).world() == "dry_town"
    assert show(_seen(b"{", key=b"\xff"), None).world() == "\\xff"


@pytest.mark.parametrize("stamp_ms", [-1, 2**62])
def test_a_time_that_is_none_is_left_out(stamp_ms: int) -> None:
    assert wall_time(stamp_ms) is None
    assert " - " in show(_seen(b"{", stamp_ms=stamp_ms), None).as_text()


def test_bytes_are_shown_as_text() -> None:
    assert shown_bytes(None) is None
    assert shown_bytes("Köln".encode() + b"\xff") == "Köln\\xff"
