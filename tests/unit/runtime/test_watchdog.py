"""The watchdog tells where a loop stands that does not come round, once for each time.
Lives here: stuck loops. Not here: steps that hang, which end their process (tests/chaos/test_poison)."""

import logging
import time

import pytest

from tests.waiting import until
from worldtick.runtime import watchdog
from worldtick.runtime.watchdog import Watchdog


class Idle:
    """Nobody steps."""

    stepping: tuple[int, str, int] | None = None


def test_a_loop_that_is_stuck_tells_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watchdog, "STUCK_S", 0.05)
    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    turned_at = time.monotonic() - 1
    with caplog.at_level(logging.ERROR):
        dog = Watchdog(Idle(), 60.0, turned_at=lambda: turned_at)
        until(lambda: any(record.message == "loop_stuck" for record in caplog.records), 5)
        told = len(caplog.records)
        time.sleep(0.1)
        assert len(caplog.records) == told == 1
        dog.close()
    (record,) = caplog.records
    ours = next(lines for name, lines in record.__dict__["stacks"].items() if name.startswith("MainThread"))
    assert any("test_a_loop_that_is_stuck" in line for line in ours)
