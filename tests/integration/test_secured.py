"""A broker that asks who we are: every client logs in, and a wrong password is named.
Lives here: SASL on a private broker. Not here: reading the settings (unit/cli/test_settings)."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from worldtick.cli import main
from worldtick.cli.settings import load
from worldtick.contracts.errors import Unavailable
from worldtick.local import broker, kafka_jars
from worldtick.local.ports import free_ports
from worldtick.local.stack import Stack

pytestmark = [pytest.mark.chaos, pytest.mark.postgres]

PASSWORD = "not-a-weak-one"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SECURED = f"""
sasl.enabled.mechanisms=PLAIN
listener.name.secured.plain.sasl.jaas.config={LOGIN} required user_worldtick="{PASSWORD}";
"""


def _deploy_dir(place: Path, port: int) -> Path:
    """The local broker's files, with one listener more, on which clients must log in."""
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
    file.write_text("\n".join(lines) + SECURED, "utf-8")
    return place


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker's listener on which clients must log in."""
    home = Path(tempfile.mkdtemp(prefix="worldtick-secured-"))
    port = next(islice(free_ports(home / "secured"), 1, None))
    patched = pytest.MonkeyPatch()
    patched.setattr(broker, "deploy_dir", lambda: _deploy_dir(tmp_path_factory.mktemp("deploy") / "local", port))
    settings = load()
    stack = Stack(home, cache_dir=settings.cache_dir, java_home=settings.java_home, durable=False)
    try:
        stack.up(postgres=False)
    except Unavailable as lacking:
        pytest.skip(f"a local Kafka cannot run here: {lacking}")
    patched.undo()
    yield f"127.0.0.1:{port}"
    stack.down(wipe=True)
    shutil.rmtree(home)


@pytest.fixture
def environment(secured: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a deployment on it."""
    for variable, value in {
        "KAFKA_BOOTSTRAP_SERVERS": secured,
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "worldtick",
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "DATABASE_URL": postgres_url,
    }.items():
        monkeypatch.setenv(variable, value)
    return monkeypatch


def test_every_verb_logs_in(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["topics", "apply"]) == main.OK
    assert main.run(["topics", "diff"]) == main.OK
    first = ["--first-at", "2026-01-01T00:00:00Z"]
    assert main.run(["world", "create", "safe", "--scenario", "tiny", *first]) == main.OK
    assert main.run(["ticker", "--type", "hourly", "--at", "2026-01-01T00:00:00Z"]) == main.OK
    capsys.readouterr()
    assert main.run(["tail", "world.tick.hourly", "--json"]) == main.OK
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["record"]["data"]["world"] == "safe"


def test_a_wrong_password_is_named_and_not_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("KAFKA_SASL_PASSWORD", "another-that-is-wrong")
    environment.setattr("worldtick.runtime.topics.TIMEOUT_S", 1.0)
    assert main.run(["topics", "diff"]) == main.AWAY
    said = capsys.readouterr().err
    assert "uthentication failed" in said
    assert "another-that-is-wrong" not in said
