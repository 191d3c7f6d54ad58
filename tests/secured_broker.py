"""A private broker with one listener more, on which clients must log in; with an authorizer where a test wants one.
Lives here: its configuration, starting and ending it. Not here: who may do what (topics/acls.yaml)."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from worldtick.cli.settings import load
from worldtick.contracts.errors import Unavailable
from worldtick.local import broker, kafka_jars
from worldtick.local.ports import free_ports
from worldtick.local.stack import Stack

LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
AUTHORIZER = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:root
"""  # whoever does not log in is the broker itself, the local stack that waits for it, and the test


class Secured(NamedTuple):
    """Where the broker listens."""

    address: str  # to those who log in
    open_address: str  # to those who do not: User:ANONYMOUS
    stack: Stack


@contextmanager
def secured_broker(home: Path, passwords: Mapping[str, str], more: str = "") -> Iterator[Secured]:
    """The broker as long as the block runs. home: for its configuration. Skips the test where no Kafka can run."""
    state = Path(tempfile.mkdtemp(prefix="worldtick-secured-"))
    port = next(islice(free_ports(state / "secured"), 1, None))
    place = _deploy_dir(home / "local", port, passwords, more)
    settings = load()
    stack = Stack(state, cache_dir=settings.cache_dir, java_home=settings.java_home, durable=False)
    try:
        _start(stack, place)
        yield Secured(f"127.0.0.1:{port}", str(stack.status().bootstrap_servers), stack)
    finally:
        stack.down(wipe=True)
        shutil.rmtree(state)


def _start(stack: Stack, place: Path) -> None:
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(broker, "deploy_dir", lambda: place)
            stack.up(postgres=False)
    except Unavailable as lacking:
        pytest.skip(f"a local Kafka cannot run here: {lacking}")


def _deploy_dir(place: Path, port: int, passwords: Mapping[str, str], more: str) -> Path:
    """The local broker's files, with the listener SECURED."""
    shutil.copytree(kafka_jars.deploy_dir(), place)
    file = place / "server.properties"
    lines = []
    for line in file.read_text("utf-8").splitlines():
        name = line.split("=")[0]
        if name in ("listeners", "advertised.listeners"):
            line += f",SECURED://127.0.0.1:{port}"
        if name == "listener.security.protocol.map":
            line += ",SECURED:SASL_PLAINTEXT"
        lines.append(line)
    users = " ".join(f'user_{name}="{password}"' for name, password in passwords.items())
    lines += [
        "sasl.enabled.mechanisms=PLAIN",
        f"listener.name.secured.plain.sasl.jaas.config={LOGIN} required {users};",
        more,
    ]
    file.write_text("\n".join(lines), "utf-8")
    return place
