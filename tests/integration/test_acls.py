"""A broker that asks who may do what: every process works under its own principal, and may nothing else.
Lives here: topics/acls.yaml on a real authorizer. Not here: its reading (unit/contracts), logging in (test_secured)."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.secured_broker import AUTHORIZER, Secured, secured_broker
from tests.waiting import until
from worldtick.cli import main
from worldtick.cli.acls import declared_rights
from worldtick.cli.settings import Settings, child_environment
from worldtick.contracts.acls import Acl
from worldtick.contracts.errors import Refused, Unavailable
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM, topic_specs
from worldtick.runtime import acls as cluster
from worldtick.runtime import topics
from worldtick.runtime.topics import admin_client

pytestmark = [pytest.mark.chaos, pytest.mark.postgres]

PREFIX = "guarded."
SERVICES = ("agenda", "economy", "npc", "society")
ROLES = ("ticker", "control", *SERVICES, "observer", "admin", "paste", "analytics", "deploy")
PASSWORDS = {"root": "root-has-this-one"} | {f"worldtick-{role}": f"{role}-has-this-one" for role in ROLES}
RUN = ("economy", "npc")  # one that reads a tick topic, one that is rung slice by slice; the others are as the first
FIRST = "2026-01-01T00:00:00Z"
IMPLIED = {"read": {"describe"}, "write": {"describe"}, "alter": {"describe"}, "alter_configs": {"describe_configs"}}


@dataclass
class Deployment:
    """A guarded broker and a database, and everybody's way to them."""

    secured: Secured
    database_url: str
    patched: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def environment(self, who: str) -> dict[str, str]:
        """The environment of a process that logs in as somebody."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.secured.address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": who,
            "KAFKA_SASL_PASSWORD": PASSWORDS[who],
            "DATABASE_URL": self.database_url,
            "WORLDTICK_TOPIC_PREFIX": PREFIX,
            "WORLDTICK_JOB_NAME": "",
            "LOG_FORMAT": "json",
        }

    def run(self, who: str, *arguments: object) -> tuple[int, str, str]:
        """`worldtick …` by somebody: exit code, stdout, stderr."""
        for variable, value in self.environment(who).items():
            self.patched.setenv(variable, value)
        self.capsys.readouterr()
        code = main.run([str(argument) for argument in arguments])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def kafka(self, who: str) -> dict[str, str]:
        """The settings of somebody's clients."""
        return Settings.from_env(self.environment(who)).kafka

    def write(self, who: str, topic: str, value: bytes = b"{}", idempotent: bool = False) -> str | None:
        """Produce one record; the name of the error. Kafka's console producer is idempotent."""
        settings = {"enable.idempotence": idempotent, "delivery.timeout.ms": 10_000}
        producer = Producer({**self.kafka(who), **settings})
        errors: list[KafkaError | None] = []
        producer.produce(PREFIX + topic, value, on_delivery=lambda error, _message: errors.append(error))
        producer.flush(15)
        (error,) = errors
        return error.name() if error is not None else None


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with an authorizer."""
    with secured_broker(tmp_path_factory.mktemp("deploy"), PASSWORDS, AUTHORIZER) as started:
        yield started


@pytest.fixture
def deployment(
    secured: Secured, postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Deployment:
    """A deployment on it, its topics and ACLs made by a super user."""
    made = Deployment(secured, postgres_url, monkeypatch, capsys)
    code, _, err = made.run("root", "topics", "apply", "--acls")
    assert code == main.OK, err
    return made


@contextmanager
def _running(deployment: Deployment, logs: Path) -> Iterator[None]:
    """Control, the services and the observer, each as itself, until the block ends; they end cleanly."""
    children: list[subprocess.Popen[bytes]] = []
    with ExitStack() as files:
        for name in ("control", *RUN, "observer"):
            log = files.enter_context((logs / name).open("wb"))
            argv = [sys.executable, "-m", "worldtick.cli.main", "run", name, "--port", "0"]
            env = child_environment(**deployment.environment(f"worldtick-{name}"))
            children.append(subprocess.Popen(argv, env=env, stdout=log, stderr=log))
        try:
            yield
        finally:
            for child in children:
                child.terminate()
            codes = [child.wait(60) for child in children]
    assert codes == [0] * len(children)


def test_the_whole_path_works_with_a_principal_for_each_process(deployment: Deployment, tmp_path: Path) -> None:
    create = ("world", "create", "safe", "--scenario", "night_city", "--first-at", FIRST)
    assert deployment.run("worldtick-admin", *create)[0] == main.OK
    with _running(deployment, tmp_path):
        code, out, err = deployment.run("worldtick-ticker", "ticker", "--type", "hourly", "--at", FIRST)
        assert code == main.OK, out + err
        _an_admin_asks(deployment)
        _somebody_pastes(deployment)
        _analysts_read(deployment)
        until(lambda: _observed(deployment) > 0, what="the observer counts events")
    said = "".join(log.read_text("utf-8") for log in tmp_path.iterdir())
    assert "uthorization" not in said, [line for line in said.splitlines() if "uthorization" in line][:5]


def _an_admin_asks(deployment: Deployment) -> None:
    code, out, err = deployment.run("worldtick-admin", "control", "do", "ping", "--json")
    assert (code, json.loads(out)["status"]) == (main.OK, "accepted"), err
    until(lambda: {f"simulation.{service}" for service in RUN} <= _sources(deployment), what="every service's events")
    code, out, _ = deployment.run("worldtick-admin", "tick", "explain", "safe", 1)
    assert code == main.OK
    assert f"{PREFIX}world.tick/" in out
    assert "rung       unknown" not in out


def _sources(deployment: Deployment) -> set[str]:
    code, out, err = deployment.run("worldtick-admin", "tail", "simulation.event", "--json", "--from-beginning")
    assert code == main.OK, err
    return {json.loads(line)["record"]["source"] for line in out.splitlines()}


def _somebody_pastes(deployment: Deployment) -> None:
    """A tick, which is sealed; garbage, which an admin finds and sends back; it is dead again."""
    _, tick, _ = deployment.run("worldtick-paste", "tick", "template", "hourly")
    assert deployment.write("worldtick-paste", "world.tick.hourly", tick.encode(), idempotent=True) is None
    assert deployment.write("worldtick-paste", "world.tick", b"garbage", idempotent=True) is None
    for count in (1, 2):
        until(lambda count=count: len(_letters(deployment)) == count, what="the dead letter")  # type: ignore[misc]
        if count == 1:
            letter = _letters(deployment)[0]
            place = (letter["partition"], letter["offset"])
            code, _, err = deployment.run("worldtick-admin", "dlq", "replay", "world.tick", *place)
            assert code == main.OK, err
    explain = ("tick", "explain", "safe", 2)
    until(lambda: deployment.run("worldtick-admin", *explain)[0] == main.OK, what="the pasted tick")
    assert f"caused by {PREFIX}world.tick.hourly/" in deployment.run("worldtick-admin", *explain)[1]


def _letters(deployment: Deployment) -> list[Any]:
    code, out, err = deployment.run("worldtick-admin", "dlq", "list", "--json")
    assert code == main.OK, err
    return [json.loads(line) for line in out.splitlines()]


def _analysts_read(deployment: Deployment) -> None:
    own = {"group.id": f"{PREFIX}analytics.daily", "auto.offset.reset": "earliest"}
    consumer = Consumer({**deployment.kafka("worldtick-analytics"), **own})
    consumer.subscribe([f"{PREFIX}simulation.event"])
    try:
        message = next(found for _ in range(60) if (found := consumer.poll(0.5)) is not None)
        assert message.error() is None
        consumer.commit(message=message, asynchronous=False)
    finally:
        consumer.close()
    code, out, err = deployment.run("worldtick-analytics", "tail", "simulation.event", "--from-beginning", "--limit", 1)
    assert (code, bool(out)) == (main.OK, True), err


def _observed(deployment: Deployment) -> int:
    code, out, err = deployment.run("worldtick-admin", "status", "--json")
    assert code in (main.OK, main.FAILED), err
    rows = json.loads(out)["records"]
    assert {row["group"] for row in rows} >= {"worldtick.control", "worldtick.npc.split"}
    read = [row for row in rows if (row["group"], row["topic"]) == ("worldtick.observer", "simulation.event")]
    return sum(row["read"] for row in read)


def test_each_may_do_what_is_declared_and_nothing_else(deployment: Deployment) -> None:
    """The broker's own account of it, topic by topic."""
    names = [spec.name for spec in topic_specs(PREFIX)]
    rights = declared_rights(Settings.from_env(deployment.environment("root")), ())
    assert [each.role for each in rights] == ["ticker", "control", *SERVICES, *ROLES[-5:]]
    for each in rights:
        wanted: dict[str, set[str]] = {name: set() for name in names}
        for acl in each.acls:
            if acl.resource == "topic":
                wanted[acl.name] |= {acl.operation, *IMPLIED.get(acl.operation, ())}
        assert _allowed(deployment, f"worldtick-{each.role}", names) == wanted, each.role


