"""Waiting in tests: for a condition, with a bound, while something works beside.
Lives here: until, running. Not here: what is waited for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_S = 0.02
WAIT_S = 60.0  # on a machine that is busy with other things as well


def until(done: Callable[[], bool], seconds_max: float = WAIT_S, what: str = "it") -> None:
    """Wait until a condition holds. AssertionError once the time is up."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds_max
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds_max:g} s: {what}"
        pause.wait(POLL_S)


@contextmanager
def running(target: Callable[[threading.Event], object]) -> Iterator[None]:
    """Let `target` work in a thread as long as the block lasts, then stop it; what it raises is raised here."""
    stop = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            target(stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_S)
        assert not thread.is_alive(), f"it did not stop within {WAIT_S:g} s"
    if raised:
        raise raised[0]
