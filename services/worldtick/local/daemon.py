"""A server that outlives the command which started it.
Lives here: its mark on disk, whether it still runs, signals. Not here: what it serves (broker, postgres)."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

START_TOLERANCE_S = 5.0  # psutil derives start times from the boot time, which a clock step can move
POLL_S = 0.05
TAIL_LINES = 5


class Daemon:
    """One server process, known by its pid, its start time and a word of its command line.

    name: for messages; pid_file: where its mark is kept; log: what it says;
    marker: a path that only its command line holds.
    """

    stop_signal = signal.SIGTERM

    def __init__(self, name: str, pid_file: Path, log: Path, marker: str) -> None:
        self.name = name
        self.pid_file = pid_file
        self.log = log
        self.marker = marker
        self._log_from_byte = 0

    def process(self) -> psutil.Process | None:
        """The running process, or None: a stale mark, a reused pid and a zombie are none."""
        try:
            mark = json.loads(self.pid_file.read_text("utf-8"))
            process = psutil.Process(int(mark["pid"]))
            alive = (
                process.status() != psutil.STATUS_ZOMBIE
                and abs(process.create_time() - float(mark["started_s"])) < START_TOLERANCE_S
                and any(self.marker in word for word in process.cmdline())
            )
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return None  # no mark, a torn one, or nobody there: it does not run
        return process if alive else None

    def is_running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self.process() is not None

    def pid(self) -> int | None:
        """Its process id while it runs."""
        process = self.process()
        return process.pid if process else None

    def remember(self, pid: int) -> None:
        """Keep the mark of a process that was just started."""
        started_s = psutil.Process(pid).create_time()
        fresh = self.pid_file.with_suffix(".new")
        fresh.write_text(json.dumps({"pid": pid, "started_s": started_s}), "utf-8")
        fresh.replace(self.pid_file)

    def family(self) -> list[psutil.Process]:
        """The process and all its children."""
        process = self.process()
        if process is None:
            return []
        try:
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children; those that are gone are fine."""
        for member in self.family():
            _send(member, number)

    def kill(self, wait_s: float = 10.0) -> None:
        """SIGKILL, at once: what a crash looks like. Its children notice by themselves."""
        process = self.process()
        if process is not None:
            _send(process, signal.SIGKILL)
            wait_until(lambda: not self.is_running(), wait_s)

    def pause(self) -> None:
        """SIGSTOP: it hangs, its connections stay open."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where it stood."""
        self.signal(signal.SIGCONT)

    def stop(self, wait_s: float = 30.0) -> None:
        """Ask it to end; after `wait_s` SIGKILL it and what is left of it."""
        process = self.process()
        if process is not None:
            family = self.family()
            _send(process, self.stop_signal)
            self.resume()  # a paused process would not hear it
            if not wait_until(lambda: not self.is_running(), wait_s):
                for member in family:
                    _send(member, signal.SIGKILL)
                wait_until(lambda: not self.is_running(), wait_s)
        self.pid_file.unlink(missing_ok=True)

    def open_chapter(self) -> None:
        """From here on, `last_words` quotes nothing that stands in the log already."""
        self._log_from_byte = self.log.stat().st_size if self.log.exists() else 0

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(min(self._log_from_byte, size), size - 16_384))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return "(it wrote no log)"
        telling = [line for line in lines if any(word in line for word in ("ERROR", "FATAL", "xception", "rror:"))]
        return "\n".join((telling or lines)[-TAIL_LINES:])


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # it ended first, which is what a signal may find


def launch(argv: Sequence[str], output: Path) -> int:
    """Start a command that belongs to nobody: no terminal, no parent, its output to a file. Returns its pid."""
    # The shell ends at once, so the server is nobody's child and leaves no zombie in a long test run.
    line = '"$@" >>"$0" 2>&1 </dev/null & echo $!'
    started = subprocess.run(
        ["/bin/sh", "-c", line, str(output), *argv],
        start_new_session=True,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return int(started.stdout)


def wait_until(done: Callable[[], bool], seconds_max: float) -> bool:
    """Poll until `done` or the time is up; says which."""
    deadline = time.monotonic() + seconds_max
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
