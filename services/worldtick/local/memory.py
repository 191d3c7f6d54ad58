"""What a state directory remembers of its stack, and what is told of it.
Lives here: stack.json and the status. Not here: starting anything (stack)."""

import base64
import dataclasses
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from worldtick.contracts.errors import Unavailable
from worldtick.local.broker import Ports

FILE = "stack.json"


@dataclass(frozen=True, slots=True)
class Memory:
    """The ports (0 = not chosen yet), names and the password of one stack."""

    kafka_port: int
    controller_port: int
    postgres_port: int
    cluster_id: str
    password: str = dataclasses.field(repr=False)
    postgres_home: str

    @property
    def kafka_ports(self) -> Ports:
        """Where the broker listens."""
        return Ports(self.kafka_port, self.controller_port)

    def with_port(self, field: str, port: int) -> "Memory":
        """The same with one port changed."""
        values = {**dataclasses.asdict(self), field: port}
        return Memory(**values)


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One server: `pid` is None when it does not run, `port` None when none was chosen yet."""

    name: str
    pid: int | None
    port: int | None
    log: Path


@dataclass(frozen=True, slots=True)
class StackStatus:
    """What runs, and where. The two addresses are known as soon as ports are chosen, running or not."""

    state_dir: Path
    kafka: PartStatus
    postgres: PartStatus
    bootstrap_servers: str | None
    database_url: str | None = dataclasses.field(repr=False)  # holds the password

    @property
    def running(self) -> bool:
        """Whether both run."""
        return self.kafka.pid is not None and self.postgres.pid is not None


def first_memory(postgres_home: Path) -> Memory:
    """A new stack's: no ports yet, a new cluster id and password."""
    cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    cluster_id = cluster_id.replace("-", "A")  # Kafka's tools take a leading dash for an option
    return Memory(0, 0, 0, cluster_id, secrets.token_hex(16), str(postgres_home))


def read_memory(state_dir: Path) -> Memory | None:
    """What the directory remembers, None if it has no stack. Raises Unavailable if the file is damaged."""
    path = state_dir / FILE
    try:
        return Memory(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except PermissionError as error:
        raise Unavailable(f"{path} belongs to another user: run as that user, or set WORLDTICK_STATE_DIR") from error
    except (ValueError, TypeError) as error:
        raise Unavailable(f"{path} is damaged ({error}): mend it, or `worldtick down --wipe` and `up`") from error


def write_memory(state_dir: Path, memory: Memory) -> None:
    """Replace the file at once; only its owner can read it."""
    fresh = state_dir / f"{FILE}.new"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(dataclasses.asdict(memory), file, indent=2)
    fresh.replace(state_dir / FILE)
