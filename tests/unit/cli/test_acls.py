"""`worldtick topics acls`: principals by option, lines for people, scripts and Kafka's own tool; when pastes count.
Lives here: what needs no broker. Not here: clusters (integration/test_acls)."""

import json
import threading

import pytest

from worldtick.cli import main, pasting
from worldtick.cli.acls import named_principals
from worldtick.cli.pasting import takes_pastes
from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Faulty, Unavailable
from worldtick.runtime.vitals import Vitals

ROLES = ["ticker", "admin"]


def test_principals_are_named_by_a_template_and_by_role() -> None:
    assert named_principals([], ROLES) == {"ticker": ["User:worldtick-ticker"], "admin": ["User:worldtick-admin"]}
    assert named_principals(["User:game"], ROLES) == {"ticker": ["User:game"], "admin": ["User:game"]}
    by_certificate = ["User:CN={name},O=Games", "admin=User:CN=ann", "admin=User:bob"]
    assert named_principals(by_certificate, ROLES) == {
        "ticker": ["User:CN=ticker,O=Games"],
        "admin": ["User:CN=ann", "User:bob"],
    }


def test_every_fault_of_the_options_is_named() -> None:
    with pytest.raises(Faulty) as faulty:
        named_principals(["worldtick", "boss=User:ann", "admin=ann"], ROLES)
    assert [fault.split(" ")[0] for fault in faulty.value.faults] == ["'worldtick'", "'boss=User:ann'", "'admin=ann'"]


def test_the_verb_shows_what_is_declared_without_a_broker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("WORLDTICK_TOPIC_PREFIX", "p.")
    assert main.run(["topics", "acls"]) == main.OK
    text = capsys.readouterr().out
    assert "User:worldtick-paste: a tool" in text
    assert "    write transactional id p.worldtick.economy.*\n" in text
    assert main.run(["topics", "acls", "--json"]) == main.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    right = {"principal": "User:worldtick-analytics", "permission": "allow", "operation": "read", "resource": "group"}
    assert {**right, "name": "p.analytics", "pattern": "prefixed", "host": "*", "role": "analytics"} in rows
    assert main.run(["topics", "acls", "--format", "kafka-acls", "--principal", "User:CN={name},O=a b"]) == main.OK
    lines = capsys.readouterr().out.splitlines()
    said = "--add --force --allow-principal 'User:CN=deploy,O=a b' --operation Describe --cluster"
    assert f'kafka-acls.sh "$@" {said}' in lines
    said = "'User:CN=npc,O=a b' --operation Write --resource-pattern-type prefixed --transactional-id p.worldtick.npc."
    assert f'kafka-acls.sh "$@" --add --force --allow-principal {said}' in lines


def test_pruning_is_about_acls() -> None:
    assert main.run(["topics", "apply", "--prune"]) == main.USAGE


@pytest.mark.parametrize(
    ("paste", "auth", "guarded", "on"),
    [
        ("on", "signed", False, True),
        ("off", "none", True, False),
        ("auto", "none", False, True),
        ("auto", "signed", False, False),
        ("auto", "signed", True, True),
    ],
)
def test_pastes_count_where_nobody_is_proved_or_kafka_proves_all(
    monkeypatch: pytest.MonkeyPatch, paste: str, auth: str, guarded: bool, on: bool
) -> None:
    monkeypatch.setattr(pasting, "is_guarded", lambda *_: guarded)
    assert takes_pastes(_settings(paste, auth), Vitals("test"), threading.Event()) is on


def test_kafka_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def answer(*_: object) -> bool:
        asked.append(None)
        if len(asked) == 1:
            raise Unavailable("away")
        return True

    monkeypatch.setattr(pasting, "is_guarded", answer)
    monkeypatch.setattr(pasting, "backoff_s", lambda _: 0.0)
    assert takes_pastes(_settings("auto", "signed"), Vitals("test"), threading.Event())
    stop = threading.Event()
    stop.set()
    assert not takes_pastes(_settings("auto", "signed"), Vitals("test"), stop)


def _settings(paste: str, auth: str) -> Settings:
    given = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "WORLDTICK_PASTE": paste, "WORLDTICK_CONTROL_AUTH": auth}
    return Settings.from_env(given)
