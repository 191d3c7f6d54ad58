"""Control: how soon a command is answered, and whether hostile ones make it later.

Question 1: a signed `clock.set_scale` to a quiet control in a process of its own, one at a time: milliseconds from
produced (acks=all) to its reply at a read_committed reader; by then it is proved, done and stored in PostgreSQL.
Rival: a bare confluent-kafka loop that answers each record with its own bytes, reply and offset in one transaction, and
the same without a transaction; asked in turn with control by the same client, over the same broker.
Question 2: ten thousand hostile records come at a steady rate, a tenth of each kind (hostile.py), all under the key of
the very world that is commanded: how late are the honest commands meanwhile, at the 99th percentile? Rival: the same
commands in spells of quiet between. The whole flood is proved refused or dead, and the world moved by the honest alone.
Also reported: how fast the flood is judged where all of it waits already.
Not asked: completions (the ticker and services have their own figures), start-up, many brokers."""

import json
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import durable, hostile
from benchmarks.economy_hour import CATALOGUE, FIRST
from benchmarks.economy_step import one_district
from benchmarks.figures import Figure, Place, from_runs
from benchmarks.hostile import Sent
from benchmarks.peers.bare_echo import PLAIN
from worldtick.clock.course import Pace
from worldtick.contracts.commands import CONTROL_TOPIC, REPLY_TOPIC
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import Plan, create_world
from worldtick.control.desk import Rules
from worldtick.control.hearing import Manners
from worldtick.control.proving import key_id_of, new_private_key, public_bytes
from worldtick.control.serve import run_control
from worldtick.runtime import logs
from worldtick.runtime.worker import tame_collector
from worldtick.store.commands import count_fates
from worldtick.store.db import Pool, open_pool, transaction
from worldtick.store.keys import insert_key
from worldtick.ticker.serve import until_signal

WORLD = "commanded"
RATE = 10_000_000  # commands a minute: nothing here is refused for its number
GAP_MS_MAX = 40  # between two commands, unevenly, so that no interval of anybody's keeps step with them
ANSWER_S_MAX = 60.0
CONNECTIONS = 3  # as `worldtick run control` has them
SPELLS = 4  # of quiet and of flood in a run, in turn, so that a slow minute hits both
BARE_IN, BARE_OUT = "bare.in", "bare.out"
PARTITIONS = 3  # as world.control and its replies


@dataclass(frozen=True, slots=True)
class Load:
    """How much."""

    warm: int
    asks: int  # of each contestant of question 1, in a run
    hostile: int
    per_s: int  # hostile records


FULL = Load(warm=30, asks=200, hostile=10_000, per_s=250)
SMOKE = Load(warm=2, asks=6, hostile=60, per_s=100)


class Client:
    """Asks one thing at a time, and waits for its answer: the same for control and for its rival."""

    def __init__(self, kafka: str, into: str, out_of: str) -> None:
        self._into = into
        self._producer = Producer(
            {"bootstrap.servers": kafka, "acks": "all", "linger.ms": 0, "partitioner": "murmur2_random"}
        )
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"{into}.client",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._consumer.assign([TopicPartition(out_of, number, 0) for number in range(PARTITIONS)])

    def ask(self, key: bytes, sent: Sent, mark: bytes) -> tuple[float, bytes]:
        """Milliseconds from produced to the first answer that holds `mark`, and that answer. Raises TimeoutError."""
        began = time.perf_counter()
        self._producer.produce(self._into, sent.value, key, headers=list(sent.headers))
        self._producer.poll(0)
        while (left := began + ANSWER_S_MAX - time.perf_counter()) > 0:
            message = self._consumer.poll(left)
            if message is not None and message.error() is None and mark in (message.value() or b""):
                return (time.perf_counter() - began) * 1_000, message.value() or b""
        raise TimeoutError(f"{self._into}: no answer within {ANSWER_S_MAX:g} s")

    def close(self) -> None:
        """Let go of both clients."""
        self._producer.flush(ANSWER_S_MAX)
        self._consumer.close()


class Admin:
    """The honest one: steers the world, and knows how often."""

    def __init__(self, client: Client, key: Ed25519PrivateKey) -> None:
        self._client = client
        self._key = key
        self.version = 1
        self.last = Sent(b"", [])

    def ask(self) -> float:
        """Milliseconds of a command, which must have been done. Raises ValueError."""
        self.version += 1
        name = secrets.token_hex(8)
        value = hostile.command(name, "ann", WORLD, "clock.set_scale", args={"scale": str(60 + self.version % 2)})
        self.last = hostile.signed(self._key, value)
        took_ms, answer = self._client.ask(WORLD.encode(), self.last, name.encode())
        said = json.loads(answer)["data"]
        if (said["status"], said.get("version")) != ("accepted", self.version):
            raise ValueError(f"a command was not done: {said}")
        return took_ms


