"""Waiting in tests: for a condition, with a bound.
Lives here: until. Not here: what is waited for."""

import threading
from collections.abc import Callable

POLL_S = 0.02


def until(done: Callable[[], bool], seconds_max: float = 30.0) -> None:
    """Wait until a condition holds. AssertionError once the time is up."""
    pause = threading.Event()
    for _ in range(int(seconds_max / POLL_S)):
        if done():
            return
        pause.wait(POLL_S)
    assert done(), f"it did not come within {seconds_max:.0f} s"
