"""The watchdog tells where a loop stands that does not come round, once for each time.
Lives here: stuck loops. Not here: steps that hang, which end their process (tests/chaos/test_poison)."""

import itertools
import logging

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
    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    looks = itertools.count()

    def silent_s() -> float:
        next(looks)
        return watchdog.STUCK_S + 1

    with caplog.at_level(logging.ERROR):
        dog = Watchdog(Idle(), 60.0, silent_s=silent_s)
        until(lambda: next(looks) > 20, 5)
        dog.close()
    (record,) = caplog.records
    assert record.message == "loop_stuck"
    ours = next(lines for name, lines in record.__dict__["stacks"].items() if name.startswith("MainThread"))
    assert any("test_a_loop_that_is_stuck" in line for line in ours)
