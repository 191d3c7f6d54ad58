"""The watchdog: ends a process whose step hangs, so that its successor finds the step out; cuts calls that hang; tells
where a loop stands that does not come round. Its silence itself is what /healthz shows (vitals).
Lives here: one thread that looks at the time. Not here: what becomes of a step (protocol) or a call (postgres)."""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

log = logging.getLogger(__name__)

EXIT_HUNG: Final = 70
LOOK_S: Final = 0.2
STUCK_S: Final = 60.0  # a loop that has not come round for so long tells where it stands


class Stepping(Protocol):
    """Who steps: since when (us of the performance counter), which world and place; None while it does not."""

    stepping: tuple[int, str, int] | None


class Calling(Protocol):
    """Who calls a server that may never answer."""

    def cut_overdue(self) -> None:
        """End the call under way if it takes too long."""


class Watchdog:
    """Watches one worker until it is closed."""

    def __init__(
        self,
        stepping: Stepping,
        timeout_s: float,
        callers: Sequence[Calling] = (),
        silent_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._stepping = stepping
        self._callers = callers
        self._timeout_s = timeout_s
        self._silent_s = silent_s  # since the loop came round
        self._told = False
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
            self._tell_if_stuck()

    def _tell_if_stuck(self) -> None:
        stuck, told = self._silent_s() > STUCK_S, self._told
        self._told = stuck
        if stuck and not told:
            log.error("loop_stuck", extra={"silent_s": STUCK_S, "stacks": stacks()})


def stacks() -> dict[str, list[str]]:
    """Where each thread of this process stands: its name -> file:line function, the innermost last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        f"{names.get(ident, '?')}/{ident}": [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_stack(top)
        ]
        for ident, top in sys._current_frames().items()
    }
