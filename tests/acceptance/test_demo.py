"""The demo on real servers: it proves what it says, it finds what was tampered with, and it leaves nothing running.
Lives here: the command as people run it. Not here: each line of the proof (test_demo_proof)."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psutil
import psycopg
import pytest
from confluent_kafka import Producer

from tests.acceptance.conftest import COMMAND, COMMAND_S_MAX, Installation
from tests.small_worlds import read_topic
from tests.waiting import until
from worldtick.cli import demo_evidence
from worldtick.cli.demo_evidence import Before, Subject
from worldtick.cli.demo_proof import prove
from worldtick.cli.demo_stage import SCENARIO, lagging_scenario
from worldtick.cli.settings import Settings
from worldtick.store.db import open_pool

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

HOURS = 26  # a midnight lies within
SEED = 7
PROMISES = {
    "ticks",
    "ledger",
    "events",
    "events per tick",
    "market_state",
    "metrics",
    "records",
    "money",
    "goods",
    "society",
}


def _failing(installation: Installation, killed_pid: int) -> set[str]:
    """The lines of the proof that fail now, gathered from the servers anew."""
    settings = Settings.from_env(installation.environment)
    scenario = lagging_scenario(SCENARIO)
    section = scenario.sections["economy"]
    pool = open_pool(installation.database_url, 2, "test-demo")
    try:
        since = Before({}, {}, {}, finished=0, sealed=0)
        read = demo_evidence.read_topics(settings, pool, "demo-1", since)
        subject = Subject("demo-1", 1, SEED, section, scenario.rules.epoch_s)  # type: ignore[arg-type]
        evidence = demo_evidence.gather(pool, settings, subject, read, since, {}, hours=HOURS, killed_pid=killed_pid)
    finally:
        pool.close()
    return {line.name for line in prove(evidence) if not line.ok}


def test_the_demo_proves_itself_and_finds_what_is_tampered_with(bare_installation: Installation) -> None:
    """A run with a paste and a kill holds; a doubled event, a lost ledger row and a changed price do not."""
    installation = bare_installation
    done = installation.run("demo", "--hours", HOURS, "--hour-every", "250ms", "--seed", SEED, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["passed"]
    proof = {line["name"]: line for line in told["proof"]}
    assert set(proof) == PROMISES | {"digests", "killed worker"}
    assert all(line["ok"] and not line["faults"] for line in told["proof"])
    hourly = proof["ticks"]["figures"]["hourly"]
    assert proof["ticks"]["figures"] == {"hourly": hourly, "daily": 1, "pasted": 1}
    assert hourly in (HOURS + 1, HOURS + 2)  # the latter where Kafka's producer needed longer than all hours
    assert proof["events"]["figures"] == {"events": hourly * 21, "stored": hourly * 21, "lost": 0, "doubled": 0}
    killed = int(proof["killed worker"]["figures"]["pid"])

    assert _failing(installation, killed) == set()
    events = f"{installation.prefix}simulation.event"
    twice = read_topic(installation.kafka, events)[-1]
    producer = Producer({"bootstrap.servers": installation.kafka})
    producer.produce(events, key=twice.key(), value=twice.value())
    assert producer.flush(30) == 0
    assert {"events", "events per tick"} <= _failing(installation, killed)
    with closing(psycopg.connect(installation.database_url, autocommit=True)) as conn:
        conn.execute(
            "update market_state set price_ticks = price_ticks + 1 where seq = 3 and market_id = 'Watson/Food'"
        )
        conn.execute("delete from ledger where version = 5")
    assert {"events", "ledger", "digests", "market_state"} <= _failing(installation, killed)


@pytest.fixture
def demo_under_way(bare_installation: Installation) -> Iterator["subprocess.Popen[str]"]:
    """A demo whose hours pass."""
    with subprocess.Popen(
        [*COMMAND, "demo", "--hours", "200"],
        env=bare_installation.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as popen:
        try:
            yield popen
        finally:
            popen.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_ends_all_that_it_started(
    demo_under_way: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    """Workers, control, observer, ticker and Kafka's producer."""
    assert demo_under_way.stdout is not None
    until_hour = time.monotonic() + COMMAND_S_MAX
    for line in demo_under_way.stdout:
        assert time.monotonic() < until_hour
        if " hour " in line:
            break
    started = psutil.Process(demo_under_way.pid).children(recursive=True)
    assert len(started) >= 6, started
    demo_under_way.send_signal(number)
    assert demo_under_way.wait(60) == 130
    until(lambda: not any(process.is_running() for process in started), 10)