def _allowed(deployment: Deployment, who: str, topics: list[str]) -> dict[str, set[str]]:
    admin = admin_client(deployment.kafka(who))
    asked = admin.describe_topics(TopicCollection(topics), include_authorized_operations=True, request_timeout=10)
    found: dict[str, set[str]] = {}
    for name, future in asked.items():
        try:
            found[name] = {operation.name.lower() for operation in future.result(15).authorized_operations}
        except KafkaException as refused:
            found[name] = set() if refused.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else {str(refused)}
    return found


def test_each_is_refused_what_it_must_not_do(deployment: Deployment) -> None:
    refused = [
        ("analytics", "simulation.event"),
        ("paste", "world.control"),
        ("paste", "simulation.event"),
        ("economy", "world.tick"),
        ("npc", "world.tick"),
        ("admin", "simulation.event"),
        ("admin", "world.control.reply"),
        ("observer", "simulation.event"),
        ("ticker", "simulation.event"),
        ("deploy", "world.tick"),
    ]
    assert {deployment.write(f"worldtick-{who}", topic) for who, topic in refused} == {"TOPIC_AUTHORIZATION_FAILED"}
    code, _, err = deployment.run("worldtick-analytics", "tail", "world.control")
    assert code == main.USAGE
    assert "worldtick topics acls" in err
    code, _, err = deployment.run("worldtick-paste", "control", "do", "ping")
    assert code == main.AWAY
    assert "may not read guarded.world.control.reply" in err
    assert _joins(deployment, "worldtick-analytics", "worldtick.observer") == "GROUP_AUTHORIZATION_FAILED"
    assert (
        _begins(deployment, "worldtick-economy", "worldtick.control.host.1.1")
        == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
    )
    assert _begins(deployment, "worldtick-economy", "worldtick.economy.7") is None


