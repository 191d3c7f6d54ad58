"""A dead letter of control says which record it is of, and why.
Lives here: what it says. Not here: what is cut to fit (tests/unit/contracts/test_letters), topics (test_control)."""

from numpy.random import Generator, Philox

from worldtick.contracts.deadletter import read_dead_letter
from worldtick.contracts.letters import CUT_HEADER
from worldtick.control.desk import Dead, Incoming
from worldtick.control.letters import dead_letter


def _record(**more: object) -> Incoming:
    fields = {"topic": "world.tick.hourly", "partition": 1, "offset": 7, "stamp_ms": 5, "key": b"k", "headers": None}
    return Incoming(**{**fields, "value": b"{", **more})  # type: ignore[arg-type]


def test_a_letter_says_which_record_it_is_of_and_why() -> None:
    out = dead_letter(_record(headers=[("a", b"1"), ("b", None)]), Dead("not_json", "no JSON"), "p.")
    assert out.topic == "world.tick.hourly.dlq"
    letter = read_dead_letter(out.key, out.value, list(out.headers))  # type: ignore[arg-type]
    assert (letter.topic, letter.partition, letter.offset, letter.timestamp_ms) == ("p.world.tick.hourly", 1, 7, 5)
    assert (letter.reason, letter.error, letter.key, letter.value) == ("not_json", "no JSON", b"k", b"{")
    assert letter.headers == [("a", b"1"), ("b", None)]


def test_it_fits_its_topic() -> None:
    value = bytes(range(256)) * 8_192
    assert dead_letter(_record(value=value), Dead("not_json", "no JSON"), "").value == value
    noise = Generator(Philox(1)).bytes(800_000)
    assert CUT_HEADER in dict(dead_letter(_record(value=noise), Dead("not_json", "no JSON"), "").headers)
