"""`worldtick timers`: what is pending, and what became of what was, on a real worker.
Lives here: the verbs. Not here: what becomes of timers (tests/unit/agenda), the driver (test_event_driver)."""

from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command
from tests.integration.conftest import RunWorker
from tests.small_worlds import T0
from tests.waiting import until
from worldtick.agenda.service import SERVICE
from worldtick.clock.worldtime import HOUR_US, format_unix_us
from worldtick.store.db import Pool, transaction
from worldtick.store.timers import count_fates
from worldtick.store.worlds import keys_of, slice_positions

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

SCENARIO = """
name: chimes
world: {epoch: 2024-01-14T00:00:00Z, grids: [hourly]}
services:
  agenda:
    timers:
      - {id: bell, after: 30m, every: 1h, payload: {rings: 1}}
      - {id: dawn, after: 6h, then: {service: agenda, name: timer_cancel, args: {id: bell}}}
"""


def test_pending_timers_and_fates_are_listed(
    worldtick: Command, pool: Pool, topics: str, run_worker: RunWorker, tmp_path: Path
) -> None:
    file = tmp_path / "chimes.yaml"
    file.write_text(SCENARIO, "utf-8")
    assert worldtick("world", "create", "w", "--scenario", file, "--first-at", format_unix_us(T0)).code == 0
    rows = worldtick("timers", "list", "w", "--json").rows
    assert [(row["timer"], row["at"], row["source"]) for row in rows] == [
        ("bell", "2024-01-14T00:30:00Z", "scenario"),
        ("dawn", "2024-01-14T06:00:00Z", "scenario"),
    ]
    assert (
        worldtick("directive", "add", "w", "agenda", "timer_add", "id=noon", "at=2024-01-14T13:00:00+01:00").code == 0
    )
    wrong = worldtick("directive", "add", "w", "agenda", "timer_add", "id=noon", "at=2024-01-14T13:00:00")
    assert (wrong.code, "no zone" in wrong.err) == (2, True)
    assert worldtick("ticker", "--type", "hourly", "--at", format_unix_us(T0 + 2 * HOUR_US)).code == 0
    with run_worker(SERVICE):
        until(lambda: _place(pool) == 3)
    said = worldtick("timers", "list", "w")
    assert [line.split()[1] for line in said.out.splitlines()] == ["TIMER", "bell", "dawn", "noon"]
    assert "3600" in said.out
    first = worldtick("timers", "list", "w", "--json", "--limit", 1).row
    assert (first["at"], first["times"], first["payload"]) == ("2024-01-14T03:30:00Z", 3, {"rings": 1})
    assert "1 of 3 timers" in worldtick("timers", "list", "w", "--limit", 1).err
    fates = worldtick("timers", "fates", "w", "--json").rows
    assert [(row["seq"], row["timer"], row["fate"]) for row in fates] == [(n, "bell", "fired") for n in (3, 2, 1)]
    assert "2024-01-14T02:30:00Z" in worldtick("timers", "fates", "w").out
    with transaction(pool) as conn:
        assert count_fates(conn, keys_of(conn, ["w"])["w"][0], 2, 3) == {"fired": 2, "skipped": 0}


def test_a_world_without_an_agenda_has_no_timers(worldtick: Command) -> None:
    assert worldtick("world", "create", "t", "--scenario", "tiny").code == 0
    for verb in ("list", "fates"):
        refused = worldtick("timers", verb, "t")
        assert (refused.code, "has no 'agenda'" in refused.err) == (1, True)


def _place(pool: Pool) -> int:
    with transaction(pool) as conn:
        return slice_positions(conn, keys_of(conn, ["w"])["w"][0])[0][4]
