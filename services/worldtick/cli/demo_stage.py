"""The demo's course: processes up, a world created, hours pass, a tick is pasted, a worker killed, evidence gathered.
Lives here: what happens when, and when it is stuck. Not here: processes (demo_cast), evidence, proof, drawing."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import yaml

from worldtick.cli import demo_evidence
from worldtick.cli.catalogue import catalogue
from worldtick.cli.demo_cast import Cast, Member, scrape
from worldtick.cli.demo_proof import Evidence
from worldtick.cli.demo_screen import Screen, View
from worldtick.cli.settings import Settings
from worldtick.clock.slots import is_midnight
from worldtick.clock.worldtime import HOUR_US, SECOND_US, WorldTime, format_unix_us, format_world_time
from worldtick.contracts.errors import Refused, Unavailable
from worldtick.contracts.topics import WORLD_TICK_HOURLY
from worldtick.control.creation import archive_world, create_world
from worldtick.control.scenario import Scenario, find_scenario, read_scenario
from worldtick.control.template import nameless_line
from worldtick.economy.scenario import EconomyScenario
from worldtick.store.clocks import ClockView, find_view
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.markets import newest_markets
from worldtick.store.notices import wait_for_slices
from worldtick.store.relations import standing_relations
from worldtick.store.standing import finishes, sealed_totals
from worldtick.store.ticks import list_ticks
from worldtick.store.worlds import keys_of, slice_positions

SCENARIO: Final = "night_city"
SERVICE: Final = demo_evidence.SERVICE
SOCIETY: Final = "society"
DEMOS_MAX: Final = 10_000  # worlds demo-1, demo-2, ... of one database
LOOK_S: Final = 0.05
NOTICE_S: Final = 5.0
SPARE_S: Final = 60.0  # what a run may take beyond its hours before it is called stuck
RECENT_TICKS: Final = 8
TICKS_MAX: Final = 1_000  # of one demo


@dataclass(frozen=True, slots=True)
class Plot:
    """What is to happen."""

    hours: int  # by the ticker
    hour_every_us: int
    seed: int
    tool: list[str]  # the command line of Kafka's console producer

    @property
    def paste_at(self) -> int:
        """The hour after which a tick is pasted."""
        return self.hours // 3

    @property
    def kill_at(self) -> int:
        """The hour after which a worker is killed."""
        return 2 * self.hours // 3

    @property
    def hours_all(self) -> int:
        """The pasted one included. Where that comes late, after all of the ticker's, there is one more."""
        return self.hours + 1

    @property
    def until_us(self) -> int:
        """The world time that the ticker does not go beyond."""
        return self.hours_all * HOUR_US


