"""Log lines: one JSON object each with its fields, readable on a console, never with a secret.
Lives here: both forms. Not here: which lines a room says."""

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.runtime.sealed_ticks import sealed
from worldtick.runtime import logs

log = logging.getLogger("worldtick.tests")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging, as pytest has set it up, comes back."""
    root, ours = logging.getLogger(), logging.getLogger("worldtick")
    before = (root.handlers[:], root.level, ours.level, sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]
    sys.excepthook, threading.excepthook = before[3], before[4]
    logging.captureWarnings(False)


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_event_and_fields() -> None:
    stream = io.StringIO()
    logs.setup("info", "json", stream, service="economy")
    log.info("step_committed", extra={"used": 3, "slice": 0, **logs.of_tick(sealed(seq=7))})
    log.debug("too_quiet")
    (line,) = _lines(stream)
    assert list(line)[:4] == ["time", "level", "event", "service"]
    assert (line["event"], line["level"], line["service"], line["used"]) == ("step_committed", "INFO", "economy", 3)
    assert (line["world"], line["tick"], line["slot"], line["slice"]) == ("w", 7, "2020-01-01T07:00:00Z", 0)
    assert line["time"].endswith("Z")


def test_a_line_without_a_tick_has_no_tick() -> None:
    stream = io.StringIO()
    logs.setup("info", "json", stream)
    log.warning("part_unfit", extra={"part": "kafka"})
    assert set(_lines(stream)[0]) == {"time", "level", "event", "part"}


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_shows_a_secret(form: logs.Form) -> None:
    stream = io.StringIO()
    logs.setup("debug", form, stream)
    url = "postgresql://me:Hunter2@db:5432/w"
    log.info("started", extra={"database": url, "kafka": {"sasl.password": "Hunter2"}, "api_token": "Hunter2"})
    log.error("failed", extra={"error": f"connect to {url} failed: password=Hunter2, host=db", "all": [url]})
    try:
        raise RuntimeError(f"no route to {url}")
    except RuntimeError:
        log.exception("raised")
    logging.getLogger("library").warning("%s", f"tried {url} with sasl.password='Hunter2'")
    assert stream.getvalue().count("\n") >= 4
    assert "Hunter2" not in stream.getvalue()
    assert "postgresql://me:***@db:5432/w" in stream.getvalue()


def test_no_line_is_not_json() -> None:
    stream = io.StringIO()
    logs.setup("debug", "json", stream)
    logging.getLogger("apscheduler").warning("two\nlines %d", 5)
    log.info("odd", extra={"raw": b"\xff", "what": object(), "cause": ValueError("x"), "event": "mine", "set": {1}})
    thread = threading.Thread(target=lambda: 1 / 0, name="doomed")
    thread.start()
    thread.join()
    library, odd, died = _lines(stream)
    assert (library["event"], library["message"]) == ("apscheduler", "two\nlines 5")
    assert (odd["event"], odd["event_"], odd["raw"], odd["cause"]) == ("odd", "mine", "ff", "ValueError: x")
    assert (died["event"], died["died"], died["error"]) == (
        "thread_died",
        "doomed",
        "ZeroDivisionError: division by zero",
    )
    assert "Traceback" in died["trace"]


def test_the_console_form_reads_as_a_line() -> None:
    stream = io.StringIO()
    logs.setup("info", "console", stream, service="economy")
    log.info("market_cleared", extra={"world": "w", "price": 10.5, "why": "two words"})
    line = stream.getvalue().rstrip("\n")
    assert line[12:] == ' INFO    market_cleared service=economy world=w price=10.5 why="two words"'


def test_setting_up_again_replaces() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.setup("info", "json", first)
    logs.setup("error", "json", second)
    log.warning("not_said")
    log.error("said")
    assert first.getvalue() == ""
    assert [line["event"] for line in _lines(second)] == ["said"]
