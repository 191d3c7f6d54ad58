"""Keeping processes alive: one child for each name, started again when it dies, ended together.
Lives here: starting, back-off, ending. Not here: what a child does (run)."""

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from worldtick.runtime.backoff import backoff_s
from worldtick.runtime.vitals import Vitals
from worldtick.ticker.serve import until_signal

log = logging.getLogger(__name__)

LOOK_S: Final = 0.2
END_S_MAX: Final = 30.0
BACKOFF_S: Final = (0.2, 1.0, 2.0, 5.0, 10.0)  # by deaths in a row; one that lived long begins anew
LIVED_S: Final = 60.0


@dataclass(slots=True)
class _Child:
    name: str
    process: "subprocess.Popen[bytes]"
    started: float
    deaths: int = 0
    again_at: float = 0.0


def keep_alive(names: Sequence[str], port: int) -> None:
    """Run `worldtick run NAME` for each name until SIGTERM or SIGINT. `port` answers for all of them."""
    vitals = Vitals("run", version("worldtick"))
    vitals.serve(port)
    with until_signal() as stop:
        children = [_Child(name, _start(name), time.monotonic()) for name in names]
        try:
            while not stop.wait(LOOK_S):
                for child in children:
                    _look(child, vitals)
        finally:
            _end(children)
            vitals.close()


def _start(name: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "worldtick.cli.main", "run", name, "--port", "0"])


def _look(child: _Child, vitals: Vitals) -> None:
    code, now = child.process.poll(), time.monotonic()
    vitals.part(child.name, code is None, "" if code is None else f"ended with {code}")
    if code is None:
        return
    if child.again_at == 0.0:
        child.deaths = 1 if now - child.started > LIVED_S else child.deaths + 1
        child.again_at = now + backoff_s(child.deaths - 1, BACKOFF_S)
        fields = {"service": child.name, "code": code, "again_in_s": round(child.again_at - now, 1)}
        log.error("process_died", extra=fields)
    elif now >= child.again_at:
        child.process, child.started, child.again_at = _start(child.name), now, 0.0


def _end(children: Sequence[_Child]) -> None:
    """Ask all to end at once; kill those that do not in time."""
    for child in children:
        child.process.terminate()
    deadline = time.monotonic() + END_S_MAX
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("process_killed", extra={"service": child.name})
            child.process.kill()
            child.process.wait()
