"""A dead letter fits its topic, whatever the record was.
Lives here: what is kept whole and what is cut. Not here: the topics themselves (tests/integration/test_control)."""

import zlib

from worldtick.contracts.deadletter import ROOM_BYTES, read_dead_letter
from worldtick.control.desk import Dead, Incoming
from worldtick.control.letters import CUT_HEADER, dead_letter

LIMIT = 131_072
DEAD = Dead("not_json", "no JSON")


def _noise(count: int) -> bytes:
    return b"".join(zlib.crc32(number.to_bytes(8, "big")).to_bytes(4, "big") for number in range(count // 4))


def _record(value: bytes | None, **more: object) -> Incoming:
    fields = {"topic": "world.tick.hourly", "partition": 1, "offset": 7, "stamp_ms": 5, "key": b"k", "headers": None}
    return Incoming(value=value, **{**fields, **more})  # type: ignore[arg-type]


def test_what_fits_is_kept_whole() -> None:
    for value in (None, b"", b"x" * 5_000_000, _noise(LIMIT - 1_000)):
        out = dead_letter(_record(value, headers=[("a", b"1"), ("b", None)]), DEAD, "p.")
        letter = read_dead_letter(out.key, out.value, list(out.headers))  # type: ignore[arg-type]
        assert (letter.key, letter.value, letter.topic, letter.offset) == (b"k", value, "p.world.tick.hourly", 7)
        assert letter.headers[:2] == [("a", b"1"), ("b", None)]
        assert CUT_HEADER not in dict(out.headers)


def test_what_does_not_is_cut_and_said() -> None:
    value, many = _noise(3 * LIMIT), [("h", _noise(9_000))]
    out = dead_letter(_record(value, headers=many, key=_noise(9_000)), DEAD, "")
    size = len(out.value or b"") + len(out.key or b"") + sum(len(name) + len(text or b"") for name, text in out.headers)
    assert size <= LIMIT + ROOM_BYTES
    assert value.startswith(out.value or b"-")
    assert dict(out.headers)[CUT_HEADER] == str(len(value)).encode()
    assert dict(out.headers)["dlq.reason"] == b"not_json"
