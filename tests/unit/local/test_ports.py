"""Ports and marks of servers, without any server.
Lives here: choosing ports, what a daemon's mark says. Not here: Kafka and PostgreSQL (integration/test_stack)."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from worldtick.local.daemon import Daemon, launch, wait_until
from worldtick.local.ports import COUNT, FIRST, free_ports, is_free, is_open

SLEEPER = (
    "import signal, sys, time\nsignal.signal(signal.SIGTERM, signal.{})\nprint('ERROR up', flush=True)\ntime.sleep(60)"
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon known by a marker, not started; whatever it started is killed."""
    made = Daemon("Sleeper", tmp_path / "sleeper.pid", tmp_path / "sleeper.log", str(tmp_path / "marker"))
    yield made
    made.resume()
    made.kill()


def _start(daemon: Daemon, on_term: str = "SIG_DFL") -> int:
    pid = launch([sys.executable, "-c", SLEEPER.format(on_term), daemon.marker], daemon.log)
    daemon.remember(pid)
    assert wait_until(lambda: daemon.log.exists() and "up" in daemon.log.read_text("utf-8"), 10)
    return pid


def test_the_same_directory_gets_the_same_free_ports(tmp_path: Path) -> None:
    first = list(islice(free_ports(tmp_path), 3))
    assert first == list(islice(free_ports(tmp_path), 3))
    assert all(FIRST <= port < FIRST + COUNT for port in first)
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", first[0]))
        somebody.listen()
        assert not is_free(first[0])
        assert is_open(first[0])
        assert next(free_ports(tmp_path)) == first[1]
    assert not is_open(first[0])


def test_a_daemon_outlives_its_starter_and_is_stopped(daemon: Daemon) -> None:
    pid = _start(daemon)
    assert daemon.is_running()
    assert daemon.pid() == pid
    assert os.getsid(pid) != os.getsid(0)
    assert daemon.last_words() == "ERROR up"
    daemon.open_chapter()
    assert daemon.last_words() == ""
    daemon.stop(5)
    assert not daemon.is_running()
    assert not daemon.pid_file.exists()


def test_a_paused_daemon_runs_and_can_still_be_stopped(daemon: Daemon) -> None:
    _start(daemon)
    daemon.pause()
    assert daemon.is_running()
    daemon.stop(5)
    assert not daemon.is_running()


def test_a_daemon_that_does_not_listen_is_killed(daemon: Daemon) -> None:
    _start(daemon, "SIG_IGN")
    daemon.stop(0.2)
    assert not daemon.is_running()


@pytest.mark.parametrize(
    "mark", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "started_s": 1}', '{"pid": 1, "started_s": 1}']
)
def test_a_mark_that_says_nothing_is_nobody(daemon: Daemon, mark: str) -> None:
    daemon.pid_file.write_text(mark, "utf-8")
    assert daemon.process() is None
    assert daemon.family() == []
    daemon.signal(signal.SIGTERM)  # nobody hears it


def test_a_reused_pid_is_nobody(daemon: Daemon) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", daemon.marker], stdin=subprocess.PIPE) as other:
        daemon.remember(other.pid)
        assert wait_until(daemon.is_running, 5)  # its command line can be read a moment after it started
        mark = json.loads(daemon.pid_file.read_text("utf-8"))
        daemon.pid_file.write_text(json.dumps({**mark, "started_s": mark["started_s"] - 60}), "utf-8")
        assert not daemon.is_running()
        daemon.pid_file.write_text(json.dumps({**mark, "pid": os.getpid()}), "utf-8")
        assert not daemon.is_running()
        other.kill()


def test_a_daemon_without_log_says_so(daemon: Daemon) -> None:
    assert daemon.last_words() == "(it wrote no log)"
