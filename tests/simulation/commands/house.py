"""The house of one schedule: control's members, tickers, services and people, and who of them acts next.
Lives here: processes that are killed and begun anew, and the end at which all comes to rest. Not here: what must hold
(promises), what befalls them (seams)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from tests.simulation.commands.database import SimPool
from tests.simulation.commands.link import Bus, SimLink, SimPublisher
from tests.simulation.commands.people import PASTES, Asked, People, last_wish
from tests.simulation.commands.plan import Plan
from tests.simulation.commands.records import keys_of_all, owed_in
from tests.simulation.commands.seams import Killed, Seams
from tests.simulation.commands.services import AGENDA, finish
from tests.simulation.commands.wall import Wall
from tests.small_worlds import CATALOGUE, make_world
from worldtick.clock.course import Pace
from worldtick.clock.firings import floor_firing
from worldtick.clock.worldtime import HOUR_US, SECOND_US, WallTime
from worldtick.contracts.commands import CONTROL_TOPIC
from worldtick.contracts.errors import Unavailable
from worldtick.contracts.wire import EventWriter
from worldtick.control.commands import Reach
from worldtick.control.desk import Desk, Outgoing, Rules
from worldtick.control.hearing import Hearing, Manners
from worldtick.control.room import TICK_TOPICS, Room
from worldtick.runtime.errors import Fenced
from worldtick.store.clocks import ClockView, find_views
from worldtick.ticker.orders import Order
from worldtick.ticker.pacer import Pacer
from worldtick.ticker.run import run_ticker
from worldtick.ticker.turns import Pacing

ALL: Final = {**CATALOGUE, AGENDA.name: AGENDA}
ROUNDS_MAX: Final = 80  # until all has come to rest
MOMENT_US: Final = 100_000  # between two actions, at most
LOOKS: Final = 3  # of a ticker in one of them


class Member:
    """A process of control, and those that follow it when it dies."""

    def __init__(self, house: "House", make: Callable[..., Room]) -> None:
        self._house, self._make = house, make
        self._begin()

    def _begin(self) -> None:
        house = self._house
        pool = house.pool.face
        self.link = SimLink(house.bus)
        hearing = Hearing(pool, ALL, Manners(per_minute=house.plan.per_minute), Reach(house.writer))
        desk = Desk(pool, ALL, Rules(default_world="w0"))
        self.room = self._make(self.link, desk, pool, house.writer, hearing=hearing)

    def act(self) -> None:
        """One turn."""
        self.link.alone.clear()
        try:
            self.room.go_on()
        except (Fenced, Unavailable) as failed:
            self._house.tell(f"{self.link.name} fails: {failed}")
            self._house.excused.update(self.link.alone)
        except Killed:
            self._house.excused.update(self.link.alone)
            self._house.bury(self.link)
            self._begin()

    def stop(self) -> None:
        """A clean end, and the next one's begin."""
        try:
            self.room.leave()
            self.link.close()
        except Killed:
            self._house.bury(self.link)
        self._begin()


