"""A Kafka and a PostgreSQL for one directory: up, down, status; their ports and data are remembered there.
Lives here: the pair, its file and its lock. Not here: each server (broker, postgres)."""

import errno
import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worldtick.contracts.errors import Unavailable
from worldtick.local import kafka_jars, postgres
from worldtick.local.account import reachable_home, unprivileged
from worldtick.local.broker import Broker, address
from worldtick.local.daemon import wait_until
from worldtick.local.memory import Memory, PartStatus, StackStatus, first_memory, read_memory, write_memory
from worldtick.local.ports import PortTaken, free_ports, is_free
from worldtick.local.postgres import Postgres

DISK_FREE_BYTES_MIN = 512 * 1024 * 1024
LOCK_SECONDS_MAX = 180.0
PORT_SECONDS_MAX = 2.0
PORT_ATTEMPTS_MAX = 3  # a port can be taken between the look and the start


def quiet(_: str) -> None:
    """Say nothing."""


class Stack:
    """The local stack of one state directory. Methods raise Unavailable with what to do.

    cache_dir: where Kafka's jars are kept; java_home: which Java, else that on the PATH;
    kafka_port, postgres_port: these ports and no others; durable: False trades power-cut safety for speed (tests).
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        cache_dir: Path | None = None,
        java_home: Path | None = None,
        kafka_port: int | None = None,
        postgres_port: int | None = None,
        durable: bool = True,
        say: Callable[[str], None] = quiet,
    ) -> None:
        self.state_dir = state_dir.absolute()
        self.cache_dir = cache_dir or kafka_jars.CACHE_DIR
        self.java_home = java_home
        self.wanted_ports = {"kafka_port": kafka_port, "postgres_port": postgres_port}
        self.durable = durable
        self.say = say
        self.broker = Broker(self.state_dir)  # kill(), pause(), resume(), stop(), is_running()

    @property
    def postgres(self) -> Postgres:
        """The PostgreSQL daemon: kill(), pause(), resume(), stop(), is_running()."""
        memory = read_memory(self.state_dir)
        home = memory.postgres_home if memory else self.state_dir / "postgres"
        return Postgres(self.state_dir, Path(home), durable=self.durable)

    def up(self, *, kafka: bool = True, postgres: bool = True) -> StackStatus:
        """Start those wanted that do not run; they answer when this returns. Doing it again changes nothing."""
        with self._locked(), _disk_full_explained(self.state_dir):
            running = self.status()
            if (kafka and running.kafka.pid is None) or (postgres and running.postgres.pid is None):
                self._check_disk()
                self._start_somewhere(kafka, postgres)
            return self.status()

    def _start_somewhere(self, kafka: bool, postgres: bool) -> None:
        for _ in range(PORT_ATTEMPTS_MAX - 1):
            try:
                return self._start(self._recall(), kafka, postgres)
            except PortTaken as taken:
                if taken.port in self.wanted_ports.values():
                    raise
                self.say(f"port {taken.port} was taken meanwhile; choosing another")
        return self._start(self._recall(), kafka, postgres)

    def start_broker(self) -> None:
        """Start Kafka alone, on its remembered port, after a stop or a crash."""
        with self._locked():
            memory = self._known()
            self._launch_broker(memory)
            self.broker.await_ready(memory.kafka_ports)

    def start_postgres(self) -> None:
        """Start PostgreSQL alone, on its remembered port, after a stop or a crash."""
        with self._locked():
            memory = self._known()
            self.postgres.start(memory.postgres_port, memory.password)

    def down(self, *, wipe: bool = False) -> None:
        """Stop both; with `wipe`, forget their data and ports too. Fine when nothing runs."""
        if not self.state_dir.is_dir():
            return
        with self._locked():
            self.broker.stop()
            self.postgres.stop()
            if wipe:
                shutil.rmtree(self.postgres.home, ignore_errors=True)
                for entry in self.state_dir.iterdir():
                    if entry.name in ("kafka", "postgres"):
                        shutil.rmtree(entry, ignore_errors=True)
                    elif entry.name != "lock":
                        _forget(entry)

    def status(self) -> StackStatus:
        """What runs, and where; starts and changes nothing."""
        memory = read_memory(self.state_dir)
        broker, database = self.broker, self.postgres
        return StackStatus(
            state_dir=self.state_dir,
            kafka=PartStatus("Kafka", broker.pid(), memory.kafka_port if memory else None, broker.log),
            postgres=PartStatus("PostgreSQL", database.pid(), memory.postgres_port if memory else None, database.log),
            bootstrap_servers=address(memory.kafka_ports) if memory else None,
            database_url=postgres.url(memory.postgres_port, memory.password) if memory else None,
        )

    def kafka_tools_classpath(self) -> str:
        """The class path on which Kafka's own console tools lie."""
        return kafka_jars.classpath(self.cache_dir, self.say)

    def kafka_tool(self, main_class: str) -> list[str]:
        """The command line of one of Kafka's own tools, such as `org.apache.kafka.tools.ConsoleProducer`."""
        return kafka_jars.tool_command(kafka_jars.java(self.java_home), self.kafka_tools_classpath(), main_class)

    def _start(self, memory: Memory, kafka: bool, postgres: bool) -> None:
        write_memory(self.state_dir, memory)
        if kafka:
            self._launch_broker(memory)  # Java needs seconds: meanwhile PostgreSQL starts
        if postgres and not self.postgres.is_running():
            self.say(f"starting PostgreSQL on port {memory.postgres_port}")
            self.postgres.start(memory.postgres_port, memory.password)
        if kafka:
            self.broker.await_ready(memory.kafka_ports)

    def _launch_broker(self, memory: Memory) -> None:
        if not self.broker.is_running():
            java = kafka_jars.java(self.java_home)
            classpath = self.kafka_tools_classpath()
            self.say(f"starting Kafka on port {memory.kafka_port}")
            self.broker.launch(java, classpath, memory.kafka_ports, memory.cluster_id)

    def _known(self) -> Memory:
        memory = read_memory(self.state_dir)
        if memory is None:
            raise Unavailable(f"there is no local stack in {self.state_dir}: run `worldtick up`")
        return memory

    def _recall(self) -> Memory:
        """What is remembered, with ports that are free now."""
        memory = read_memory(self.state_dir)
        if memory is None:
            key = f"postgres-{hashlib.sha256(str(self.state_dir).encode()).hexdigest()[:16]}"
            home = reachable_home(unprivileged(), self.state_dir / "postgres", key)
            memory = first_memory(home)
        mine = {"kafka_port": self.broker, "controller_port": self.broker, "postgres_port": self.postgres}
        spare = free_ports(self.state_dir)
        kept = {getattr(memory, field) for field in mine}
        for field, daemon in mine.items():
            if daemon.is_running():
                continue
            wanted = self.wanted_ports.get(field)
            if wanted is not None and not is_free(wanted):
                raise PortTaken(wanted)
            port = wanted or getattr(memory, field)
            if port == 0 or not _comes_free(port):
                fresh = next((port for port in spare if port not in kept | set(self.wanted_ports.values())), None)
                if fresh is None:
                    raise Unavailable("no free port from 20000 to 29999 on this machine: end something that listens")
                if port:
                    self.say(f"port {port} is taken by another process; taking {fresh} instead")
                port = fresh
            memory = memory.with_port(field, port)
        return memory

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.state_dir).free
        if free < DISK_FREE_BYTES_MIN:
            raise Unavailable(_disk_full(self.state_dir, free))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time works on a state directory; the others wait."""
        try:
            self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
            lock = (self.state_dir / "lock").open("w")
        except OSError as error:
            raise Unavailable(
                f"{self.state_dir} cannot be written ({error.strerror}): set WORLDTICK_STATE_DIR"
            ) from error
        with lock:
            deadline, told = time.monotonic() + LOCK_SECONDS_MAX, False
            while not _try_lock(lock.fileno()):
                if time.monotonic() > deadline:
                    raise Unavailable(f"another worldtick command has held {self.state_dir}/lock for 3 minutes: end it")
                if not told:
                    self.say("another worldtick command is at work here; waiting for it")
                    told = True
                time.sleep(0.1)
            yield


def _comes_free(port: int) -> bool:
    """A server that was killed holds its port a moment longer than its process can be seen."""
    return wait_until(lambda: is_free(port), PORT_SECONDS_MAX)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forget(entry: Path) -> None:
    if entry.is_file():
        entry.unlink()


@contextmanager
def _disk_full_explained(state_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Unavailable(_disk_full(state_dir, 0)) from error


def _disk_full(state_dir: Path, free: int) -> str:
    return (
        f"the disk under {state_dir} has {free // 2**20} MB left and Kafka and PostgreSQL need "
        f"{DISK_FREE_BYTES_MIN // 2**20}: free some, or set WORLDTICK_STATE_DIR to another disk"
    )
