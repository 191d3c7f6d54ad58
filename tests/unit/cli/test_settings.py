"""Settings: every fault at once, no secret shown, and what a Kafka client is handed.
Lives here: settings and readings. Not here: what the settings do."""

from dataclasses import fields
from pathlib import Path

import pytest

from worldtick.cli.readings import Secret
from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Faulty, Unavailable

SECRET = "s3cret-of-the-house"


def test_an_empty_environment_is_fine_and_an_empty_variable_is_absent() -> None:
    bare = Settings.from_env({})
    assert bare == Settings.from_env({each.metadata["variable"]: " " for each in fields(Settings)})
    assert (bare.record_format, bare.port, bare.state_dir) == ("json", 9266, Path(".worldtick"))
    assert bare.warnings() == []


def test_every_variable_has_a_meaning_and_stands_once() -> None:
    variables = [each.metadata["variable"] for each in fields(Settings)]
    assert len(set(variables)) == len(variables)
    for each in fields(Settings):
        assert each.metadata["meaning"].endswith("."), each.name
        assert each.metadata["read"].__doc__, each.name


@pytest.mark.parametrize(
    ("variable", "given", "words"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "broker", "host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:99999", "'b:99999'"),
        ("WORLDTICK_TOPIC_PREFIX", "-blue", "letters"),
        ("WORLDTICK_FORMAT", "xml", "json, avro, avro-confluent"),
        ("SCHEMA_REGISTRY_URL", "registry:8081", "http"),
        ("WORLDTICK_DEFAULT_WORLD", "No Such", "world id"),
        ("PORT", "65536", "0 to 65535"),
        ("PORT", "1e3", "whole number"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("WORLDTICK_STEP_TIMEOUT_S", "soon", "seconds"),
        ("WORLDTICK_STEP_TIMEOUT_S", "nan", "seconds"),
        ("WORLDTICK_BATCH_RECORDS", "0", "1 to 20000"),
        ("DATABASE_URL", f"mysql://me:{SECRET}@host/db", "postgresql://"),
        ("DATABASE_URL", f"postgresql://me:{SECRET}@host:port/db", "postgresql://"),
    ],
)
def test_a_fault_names_its_variable_and_the_remedy(variable: str, given: str, words: str) -> None:
    with pytest.raises(Faulty) as fault:
        Settings.from_env({variable: given})
    (sentence,) = fault.value.faults
    assert sentence.startswith(variable)
    assert words in sentence
    assert SECRET not in str(fault.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(Faulty) as fault:
        Settings.from_env(
            {
                "PORT": "x",
                "LOG_FORMAT": "x",
                "DATABASE_URL": "x",
                "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
                "WORLDTICK_FORMAT": "avro-confluent",
            }
        )
    assert {sentence.split()[0].split("=")[0] for sentence in fault.value.faults} == {
        "PORT",
        "LOG_FORMAT",
        "DATABASE_URL",
        "KAFKA_SECURITY_PROTOCOL",
        "WORLDTICK_FORMAT",
    }


def test_words_are_read_however_they_are_written() -> None:
    settings = Settings.from_env({"LOG_LEVEL": "DEBUG", "KAFKA_SECURITY_PROTOCOL": "ssl", "JAVA_HOME": "~/java"})
    assert (settings.log_level, settings.kafka_security_protocol) == ("debug", "SSL")
    assert settings.java_home == Path.home() / "java"


def test_secrets_are_never_shown() -> None:
    settings = Settings.from_env(
        {
            "DATABASE_URL": f"postgresql://me:{SECRET}@host/db",
            "KAFKA_SASL_PASSWORD": SECRET,
            "KAFKA_SSL_KEY_PASSWORD": SECRET,
        }
    )
    assert SECRET not in repr(settings)
    assert SECRET not in f"{settings.kafka_sasl_password} {settings.kafka_sasl_password!r}"
    assert settings.kafka_sasl_password.reveal() == SECRET
    assert {Secret("a"), Secret("a")} == {Secret("a")}


@pytest.mark.parametrize("password", ["", "postgres", "short", "Password"])
def test_a_weak_password_is_warned_of_without_naming_it(password: str) -> None:
    settings = Settings.from_env(
        {
            "DATABASE_URL": f"postgresql://me:{password}@host/db",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_USERNAME": "me",
            "KAFKA_SASL_PASSWORD": password or "kafka",
        }
    )
    assert [warning.split()[0] for warning in settings.warnings()] == ["DATABASE_URL", "KAFKA_SASL_PASSWORD"]
    assert not any("short" in warning for warning in settings.warnings())


def test_a_kafka_client_is_handed_all_that_it_needs() -> None:
    plain = Settings.from_env({"KAFKA_BOOTSTRAP_SERVERS": "a:1, b:2"})
    assert plain.kafka == {"bootstrap.servers": "a:1,b:2", "security.protocol": "PLAINTEXT"}
    safe = Settings.from_env(
        {
            "KAFKA_BOOTSTRAP_SERVERS": "a:1",
            "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "KAFKA_SASL_MECHANISM": "scram-sha-512",
            "KAFKA_SASL_USERNAME": "me",
            "KAFKA_SASL_PASSWORD": SECRET,
            "KAFKA_SSL_CA_LOCATION": "/ca.pem",
            "KAFKA_SSL_CERTIFICATE_LOCATION": "/me.pem",
            "KAFKA_SSL_KEY_LOCATION": "/me.key",
            "KAFKA_SSL_KEY_PASSWORD": SECRET,
        }
    )
    assert safe.kafka == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": SECRET,
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/me.pem",
        "ssl.key.location": "/me.key",
        "ssl.key.password": SECRET,
    }


def test_without_a_stack_each_address_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings.from_env({"WORLDTICK_STATE_DIR": str(tmp_path)})
    assert settings.uses_local_stack
    with pytest.raises(Unavailable, match=r"worldtick up.*KAFKA_BOOTSTRAP_SERVERS"):
        _ = settings.kafka
    with pytest.raises(Unavailable, match=r"worldtick up.*DATABASE_URL"):
        _ = settings.database_url


def test_a_crowds_size_is_a_default_for_scenarios_only_where_it_is_given() -> None:
    assert Settings.from_env({}).scenario_defaults == {}
    given = {"CROWD_NUM_AGENTS": "250", "CROWD_GRID_HEIGHT": "80", "CROWD_SIMULATION_ENABLED": "False"}
    crowd = {"agents": 250, "height": 80, "enabled": False}
    assert Settings.from_env(given).scenario_defaults == {"society": {"crowd": crowd}}
    with pytest.raises(Faulty) as caught:
        Settings.from_env({"CROWD_GRID_WIDTH": "4", "CROWD_SIMULATION_ENABLED": "perhaps"})
    assert [fault.split()[0] for fault in caught.value.faults] == ["CROWD_GRID_WIDTH", "CROWD_SIMULATION_ENABLED"]
