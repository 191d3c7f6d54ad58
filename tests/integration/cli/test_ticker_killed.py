"""A ticker that is killed with SIGKILL, in a process of its own, at each point of its run: the next run makes it whole.
Lives here: real deaths of the one-shot. Not here: races, catch-up (test_ticker), killed workers (tests/chaos)."""

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tests.integration.cli.conftest import Command
from tests.small_worlds import T0, history, make_topics, read_topic, shape
from worldtick.clock.worldtime import HOUR_US, format_unix_us
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

# Patches one function of the ticker so that its n-th call kills the process, then runs the command.
PROGRAM = """
import importlib, os, signal, sys
from worldtick.cli.main import run
module, name, nth = sys.argv[1], sys.argv[2], int(sys.argv[3])
place = importlib.import_module(module)
owner, _, name = name.rpartition(".")
place = getattr(place, owner) if owner else place
real = getattr(place, name)
calls = 0
def deadly(*args, **more):
    global calls
    calls += 1
    if calls == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **more)
setattr(place, name, deadly)
sys.exit(run(sys.argv[4:]))
"""


@pytest.mark.parametrize(
    ("module", "name", "nth", "sealed", "rung"),
    [
        ("worldtick.ticker.seals", "save_clocks", 1, 0, set[int]()),  # within the sealing transaction
        ("worldtick.ticker.publishing", "Publisher.publish", 2, 25, set[int]()),  # between sealing and publishing
        ("worldtick.ticker.publishing", "raise_published", 1, 25, set(range(1, 26))),  # rung, but not noted
    ],
    ids=["sealing", "sealed", "rung"],
)
def test_killed_the_next_run_makes_it_whole(
    worldtick: Command,
    pool: Pool,
    kafka: str,
    topic_prefix: str,
    module: str,
    name: str,
    nth: int,
    sealed: int,
    rung: set[int],
) -> None:
    make_topics(kafka, topic_prefix)
    assert worldtick("world", "create", "w", "--scenario", "night_city", "--first-at", format_unix_us(T0)).code == 0
    with transaction(pool) as conn:
        key = keys_of(conn, ["w"])["w"][0]
    run = ["ticker", "--type", "hourly", "--at", format_unix_us(T0 + 23 * HOUR_US)]
    died = subprocess.run([sys.executable, "-c", PROGRAM, module, name, str(nth), *run], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert len(history(pool, key)) == sealed
    assert set(_rung(kafka, topic_prefix)) == rung
    again = worldtick(*run, "--json")
    assert (again.code, again.row["published"]) == (0, 25)
    ticks = history(pool, key)
    assert shape(ticks)[-2:] == [(24, "hourly", 24, 24), (25, "daily", 1, 24)]
    assert [tick.seq for tick in ticks] == list(range(1, 26))
    assert set(_rung(kafka, topic_prefix)) == set(range(1, 26))
    assert len({tick.tick_id for tick in ticks}) == 25
    assert worldtick(*run, "--json").row["published"] == 0


def _rung(kafka: str, prefix: str) -> Counter[int]:
    return Counter(json.loads(record.value())["data"]["seq"] for record in read_topic(kafka, prefix + "world.tick"))