def _joins(deployment: Deployment, who: str, group: str) -> str | None:
    consumer = Consumer({**deployment.kafka(who), "group.id": PREFIX + group})
    consumer.subscribe([f"{PREFIX}simulation.event"])
    try:
        message = consumer.poll(15)
        return message.error().name() if message is not None and message.error() is not None else None
    finally:
        consumer.close()


def _begins(deployment: Deployment, who: str, name: str) -> str | None:
    producer = Producer({**deployment.kafka(who), "transactional.id": PREFIX + name})
    try:
        producer.init_transactions(15)
    except KafkaException as refused:
        return str(refused.args[0].name())
    return None


def test_extra_rights_are_shown_and_only_pruned_when_told(deployment: Deployment) -> None:
    extra = Acl("User:worldtick-paste", "topic", f"{PREFIX}world.control", False, "write")
    elsewhere = Acl("User:worldtick-paste", "topic", "other.world.control", False, "write")
    foreign = Acl("User:*", "topic", PREFIX, True, "write", host="10.0.0.1", allows=False)
    admin = admin_client(deployment.kafka("root"))
    cluster.apply(admin, [extra, elsewhere, foreign], PREFIX, [])
    said = f"extra {extra}: not declared\nnotice {foreign}: not declared, nor one of ours\n"
    assert deployment.run("worldtick-deploy", "topics", "diff", "--acls")[:2] == (main.FAILED, said)
    assert deployment.run("root", "topics", "apply", "--acls")[:2] == (main.OK, said)
    assert extra in cluster.list_acls(admin)
    assert deployment.run("root", "topics", "apply", "--acls", "--prune")[:2] == (main.OK, said)
    code, out, _ = deployment.run("worldtick-deploy", "topics", "diff", "--acls", "--json")
    assert (code, [json.loads(line)["kind"] for line in out.splitlines()]) == (main.OK, ["notice"])
    assert elsewhere in cluster.list_acls(admin), "another deployment's"


