"""The watchdog: ends a process whose step hangs, so that its successor finds the step out; cuts calls that hang.
Lives here: one thread that looks at the time. Not here: what becomes of a step (protocol) or a call (postgres)."""

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol

log = logging.getLogger(__name__)

EXIT_HUNG: Final = 70
LOOK_S: Final = 0.2


class Stepping(Protocol):
    """Who steps: since when (us of the performance counter), which world and place; None while it does not."""

    stepping: tuple[int, str, int] | None


class Calling(Protocol):
    """Who calls a server that may never answer."""

    def cut_overdue(self) -> None:
        """End the call under way if it takes too long."""


class Watchdog:
    """Watches one worker until it is closed."""

    def __init__(self, stepping: Stepping, timeout_s: float, callers: Sequence[Calling] = ()) -> None:
        self._stepping = stepping
        self._callers = callers
        self._timeout_s = timeout_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_S):
            for caller in self._callers:
                caller.cut_overdue()
            now = self._stepping.stepping
            if now is not None and time.perf_counter_ns() / 1e9 - now[0] / 1e6 > self._timeout_s:
                fields = {"world": now[1], "place": now[2], "timeout_s": self._timeout_s}
                log.critical("step_hung", extra=fields)
                os._exit(EXIT_HUNG)  # nothing else ends a thread that does not come back