def measure(place: Place) -> list[Figure]:
    """Both questions, run after run, on one control."""
    load = SMOKE if place.smoke else FULL
    pool = open_pool(place.database_url, 2, "bench")
    with ExitStack() as stack:
        stack.callback(pool.close)
        prefix = stack.enter_context(_topics(place))
        owner, other = _key(pool, "ann"), _key(pool, "eve")
        section = one_district()
        scenario = json.dumps({"services": {"economy": section.model_dump(mode="json")}})
        pace = Pace("manual")
        create_world(pool, Plan(WORLD, scenario, {"economy": section}, FIRST, owner="ann", pace=pace), CATALOGUE)
        stack.enter_context(_processes(place, prefix))
        admin = Admin(stack.enter_context(_client(place, prefix + CONTROL_TOPIC, prefix + REPLY_TOPIC)), owner)
        bare = stack.enter_context(_client(place, prefix + BARE_IN, prefix + BARE_OUT))
        _turns(admin, bare, load.warm)
        turns = [_turns(admin, bare, load.asks) for _ in range(place.runs)]
        floods = [Flood(place, pool, prefix, owner, other, load) for _ in range(place.runs)]
        calm_flooded = [each.beside(admin, f"steady-{run}-") for run, each in enumerate(floods)]
        rates = [each.at_once(admin, f"burst-{run}-") for run, each in enumerate(floods)]
    return [*_replies(place, turns), *_flooded(place, calm_flooded, rates)]


def _replies(place: Place, turns: Sequence[dict[str, list[float]]]) -> list[Figure]:
    p50 = {who: [statistics.median(run[who]) for run in turns] for who in ("plain", "transaction", "control")}
    rival = statistics.median(p50["transaction"])
    for who, each in p50.items():
        tail = [_p99(run[who]) for run in turns]
        place.say(f"  {who}: p50 {', '.join(f'{v:.2f}' for v in each)}, p99 {', '.join(f'{v:.1f}' for v in tail)} ms")
    goal = None if place.smoke else "ratio <= 3"
    return [
        from_runs("control_bare_round_trip_p50_ms", "ms", p50["plain"]),
        from_runs("control_bare_transaction_p50_ms", "ms", p50["transaction"]),
        from_runs(
            "control_command_to_reply_p50_ms",
            "ms",
            p50["control"],
            against="bare transaction",
            rival=rival,
            goal=goal,
        ),
    ]


def _flooded(place: Place, found: Sequence[tuple[float, float]], rates: Sequence[float]) -> list[Figure]:
    calm, flooded = [each[0] for each in found], [each[1] for each in found]
    goal = None if place.smoke else "ratio <= 1.5"
    rival = statistics.median(calm)
    return [
        from_runs("control_calm_p99_ms", "ms", calm),
        from_runs("control_flooded_p99_ms", "ms", flooded, against="calm", rival=rival, goal=goal),
        from_runs("control_hostile_judged_per_s", "records/s", rates),
    ]


def _turns(admin: Admin, bare: Client, count: int) -> dict[str, list[float]]:
    """Milliseconds of so many asks of each, in turn."""
    took: dict[str, list[float]] = {"plain": [], "transaction": [], "control": []}
    for number in range(count):
        for key in (PLAIN, b"transaction"):
            _pause(number)
            mark = secrets.token_hex(8).encode()
            took_ms, _ = bare.ask(key, Sent(mark + b"x" * 300, []), mark)
            took[key.decode()].append(took_ms)
        _pause(number)
        took["control"].append(admin.ask())
    return took


def _pause(number: int) -> None:
    time.sleep((number * 37 % GAP_MS_MAX + 5) / 1_000)


