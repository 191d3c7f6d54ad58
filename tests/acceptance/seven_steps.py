"""The seven steps of the integration flow, on the installation that the environment names; each prints ok, or why not.
Lives here: `python -m tests.acceptance.seven_steps [--without NAME]`. Not here: its test (test_seven_steps).

What is left out must be missed: that is what --without is for."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from worldtick.cli.demo_cast import Cast, Member, scrape
from worldtick.cli.demo_evidence import counted_by_metrics
from worldtick.cli.settings import load
from worldtick.contracts.errors import Unavailable

LOOK_S = 0.1
WORLD = "seven-steps"
MARKETS = 20
PARTS = ("economy", "control", "observer")


class Missing(Exception):
    """A step did not bring what it should."""


@dataclass
class Flow:
    """One run through the steps."""

    cast: Cast
    without: frozenset[str]
    within_s: float  # of each step's effect
    slot: str = ""
    running: dict[str, Member] = field(default_factory=dict)

    def steps(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """(what, how) of each step; how says what it saw, or raises Missing."""
        yield "Kafka and PostgreSQL are up, topics and tables made", self.servers
        yield "the economy is up and consumes hourly ticks", lambda: self.service("economy")
        yield "the world's simulation is up: control and observer consume all ticks", self.others
        yield "a tick is triggered by hand", self.trigger
        yield "markets clear, in the economy's log", self.clearing
        yield "events are on the topic, and were counted", self.events
        yield "rows are in market_state", self.rows

    def servers(self) -> str:
        """Step 1."""
        _worldtick("up")
        _worldtick("world", "create", WORLD, "--scenario", "night_city")
        return f"world {WORLD} created"

    def service(self, name: str) -> str:
        """Step 2, and half of step 3."""
        if name in self.without:
            return f"{name} left out"
        self.running[name] = self.cast.start(name, ["run", name])
        self.cast.await_ready([self.running[name]])
        return f"{name} answers at port {self.running[name].port}"

    def others(self) -> str:
        """Step 3."""
        return ", ".join(self.service(name) for name in ("control", "observer"))

    def trigger(self) -> str:
        """Step 4: pasted into Kafka's own console producer, sealed by control."""
        line = _worldtick("tick", "template", "hourly", "--world", WORLD)
        self.slot = str(json.loads(line)["data"]["game_time"])
        topic = load().topic_prefix + "world.tick.hourly"
        _worldtick("stack", "tool", "console-producer", "--topic", topic, said=line)
        self._until(lambda: self._sealed() == 1, "the pasted tick was not sealed: is control running?")
        return f"hourly tick of {self.slot} sealed as seq 1"

    def clearing(self) -> str:
        """Step 5."""
        self._until(
            lambda: len(self._cleared_in_log()) == MARKETS, "no market cleared in the log: is the economy running?"
        )
        first = self._cleared_in_log()[0]
        return f"{MARKETS} markets, {first['market_id']} at {first['price_ticks']} price ticks"

    def _cleared_in_log(self) -> list[dict[str, Any]]:
        if "economy" not in self.running:
            return []
        lines = self.running["economy"].log.read_text("utf-8").rpartition("\n")[0].splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in said if line["event"] == "market_cleared" and line["world"] == WORLD]

    def events(self) -> str:
        """Step 6: as a reader sees them, and as the observer counts them."""
        said = _worldtick("tail", "simulation.event", "--from-beginning", "--json", "--world", WORLD).splitlines()
        records = [json.loads(line)["record"] for line in said]
        cleared = [record for record in records if record["event_type"] == "simulation.event.market_cleared"]
        if len(cleared) != MARKETS or {record["timestamp"] for record in cleared} != {self.slot}:
            raise Missing(f"{len(cleared)} market_cleared events, and {MARKETS} of {self.slot} should be there")
        observer = self.running.get("observer")
        if observer is None:
            raise Missing("nobody counts them: is the observer running?")
        self._until(
            lambda: counted_by_metrics(scrape(observer.port))["market_cleared"] >= MARKETS,
            "the observer has not counted them",
        )
        return f"{len(records)} events of slot {self.slot}"

    def rows(self) -> str:
        """Step 7."""
        with psycopg.connect(load().database_url) as conn:
            row = conn.execute(
                "select count(*), sum(volume) from market_state join world using (world_key) where world_id = %s",
                (WORLD,),
            ).fetchone()
        if row is None or row[0] != MARKETS:
            raise Missing(f"{row and row[0]} rows, and {MARKETS} should be there")
        return f"{row[0]} rows, {row[1]} units traded"

    def _sealed(self) -> int:
        with psycopg.connect(load().database_url) as conn:
            row = conn.execute("select seq from clock join world using (world_key) where world_id = %s", (WORLD,))
            return int((row.fetchone() or (0,))[0])

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self.within_s
        while not done():
            if time.monotonic() > deadline:
                raise Missing(otherwise)
            time.sleep(LOOK_S)


def _worldtick(*arguments: str, said: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "worldtick.cli.main", *arguments],
        input=said,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise Missing(f"worldtick {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextmanager
def _cast() -> Iterator[Cast]:
    with tempfile.TemporaryDirectory(prefix="seven-steps-") as logs:
        cast = Cast(Path(logs))
        try:
            yield cast
        finally:
            cast.end()


def main(arguments: list[str]) -> int:
    """Walk through the steps; 0 if all are ok, 1 at the first that is not."""
    parser = argparse.ArgumentParser(prog="seven_steps", description=__doc__)
    parser.add_argument("--without", action="append", choices=PARTS, default=[], help="leave this part out")
    parser.add_argument("--within", type=float, default=30.0, help="seconds that a step's effect may take")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        flow = Flow(stack.enter_context(_cast()), frozenset(given.without), given.within)
        for number, (what, how) in enumerate(flow.steps(), start=1):
            try:
                sys.stdout.write(f"{number}. {what}: ok ({how()})\n")
            except (Missing, Unavailable) as missing:
                sys.stdout.write(f"{number}. {what}: FAILED ({missing})\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
