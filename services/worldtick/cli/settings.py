"""The deployment's settings: every knob, read from the environment once, and found faulty as a whole.
Lives here: their names, defaults and meanings, what is wrong with them. Not here: what they do."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from worldtick.cli.readings import (
    Secret,
    choice,
    directory,
    name,
    number,
    prefix,
    seconds,
    secret,
    servers,
    text,
    web_address,
)
from worldtick.contracts.errors import Faulty, Unavailable

WEAK = frozenset({"", "admin", "changeme", "kafka", "letmein", "password", "postgres", "root", "secret", "test"})
SECRET_LENGTH_MIN = 8


def knob(variable: str, default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    """A field that comes from one environment variable; an empty variable is an absent one."""
    return field(default=default, metadata={"variable": variable, "read": read, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """All knobs. `kafka_bootstrap_servers` and `database_url` fall back to the local stack that runs."""

    kafka_given: str = knob("KAFKA_BOOTSTRAP_SERVERS", "", servers, "Kafka's brokers. Unset: the local stack's.")
    database_given: Secret = knob("DATABASE_URL", Secret(""), secret, "PostgreSQL's URL. Unset: the local stack's.")
    topic_prefix: str = knob("WORLDTICK_TOPIC_PREFIX", "", prefix, "Stands before every topic and group name.")
    record_format: str = knob(
        "WORLDTICK_FORMAT", "json", choice("json", "avro", "avro-confluent"), "How records are written; all are read."
    )
    schema_registry_url: str = knob(
        "SCHEMA_REGISTRY_URL", "", web_address, "Confluent's schema registry, which `avro-confluent` needs."
    )
    default_world: str = knob(
        "WORLDTICK_DEFAULT_WORLD", "", name, "The world of a pasted tick that names none. Unset: the only active one."
    )
    job_name: str = knob(
        "WORLDTICK_JOB_NAME", "", text, "The Kubernetes Job's name; it ends in the minute the Job was scheduled for."
    )
    paste: str = knob(
        "WORLDTICK_PASTE",
        "auto",
        choice("auto", "on", "off"),
        "Whether pasted ticks count. auto: if commands need no signature, or Kafka decides who may write ticks.",
    )
    control_auth: str = knob(
        "WORLDTICK_CONTROL_AUTH",
        "none",
        choice("none", "signed"),
        "Whether commands must be signed. none: whoever can write to world.control may do everything.",
    )
    control_rate: int = knob(
        "WORLDTICK_CONTROL_RATE", 6_000, number(1, 10_000_000), "Commands of one actor in a minute at most."
    )
    control_key: Path | None = knob(
        "WORLDTICK_CONTROL_KEY", None, directory, "File of the private key that our commands are signed with."
    )
    actor: str = knob("WORLDTICK_ACTOR", "local", name, "Who sends our commands; the holder of that key.")
    state_dir: Path = knob("WORLDTICK_STATE_DIR", Path(".worldtick"), directory, "Where the local stack lives.")
    cache_dir: Path | None = knob(
        "WORLDTICK_CACHE_DIR", None, directory, "Where Kafka's jars are kept. Unset: `~/.cache/worldtick`."
    )
    java_home: Path | None = knob("JAVA_HOME", None, directory, "The Java of the local Kafka. Unset: that on the PATH.")
    port: int = knob("PORT", 9266, number(0, 65_535), "Where a process serves health and metrics; 0: any free port.")
    log_level: str = knob("LOG_LEVEL", "info", choice("debug", "info", "warning", "error"), "What is logged.")
    log_format: str = knob(
        "LOG_FORMAT", "json", choice("json", "console"), "json: one object a line; console: to read."
    )
    kafka_security_protocol: str = knob(
        "KAFKA_SECURITY_PROTOCOL",
        "PLAINTEXT",
        choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "How the brokers are spoken to.",
    )
    kafka_sasl_mechanism: str = knob(
        "KAFKA_SASL_MECHANISM", "PLAIN", choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), "How we log in to Kafka."
    )
    kafka_sasl_username: str = knob("KAFKA_SASL_USERNAME", "", text, "Who we are to Kafka.")
    kafka_sasl_password: Secret = knob("KAFKA_SASL_PASSWORD", Secret(""), secret, "Our password there.")
    kafka_ssl_ca_location: str = knob("KAFKA_SSL_CA_LOCATION", "", text, "File of the authorities that sign brokers.")
    kafka_ssl_certificate_location: str = knob("KAFKA_SSL_CERTIFICATE_LOCATION", "", text, "File of our certificate.")
    kafka_ssl_key_location: str = knob("KAFKA_SSL_KEY_LOCATION", "", text, "File of our certificate's key.")
    kafka_ssl_key_password: Secret = knob("KAFKA_SSL_KEY_PASSWORD", Secret(""), secret, "What that key is locked with.")
    step_timeout_s: float = knob(
        "WORLDTICK_STEP_TIMEOUT_S", 60.0, seconds(1, 3600), "A step that takes longer is hung: its process ends."
    )
    session_timeout_s: float = knob(
        "WORLDTICK_SESSION_TIMEOUT_S", 6.0, seconds(1, 300), "A worker silent for so long has died: others take over."
    )
    batch_records: int = knob("WORLDTICK_BATCH_RECORDS", 2000, number(1, 20_000), "Records of one batch at most.")
    ticks_per_record: int = knob(
        "WORLDTICK_TICKS_PER_RECORD", 64, number(1, 1024), "Ticks of one world under one record at most."
    )
    keep_ticks: int = knob(
        "WORLDTICK_KEEP_TICKS",
        720,
        number(24, 1_000_000),
        "Ticks of each world, and of each slice's ledger, that pruning leaves at least.",
    )
    crowd_agents: int | None = knob(
        "CROWD_NUM_AGENTS",
        None,
        number(1, 100_000),
        "People of a new world's crowd, if its scenario is silent. Unset: 100.",
    )
    crowd_width: int | None = knob(
        "CROWD_GRID_WIDTH", None, number(5, 1_000), "Width of its grid in cells, likewise. Unset: 50."
    )
    crowd_height: int | None = knob(
        "CROWD_GRID_HEIGHT", None, number(5, 1_000), "Height of its grid in cells, likewise. Unset: 50."
    )
    crowd_enabled: str = knob(
        "CROWD_SIMULATION_ENABLED", "", choice("true", "false"), "Whether it has a crowd, likewise. Unset: true."
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all knobs. Raises Faulty that names every fault, without the value of a secret."""
        values: dict[str, Any] = {}
        faults: list[str] = []
        for each in fields(cls):
            variable = each.metadata["variable"]
            given = environ.get(variable, "").strip()
            if given:
                try:
                    values[each.name] = each.metadata["read"](given)
                except ValueError as fault:
                    faults.append(f"{variable} {fault}")
        settings = cls(**values)
        faults += settings.contradictions()
        if faults:
            raise Faulty("the environment has faults", faults)
        return settings

    def contradictions(self) -> list[str]:
        """What is wrong between knobs that are each fine, and with the database's URL."""
        faults = []
        if self.database_given.reveal() and not _is_database_url(self.database_given.reveal()):
            faults.append("DATABASE_URL must look like postgresql://user:password@host:5432/database")
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password.reveal()
        ):
            faults.append("KAFKA_SECURITY_PROTOCOL with SASL needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        if self.record_format == "avro-confluent" and not self.schema_registry_url:
            faults.append("WORLDTICK_FORMAT=avro-confluent needs SCHEMA_REGISTRY_URL")
        return faults

    def warnings(self) -> list[str]:
        """Passwords that anybody could guess."""
        held = {}
        if self.database_given.reveal():
            held["DATABASE_URL"] = urlsplit(self.database_given.reveal()).password or ""
        if self.kafka_security_protocol.startswith("SASL"):
            held["KAFKA_SASL_PASSWORD"] = self.kafka_sasl_password.reveal()
        return [
            f"{variable} has a weak or default password: set one of at least {SECRET_LENGTH_MIN} characters"
            for variable, password in held.items()
            if password.lower() in WEAK or len(password) < SECRET_LENGTH_MIN
        ]

    @property
    def scenario_defaults(self) -> dict[str, Any]:
        """What a scenario is given where it is silent: service -> section. Once read, a world's scenario holds it."""
        crowd: dict[str, Any] = {"agents": self.crowd_agents, "width": self.crowd_width, "height": self.crowd_height}
        if self.crowd_enabled:
            crowd["enabled"] = self.crowd_enabled == "true"
        said = {name: value for name, value in crowd.items() if value is not None}
        return {"society": {"crowd": said}} if said else {}

    @property
    def uses_local_stack(self) -> bool:
        """Whether at least one of the two servers is ours to start."""
        return not (self.kafka_given and self.database_given.reveal())

    @cached_property
    def kafka_bootstrap_servers(self) -> str:
        """The brokers: those given, else the running local stack's. Raises Unavailable when it does not run."""
        return self.kafka_given or self._local("kafka")

    @cached_property
    def database_url(self) -> str:
        """The database: that given, else the running local stack's. Raises Unavailable when it does not run."""
        return self.database_given.reveal() or self._local("postgres")

    @cached_property
    def kafka(self) -> dict[str, str]:
        """What every Kafka client needs to reach the brokers: librdkafka's names."""
        client = {"bootstrap.servers": self.kafka_bootstrap_servers, "security.protocol": self.kafka_security_protocol}
        if self.kafka_security_protocol.startswith("SASL"):
            client["sasl.mechanism"] = self.kafka_sasl_mechanism
            client["sasl.username"] = self.kafka_sasl_username
            client["sasl.password"] = self.kafka_sasl_password.reveal()
        tls = {
            "ssl.ca.location": self.kafka_ssl_ca_location,
            "ssl.certificate.location": self.kafka_ssl_certificate_location,
            "ssl.key.location": self.kafka_ssl_key_location,
            "ssl.key.password": self.kafka_ssl_key_password.reveal(),
        }
        return client | {name: value for name, value in tls.items() if value}

    def _local(self, part: str) -> str:
        from worldtick.local.stack import Stack  # loads Kafka's client, which most verbs do not need

        status = Stack(self.state_dir).status()
        address = status.bootstrap_servers if part == "kafka" else status.database_url
        running = (status.kafka if part == "kafka" else status.postgres).pid is not None
        if address is None or not running:
            variable = "KAFKA_BOOTSTRAP_SERVERS" if part == "kafka" else "DATABASE_URL"
            raise Unavailable(f"no local stack runs in {status.state_dir}: run `worldtick up`, or set {variable}")
        return address


def _is_database_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("postgresql", "postgres") and bool(parts.path.strip("/") or parts.query) and _port(parts)
        )
    except ValueError:
        return False


def _port(parts: Any) -> bool:
    return parts.port is None or parts.port > 0


def load() -> Settings:
    """The settings of this process's environment: the one place where it is read."""
    return Settings.from_env(os.environ)


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of a process that this one starts: ours, with changes."""
    return {**os.environ, **changes}


def wants_color() -> bool:
    """Whether what we print goes to a person's terminal who did not turn colour off."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
