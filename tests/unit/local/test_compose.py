"""deploy/compose.yaml agrees with the local broker: who develops on either sees the same Kafka.
Lives here: versions and settings of both. Not here: starting them."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.servers import KAFKA_IMAGE, POSTGRES_IMAGE
from worldtick.cli.settings import Settings

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text("utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]


def _local_properties() -> dict[str, str]:
    lines = (DEPLOY / "local" / "server.properties").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_brokers_are_of_one_version() -> None:
    pom = (DEPLOY / "local" / "pom.xml").read_text("utf-8")
    version = re.search(r"<kafka.version>(.+)</kafka.version>", pom)
    assert version
    assert SERVICES["kafka"]["image"] == KAFKA_IMAGE == f"apache/kafka:{version[1]}"
    assert SERVICES["postgres"]["image"] == POSTGRES_IMAGE


def test_the_brokers_share_what_a_client_can_notice() -> None:
    local, environment = _local_properties(), SERVICES["kafka"]["environment"]
    shared = [name for name in local if "KAFKA_" + name.replace(".", "_").upper() in environment]
    different = {"listeners", "advertised.listeners", "listener.security.protocol.map", "log.dirs"}
    different |= {"controller.quorum.voters", "inter.broker.listener.name"}
    for name in set(shared) - different:
        assert str(environment["KAFKA_" + name.replace(".", "_").upper()]) == local[name], name
    assert {"auto.create.topics.enable", "group.initial.rebalance.delay.ms", "default.replication.factor"} <= set(
        shared
    )


def test_the_exports_that_it_names_are_what_it_serves() -> None:
    exports = dict(re.findall(r"export (\w+)=(\S+)", COMPOSE))
    settings = Settings.from_env(exports)
    assert not settings.uses_local_stack
    assert settings.warnings() == []
    assert (
        f"HOST://{settings.kafka_bootstrap_servers}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )
    database = SERVICES["postgres"]["environment"]
    assert settings.database_url == (
        f"postgresql://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}@127.0.0.1:5432/{database['POSTGRES_DB']}"
    )