def _p99(took: Sequence[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


@dataclass(frozen=True, slots=True)
class Flood:
    """Hostile records, and the honest ones beside them."""

    place: Place
    pool: Pool
    prefix: str
    owner: Ed25519PrivateKey
    other: Ed25519PrivateKey
    load: Load

    def beside(self, admin: Admin, name: str) -> tuple[float, float]:
        """p99 in ms of honest commands in the quiet, and while the flood comes; spells of both in turn."""
        calm: list[float] = []
        flooded: list[float] = []
        records = self._records(admin, name)
        before = _heard(self.pool)
        for spell in range(SPELLS):
            part = records[spell::SPELLS]
            until = time.monotonic() + len(part) / self.load.per_s
            while time.monotonic() < until:
                _pause(len(calm))
                calm.append(admin.ask())
            sender = threading.Thread(target=self._send, args=(part, self.load.per_s))
            sender.start()
            while sender.is_alive():
                _pause(len(flooded))
                flooded.append(admin.ask())
            sender.join()
        self._prove(before, len(records), len(calm) + len(flooded))
        told = f"p50 {statistics.median(calm):.1f} and {statistics.median(flooded):.1f}"
        found = _p99(calm), _p99(flooded)
        self.place.say(f"  calm {len(calm)}, flooded {len(flooded)}: {told}, p99 {found[0]:.1f} and {found[1]:.1f} ms")
        return found

    def at_once(self, admin: Admin, name: str) -> float:
        """Records a second, all sent as fast as Kafka takes them; an honest command behind them is answered last."""
        records = self._records(admin, name)
        before = _heard(self.pool)
        began = time.perf_counter()
        self._send(records, None)
        took_ms = admin.ask()
        rate = len(records) / (time.perf_counter() - began)
        self._prove(before, len(records), 1)
        self.place.say(f"  at once: {rate:,.0f} records/s; the honest one behind them waited {took_ms:.0f} ms")
        return rate

    def _records(self, admin: Admin, name: str) -> list[Sent]:
        return hostile.flood(self.load.hostile, name, WORLD, self.owner, self.other, admin.last)

    def _send(self, records: Sequence[Sent], per_s: int | None) -> None:
        # A topic's limit is a batch's: what is nearly as large must travel alone, or all beside it is refused too.
        producer = Producer(
            {
                "bootstrap.servers": self.place.kafka,
                "linger.ms": 5,
                "batch.size": 10_000,
                "partitioner": "murmur2_random",
            }
        )
        began = time.monotonic()
        for number, (value, headers) in enumerate(records):
            if per_s is not None and (early_s := began + number / per_s - time.monotonic()) > 0:
                time.sleep(early_s)
            producer.produce(self.prefix + CONTROL_TOPIC, value, WORLD.encode(), headers=headers)
            producer.poll(0)
        if producer.flush(ANSWER_S_MAX):
            raise TimeoutError("the flood was not taken")

    def _prove(self, before: Counter[str], sent: int, honest: int) -> None:
        """Every record has its row, and none but the honest was done."""
        deadline = time.monotonic() + ANSWER_S_MAX
        while (found := _heard(self.pool) - before).total() < sent + honest:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found.total()} of {sent + honest} records were judged")
            time.sleep(0.1)
        if found["accepted"] != honest or found.total() != sent + honest or set(found) - _FATES:
            raise ValueError(f"of {sent} hostile and {honest} honest records came {dict(found)}")


_FATES = {"accepted", "refused", "duplicate", "dead"}


def _heard(pool: Pool) -> Counter[str]:
    with transaction(pool) as conn:
        return Counter(count_fates(conn))


def _key(pool: Pool, actor: str) -> Ed25519PrivateKey:
    key = new_private_key()
    with transaction(pool) as conn:
        insert_key(conn, key_id_of(public_bytes(key)), actor, "owner", public_bytes(key))
    return key


@contextmanager
def _topics(place: Place) -> Iterator[str]:
    """Ours, and the rival's two."""
    admin = AdminClient({"bootstrap.servers": place.kafka})
    with durable.topics(place, "control", (CONTROL_TOPIC, REPLY_TOPIC)) as prefix:
        bare = [prefix + BARE_IN, prefix + BARE_OUT]
        for made in admin.create_topics(
            [NewTopic(name, PARTITIONS, 1) for name in bare], operation_timeout=30
        ).values():
            made.result(60)
        try:
            yield prefix
        finally:
            for deleted in admin.delete_topics(bare, operation_timeout=30).values():
                deleted.result(60)


@contextmanager
def _client(place: Place, into: str, out_of: str) -> Iterator[Client]:
    client = Client(place.kafka, into, out_of)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _processes(place: Place, prefix: str) -> Iterator[None]:
    """Control and its rival, output to a log in scratch."""
    told = {"bootstrap": place.kafka, "database_url": place.database_url, "prefix": prefix}
    bare = {"group": f"{prefix}bare", "input": prefix + BARE_IN, "output": prefix + BARE_OUT}
    commands = [("benchmarks.control", told), ("benchmarks.peers.bare_echo", told | bare)]
    with (place.scratch / "control.log").open("wb") as log:
        running = [
            subprocess.Popen([sys.executable, "-m", module, json.dumps(given)], stdout=log, stderr=log)
            for module, given in commands
        ]
        try:
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(60)


def main() -> None:
    """Control's process. Argument: a JSON object with bootstrap, database_url, prefix."""
    told = json.loads(sys.argv[1])
    logs.setup("warning", "console")
    tame_collector()
    kafka, prefix = {"bootstrap.servers": told["bootstrap"]}, told["prefix"]
    pool = open_pool(told["database_url"], CONNECTIONS, "control")
    with until_signal() as stop:
        manners = Manners("signed", RATE)
        run_control(kafka, pool, CATALOGUE, EventWriter(), Rules(prefix=prefix), stop, manners=manners)
    pool.close()


if __name__ == "__main__":
    main()