class Ticker:
    """A ticker's process, and those that follow it: a pacer, and the runs of a schedule."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._begin()

    def _begin(self) -> None:
        pool, bus = self._house.pool.face, self._house.bus
        self._publisher = SimPublisher(bus, self._house.writer)
        self._pacer = Pacer(pool, self._publisher, Pacing(ALL), wall=self._house.wall)
        self._begun = False

    def act(self) -> None:
        """One look of the pacer, as Pacer.run_until makes them; sometimes a run of the schedule."""
        try:
            if not self._begun:
                self._publisher.publish(self._house.pool.face, None)
                self._begun = True
            self._pacer.look()
            if self._house.scheduled and self._house.rng.random() < 0.2:
                self._run()
        except Unavailable as failed:
            self._house.tell(f"ticker fails: {failed}")
            self._begun = False
        except Killed:
            self._begin()

    def _run(self) -> None:
        firing = floor_firing(WallTime(self._house.wall.us), HOUR_US)
        for kind in ("hourly", "daily"):
            order = Order("hourly" if kind == "hourly" else "daily", firing, HOUR_US)
            run_ticker(self._house.pool.face, self._publisher, ALL, order)


class House:
    """One schedule."""

    def __init__(self, plan: Plan, pool: SimPool, room: Callable[..., Room], trace: list[str] | None = None) -> None:
        self.plan, self.pool = plan, pool
        self.rng = Random(plan.seed)
        self.wall = Wall()
        self.writer = EventWriter()
        self._trace = trace
        self.seams = Seams(self.rng, plan, self.act, self.tell)
        pool.begin(self.seams)
        self.bus = Bus(plan.partitions, self.seams)
        self.bus.stamp_ms = lambda: self.wall.us // 1_000
        self.keys = self._make_worlds()
        self.scheduled = plan.modes or any(world.driver == "scheduled" for world in plan.worlds)
        self.asked: dict[tuple[int, int], Asked] = {}  # by the partition and offset of their records
        self.pasted: set[tuple[str, int]] = set()  # topic and offset of what people put on the tick topics
        self.excused: Counter[str] = Counter()  # event ids that may be said again: their process failed after saying it
        self.checks: list[Callable[[], None]] = []  # made after every action
        self._dead: list[SimLink] = []
        self._acting: set[Member | Ticker] = set()
        self._people = People(self.rng, plan, self._version_of)
        self._members = [Member(self, room) for _ in range(plan.members)]
        self._tickers = [Ticker(self), Ticker(self)]

    def _make_worlds(self) -> dict[str, int]:
        """The worlds that are there from the beginning."""
        self.seams.still = True
        keys = {}
        for world in self.plan.worlds:
            services = ("count", "market", "council", *([AGENDA.name] if world.agenda else ()))
            pace = Pace(world.driver, 3_600_000_000_000, SECOND_US)  # type: ignore[arg-type]
            keys[world.name] = make_world(
                self.pool.face, world.name, services, facts=world.facts, pace=pace, catalogue=ALL, owner="ann"
            )
        self.seams.still = False
        return keys

    def tell(self, line: str) -> None:
        """A line of the trace."""
        if self._trace is not None:
            self._trace.append(f"{'  ' * self.seams.depth}{line}")

    def views(self) -> Mapping[str, ClockView]:
        """Every world's clock."""
        self.keys = keys_of_all(self.pool.watch)
        found = find_views(self.pool.watch, list(self.keys.values()))
        return {world: found[key] for world, key in self.keys.items()}

    def _version_of(self, world: str) -> int:
        views = self.views()
        return views[world].version if world in views else 1

    def now(self) -> datetime:
        """The wall's time."""
        return datetime.fromtimestamp(self.wall.us / SECOND_US, UTC)

    def run(self) -> None:
        """All of it."""
        for _ in range(self.plan.actions):
            self.act()
            for check in self.checks:
                check()
        self._end()

    def act(self) -> None:
        """Somebody acts who is not held up himself, a moment later."""
        self.wall.pass_by(self.rng.randrange(MOMENT_US))
        actors: tuple[Member | Ticker, ...] = (*self._members, *self._members, *self._tickers[: self.plan.tickers])
        free = [each for each in actors if each not in self._acting]
        drawn = self.rng.random() if not self.seams.depth else self.rng.uniform(0.1, 1.0)
        if drawn < 0.2:
            self._ask()
        elif drawn < 0.3:
            self.wall.pass_by(self.rng.choice((100_000, SECOND_US, 5 * SECOND_US)))
        elif drawn < 0.4:
            self._finish(self.rng.random())
        elif drawn < 0.5:
            self._happen()
        elif free:
            self._acts(self.rng.choice(free))

    def _acts(self, actor: Member | Ticker) -> None:
        self._acting.add(actor)
        self.tell(f"{type(actor).__name__} acts")
        try:
            actor.act()
        except AssertionError:
            raise
        except Exception as fault:
            raise AssertionError(f"a process ended by a fault: {type(fault).__name__}: {fault}") from fault
        finally:
            self._acting.discard(actor)

    def _happen(self) -> None:
        """Something that is nobody's own doing, or rare."""
        self.rng.choice(
            (self._settle, self._settle, self.bus.balance, self._expel, self._expel, self._end_transactions,
             self._end_sessions, self._stop, self._hours_pass, self._paste)
        )()  # fmt: skip

    def _ask(self) -> None:
        for _ in range(self.rng.randint(1, 4)):
            self.send(self._people.ask(self.now()), self.rng.randrange(self.plan.partitions))

    def send(self, asked: Asked, partition: int) -> None:
        """A record on world.control."""
        entry = self.bus.say(Outgoing(CONTROL_TOPIC, None, asked.value, ()), partition)
        self.asked[partition, entry.offset] = asked
        self.tell(f"asked {partition}/{entry.offset}: {(asked.value or b'')[:200]!r}")

    def _paste(self) -> None:
        topic = self.rng.choice(TICK_TOPICS)
        value = self.rng.choice((*PASTES, b"garbage"))
        entry = self.bus.say(Outgoing(topic, None, value, ()))
        self.pasted.add((topic, entry.offset))
        self.tell(f"pasted {topic}/{entry.offset}: {value!r}")

    def _finish(self, share: float) -> None:
        try:
            with self.pool.calm() as conn:
                finish(conn, share)
        except Unavailable:
            self.tell("services find a lock")

    def _settle(self) -> None:
        if self.pool.owes:
            commit = self.rng.random() < 0.5
            self.tell(f"a late COMMIT {'lands' if commit else 'is lost'}")
            self.pool.settle(commit=commit)

    def _expel(self) -> None:
        members = self.bus.group.members
        if members:
            self.bus.group.expel(self.rng.choice(members))
            self.bus.balance()

    def bury(self, link: SimLink) -> None:
        """Its process is dead; the broker does not know it yet."""
        self.tell(f"{link.name} is dead")
        self._dead.append(link)

    def _end_sessions(self) -> None:
        for link in self._dead:
            self.bus.group.expel(link.member)
        self._dead.clear()
        self.bus.balance()

    def _end_transactions(self) -> None:
        """The broker's bound on open transactions."""
        for transaction in list(self.bus.broker.open):
            self.bus.broker.end(transaction, commit=False)

    def _stop(self) -> None:
        free = [member for member in self._members if member not in self._acting]
        if free:
            member = self.rng.choice(free)
            self._acting.add(member)
            self.tell(f"{member.link.name} is stopped")
            member.stop()
            self._acting.discard(member)

    def _hours_pass(self) -> None:
        if self.rng.random() < 0.3:
            self.wall.pass_by(HOUR_US)

    def _end(self) -> None:
        """Nothing goes wrong any more: everything that is owed is paid within a bound."""
        self.seams.still = True
        self.tell("the end begins")
        self.pool.settle(commit=self.rng.random() < 0.5)
        self._end_transactions()
        self._end_sessions()
        for number in range(ROUNDS_MAX):
            if number % 6 == 0:
                self._wish(number)
            for _ in range(LOOKS):
                self._acts(self._tickers[0])
                self._finish(1.0)
            for member in (*self._members, *self._members):
                self.wall.pass_by(600_000)
                self._acts(member)
            for check in self.checks:
                check()
            if self._rests():
                return
        raise AssertionError(f"something is still owed after {ROUNDS_MAX} rounds: {self._unpaid()}")

    def _wish(self, number: int) -> None:
        """Every world goes on, and gets one tick more, which brings what waits for it."""
        for place, world in enumerate(sorted(keys_of_all(self.pool.watch))):
            for name in ("clock.resume", "tick.force"):  # each world's of its own actor, so within the rate
                self.send(last_wish(world, name, number * 100 + place, self.now()), 0)

    def _rests(self) -> bool:
        return not any(self._unpaid().values())

    def _unpaid(self) -> dict[str, Sequence[Any]]:
        pending, waiting, unrung = owed_in(self.pool.watch)
        committed = self.bus.group.committed
        unread = [
            place
            for number, place in enumerate(self.bus.places)
            if self.bus.log(place).has_more(committed.get(number, (0, ""))[0])
        ]
        return {"completed": pending, "directives": waiting, "rings": unrung, "records": unread}
