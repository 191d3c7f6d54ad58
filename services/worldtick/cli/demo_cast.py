"""The demo's processes: services, control, observer and ticker, each its own `worldtick`, ended together.
Lives here: starting them, their logs, when they are ready, killing one. Not here: what happens when (demo)."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worldtick.cli.settings import child_environment
from worldtick.contracts.errors import Unavailable

READY_S_MAX: Final = 60.0  # on a machine that is busy with other things as well
END_S_MAX: Final = 20.0
LOOK_S: Final = 0.05
ASK_S: Final = 5.0
SESSION_S: Final = 2  # a killed worker's share is given to the others after so long
LOG_TAIL_BYTES: Final = 65_536
LOG_LINES_SHOWN: Final = 5


@dataclass(slots=True)
class Member:
    """One process. `name` is that of its log file."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    port: int = 0
    killed: bool = False  # by the demo itself: its end is no surprise

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    @property
    def lives(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """The last lines of its log."""
        tail = self.log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
        return "\n".join(tail.strip().splitlines()[-LOG_LINES_SHOWN:]) or "nothing"


@dataclass(slots=True)
class Cast:
    """All processes of one demo. `wait` is how the demo waits, so that it can be interrupted and shown."""

    logs: Path
    wait: Callable[[float], None] = time.sleep
    members: list[Member] = field(default_factory=list)

    def start(self, name: str, arguments: Sequence[str]) -> Member:
        """Start `worldtick ARGUMENTS`; what it says goes to its own file."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        environment = child_environment(
            PORT="0", LOG_FORMAT="json", LOG_LEVEL="info", WORLDTICK_SESSION_TIMEOUT_S=str(SESSION_S)
        )
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "worldtick.cli.main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends them in order
            )
        member = Member(name, process, log)
        self.members.append(member)
        return member

    def await_ready(self, members: Sequence[Member]) -> None:
        """Wait until each says that it is fit to work. Raises Unavailable with the log of one that is not."""
        deadline = time.monotonic() + READY_S_MAX
        for member in members:
            while not _is_ready(member):
                self.check()
                if time.monotonic() > deadline:
                    raise Unavailable(_sentence(member, f"is not ready within {READY_S_MAX:.0f} s"))
                self.wait(LOOK_S)

    def check(self) -> None:
        """Raises Unavailable if a process has ended that should not have."""
        for member in self.members:
            if not member.killed and not member.lives:
                raise Unavailable(_sentence(member, f"ended with {member.process.returncode}"))

    def of_pid(self, pid: int) -> Member | None:
        """The living member that has this process id."""
        return next((member for member in self.members if member.pid == pid and member.lives), None)

    def kill(self, member: Member) -> None:
        """End a process as the kernel does when memory is short: at once, with nothing said."""
        member.killed = True
        member.process.send_signal(signal.SIGKILL)
        member.process.wait(END_S_MAX)

    def end(self, members: Sequence[Member] | None = None) -> list[str]:
        """Ask these, or all, to end, and wait; names of those that had to be killed."""
        ending = [member for member in (self.members if members is None else members) if member.lives]
        for member in ending:
            member.killed = True
            member.process.terminate()
        deadline = time.monotonic() + END_S_MAX
        stubborn = []
        for member in ending:
            try:
                member.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                stubborn.append(member.name)
                member.process.kill()
                member.process.wait()
        return stubborn


def scrape(port: int) -> str:
    """A process's metrics as text. Raises Unavailable."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=ASK_S) as answer:
            return str(answer.read().decode())
    except OSError as away:
        raise Unavailable(f"no metrics at port {port}: {away}") from away


def _is_ready(member: Member) -> bool:
    port = member.port = member.port or _port_in(member.log)
    if not port:
        return False
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=ASK_S) as answer:
            return bool(answer.status == 200)
    except (urllib.error.HTTPError, OSError):
        return False


def _port_in(log: Path) -> int:
    """The port that a process says it answers at; 0 while it has not said any."""
    for line in log.read_text("utf-8", "replace").splitlines():
        if '"vitals_served"' in line and line.startswith("{") and line.endswith("}"):
            return int(json.loads(line).get("port", 0))
    return 0


def _sentence(member: Member, what: str) -> str:
    return f"{member.name} {what}; its log {member.log} ends with:\n{member.last_words()}"
