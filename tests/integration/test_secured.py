"""A broker that asks who we are: every client logs in, and a wrong password is named.
Lives here: SASL on a private broker. Not here: reading the settings (unit/cli/test_settings)."""

import json
from collections.abc import Iterator

import pytest

from tests.secured_broker import secured_broker
from worldtick.cli import main

pytestmark = [pytest.mark.chaos, pytest.mark.postgres]

PASSWORD = "not-a-weak-one"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker's listener on which clients must log in."""
    with secured_broker(tmp_path_factory.mktemp("deploy"), {"worldtick": PASSWORD}) as started:
        yield started.address


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