@dataclass(slots=True)
class Stage:
    """One demo."""

    settings: Settings
    pool: Pool
    screen: Screen
    plot: Plot
    scenario: Scenario = field(default_factory=lambda: lagging_scenario(SCENARIO))
    world: str = ""
    world_key: int = 0
    killed_pid: int | None = None

    @property
    def logs(self) -> Path:
        """Where the processes' logs are."""
        return self.settings.state_dir / "demo" / self.world

    @property
    def section(self) -> EconomyScenario:
        """The economy's part of the scenario."""
        section = self.scenario.sections[SERVICE]
        assert isinstance(section, EconomyScenario)
        return section

    def play(self) -> Evidence:
        """Everything, in order. Raises Unavailable if a process ends or nothing moves any more, Refused."""
        self.world = self._free_name()
        for old in self.logs.glob("*.log"):
            old.unlink()  # of another database's demo of this name
        cast = Cast(self.logs)
        with self.screen, self._producer() as producer:
            self._warm_up()
            try:
                observer, others, since = self._raise_curtain(cast)
                self._live(cast, producer, others)
                self._leave(since)
                self.screen.say(
                    "all hours are there: ending ticker, control and workers, counting what is on the topics"
                )
                cast.end(others)
                read = demo_evidence.read_topics(self.settings, self.pool, self.world, since)
                metrics = demo_evidence.await_metrics(lambda: scrape(observer.port), since, read.counts, time.sleep)
                cast.end()
            finally:
                cast.end()
                if self.world_key:
                    archive_world(self.pool, self.world)
            self.screen.say(f"living the same {self.plot.hours_all} hours once more in this process, undisturbed")
            return self._gather(read, since, metrics)

    def _warm_up(self) -> None:
        """Compile in this process, so that the workers find it done, and do not do it all at the same time."""
        self.screen.say("getting the services ready; the first time they are compiled, which takes some ten seconds")
        for service in (SERVICE, SOCIETY):
            warm_up = catalogue()[service].warm_up
            if warm_up is not None:
                warm_up()

    def _free_name(self) -> str:
        with transaction(self.pool) as conn:
            taken = keys_of(conn, [f"demo-{number}" for number in range(1, DEMOS_MAX)])
        number = next((number for number in range(1, DEMOS_MAX) if f"demo-{number}" not in taken), None)
        if number is None:
            raise Refused(f"{DEMOS_MAX} demos have been played on this database: `worldtick down --wipe`")
        return f"demo-{number}"

    @contextmanager
    def _producer(self) -> Iterator["subprocess.Popen[str]"]:
        """Kafka's console producer, waiting for what is pasted: Java needs a second or two to come up."""
        topic = self.settings.topic_prefix + WORLD_TICK_HOURLY
        command = [*self.plot.tool, "--bootstrap-server", self.settings.kafka_bootstrap_servers, "--topic", topic]
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "console-producer.log").open("w") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True, start_new_session=True
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()

    def _raise_curtain(self, cast: Cast) -> tuple[Member, list[Member], demo_evidence.Before]:
        """Processes up, then the world, then its ticker: (observer, the others, what stood before the world)."""
        self.screen.say("starting two workers of the economy, one of society, control and the observer")
        observer = cast.start("observer", ["run", "observer"])
        others = [cast.start("control", ["run", "control"])]
        others += [cast.start(f"economy-{number}", ["run", SERVICE]) for number in (1, 2)]
        others.append(cast.start("society-1", ["run", SOCIETY]))
        cast.await_ready([observer, *others])
        since = demo_evidence.before(self.settings, self.pool)
        self._create()
        plot = self.plot
        until = format_unix_us(self.scenario.rules.epoch_s * SECOND_US + plot.until_us)
        pace = f"{plot.hour_every_us // 1_000}ms"
        ticker = cast.start(
            "ticker", ["ticker", "serve", "--world", self.world, "--hour-every", pace, "--until", until]
        )
        self.screen.say(f"world {self.world} from {SCENARIO}, seed {plot.seed}: a game hour every {pace}")
        return observer, [*others, ticker], since

    def _create(self) -> None:
        plan = self.scenario.plan(self.world, time.time_ns() // 1_000, self.plot.seed)
        if not create_world(self.pool, plan, catalogue()):
            raise Refused(f"another demo took the name {self.world} at the same moment: run it again")
        with transaction(self.pool) as conn:
            self.world_key = keys_of(conn, [self.world])[self.world][0]

    def _live(self, cast: Cast, producer: "subprocess.Popen[str]", others: list[Member]) -> None:
        """Until every hour is sealed and finished. Raises Unavailable when that takes too long."""
        plot, pasted = self.plot, False
        deadline = time.monotonic() + plot.hours_all * plot.hour_every_us / SECOND_US + SPARE_S
        while True:
            view, complete = self._look()
            self.screen.show(view)
            cast.check()
            if complete:
                return
            if time.monotonic() > deadline:
                behind = f"{view.hour} of {plot.hours_all} hours are finished and {view.sealed} ticks sealed"
                raise Unavailable(f"the demo is stuck: {behind}; look into the logs in {self.logs}")
            if not pasted and view.hour >= plot.paste_at:
                self._paste(producer)
                pasted = True
            if self.killed_pid is None and view.hour >= plot.kill_at:
                others.append(self._kill(cast))
            time.sleep(LOOK_S)

    def _seqs(self, hours: int) -> int:
        """Ticks of all kinds after so many hours: a midnight has a daily one beside its hourly."""
        epoch_s = self.scenario.rules.epoch_s
        return hours + sum(is_midnight(WorldTime(hour * HOUR_US), epoch_s) for hour in range(1, hours + 1))

    def _look(self) -> tuple[View, bool]:
        """What is shown, and whether everything has happened and is finished."""
        with transaction(self.pool) as conn:
            clock = self._clock(conn)
            markets = newest_markets(conn, self.world_key)
            slices = slice_positions(conn, self.world_key)
            finished = min((row[4] for row in slices if row[0] == SERVICE), default=0)
            days = min((row[4] for row in slices if row[0] == SOCIETY), default=0)
            relations = standing_relations(conn, self.world_key)
            reached = clock.now_us >= self.plot.until_us and clock.seq == self._seqs(clock.hourly_seq)
            done = finished == clock.hourly_seq and days == clock.daily_seq
            complete = reached and done and self._is_pasted(conn)
        at = format_world_time(WorldTime(markets[0].slot_us if markets else 0), clock.epoch_s)
        states = Counter(row.state for row in relations)
        view = View(at, finished, self.plot.hours_all, clock.seq, finished + days, markets, days, states)
        return view, complete

    def _clock(self, conn: Connection) -> ClockView:
        clock = find_view(conn, self.world_key)
        assert clock is not None, "a world has a clock"
        return clock

    def _is_pasted(self, conn: Connection) -> bool:
        return any(tick.triggered_by == "manual" for tick in list_ticks(conn, self.world_key, None, TICKS_MAX))

    def _paste(self, producer: "subprocess.Popen[str]") -> None:
        """One line into Kafka's own console producer, as a person would; it names the world and no slot."""
        line = msgspec.json.decode(nameless_line("hourly"))
        line["data"]["world"] = self.world
        text = msgspec.json.encode(line).decode()
        assert producer.stdin is not None, "it was opened with a pipe"
        try:
            producer.stdin.write(text + "\n")
            producer.stdin.close()  # so that it sends at once, and ends
        except OSError as ended:
            log = self.logs / "console-producer.log"
            raise Unavailable(f"Kafka's console producer ended before anything was pasted; see {log}") from ended
        self.screen.say(f"pasted into Kafka's console producer: {text}")

    def _kill(self, cast: Cast) -> Member:
        """SIGKILL for the worker that has just committed a tick to the database, most likely before it could publish.

        The other one takes over; a new one is started in its place, which is returned.
        """
        member = self._owner(cast)
        wait_for_slices(self.pool, NOTICE_S)
        cast.kill(member)
        self.killed_pid = member.pid
        self.screen.say(f"killed {member.name} (pid {member.pid}) with SIGKILL, right behind one of its commits")
        return cast.start("economy-3", ["run", SERVICE])

    def _owner(self, cast: Cast) -> Member:
        with transaction(self.pool) as conn:
            clock = self._clock(conn)
            recent = finishes(conn, self.world_key, max(1, clock.seq - RECENT_TICKS), clock.seq)
        member = cast.of_pid(recent[-1].pid or 0) if recent else None
        if member is None:
            raise Refused("a worker of the economy that is not the demo's does the work: stop it, then run the demo")
        return member

    def _leave(self, since: demo_evidence.Before) -> None:
        """The world's story ends here: no ticker that runs later moves it. Raises Refused if one did meanwhile."""
        archive_world(self.pool, self.world)
        with transaction(self.pool) as conn:
            clock = self._clock(conn)
            others = sum(sealed_totals(conn)[2:]) - since.sealed - clock.seq
            foreign = others + max(0, clock.seq - self._seqs(self.plot.hours_all + 1))
        if foreign:
            raise Refused(
                f"another ticker has sealed {foreign} ticks on this database meanwhile, and the demo counts everything"
                " that happens: stop it, then run the demo again"
            )

    def _gather(
        self, read: demo_evidence.Read, since: demo_evidence.Before, metrics: dict[str, tuple[int, int]]
    ) -> Evidence:
        return demo_evidence.gather(
            self.pool,
            self.settings,
            demo_evidence.Subject(
                self.world, self.world_key, self.plot.seed, self.section, self.scenario.rules.epoch_s
            ),
            read,
            since,
            metrics,
            hours=self.plot.hours,
            killed_pid=self.killed_pid,
        )


def lagging_scenario(name: str) -> Scenario:
    """A scenario that comes with worldtick, its facts at a fixed lag: then history does not depend on any speed.

    Its economy and society; the proof lives the economy's hours once more in this process.
    """
    document = yaml.safe_load(find_scenario(name).read_text("utf-8"))
    document.setdefault("world", {})["facts"] = "lag"
    services = document["services"]
    document["services"] = {service: services[service] for service in (SERVICE, SOCIETY)}
    # Other names than the districts': the crowd's hunger acts on no market, so the economy can be lived again alone.
    services[SOCIETY]["crowd"]["sectors"] = ["Old Town", "New Town"]
    return read_scenario(yaml.safe_dump(document, sort_keys=False).encode(), f"{name}, facts: lag", catalogue())