def test_whoever_deploys_makes_topics_but_no_rights(deployment: Deployment) -> None:
    gone = [f"{PREFIX}generation.request", f"{PREFIX}generation.result.dlq"]
    admin = admin_client(deployment.kafka("root"))
    for deleted in admin.delete_topics(gone, request_timeout=10).values():
        deleted.result(15)
    _drift(admin, f"{PREFIX}world.tick")
    specs = topics.for_brokers(topic_specs(PREFIX), 1)
    until(lambda: len(topics.diff(admin, specs)) == 3, what="the broker knows it")
    code, out, err = deployment.run("worldtick-deploy", "topics", "apply")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (main.OK, ["config", "create", "create"]), err
    lacking = ("topics", "apply", "--acls", "--principal", "paste=User:ann")
    code, _, err = deployment.run("worldtick-deploy", *lacking)
    assert code == main.FAILED
    assert "super.users" in err
    with pytest.raises(Refused, match="describe the cluster"):
        cluster.list_acls(admin_client(deployment.kafka("worldtick-paste")))


def _drift(admin: AdminClient, topic: str) -> None:
    entry = ConfigEntry("retention.ms", "60000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(15)


def test_kafkas_own_tool_says_the_same(deployment: Deployment) -> None:
    """Lines of --format kafka-acls are a shell's, and restore what is deleted."""
    settings = Settings.from_env(deployment.environment("root"))
    (analytics,) = (each for each in declared_rights(settings, ()) if each.role == "analytics")
    (prefixed,) = (acl for acl in analytics.acls if acl.prefixed)
    admin = admin_client(deployment.kafka("root"))
    others = [acl for acl in analytics.acls if acl != prefixed]
    cluster.apply(admin, others, PREFIX, [], prune=True)
    assert prefixed not in cluster.list_acls(admin)
    _, lines, _ = deployment.run("root", "topics", "acls", "--format", "kafka-acls")
    (line,) = (line for line in lines.splitlines() if "--group guarded.analytics" in line)
    tool = shlex.join(deployment.secured.stack.kafka_tool("org.apache.kafka.tools.AclCommand"))
    script = f'kafka-acls.sh() {{ {tool} "$@"; }}\n{line}'
    argv = ["bash", "-c", script, "bash", "--bootstrap-server", deployment.secured.open_address]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: prefixed in cluster.list_acls(admin), what="the right is there again")


def test_pastes_are_on_where_kafka_decides_who_may_write(deployment: Deployment) -> None:
    names = [f"{PREFIX}{topic}" for topic in TICK_TOPIC_OF_STREAM.values()]
    assert cluster.is_guarded(admin_client(deployment.kafka("worldtick-control")), names)
    assert not cluster.is_guarded(admin_client(deployment.kafka("root")), names), "who may do everything cannot tell"
    with pytest.raises(Unavailable):
        cluster.is_guarded(admin_client(deployment.kafka("worldtick-control")), [f"{PREFIX}nothing"])
