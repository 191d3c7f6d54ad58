"""The local Kafka: broker and controller in one daemon, from Kafka's own jars.
Lives here: its configuration, formatting, starting. Not here: fetching jars (kafka_jars), ports (stack)."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from string import Template

from confluent_kafka import KafkaException

from worldtick.contracts.errors import Unavailable
from worldtick.local.daemon import Daemon, launch, wait_until
from worldtick.local.kafka_jars import deploy_dir
from worldtick.local.ports import HOST, PortTaken, is_free, is_open
from worldtick.runtime.topics import admin_client

START_SECONDS_MAX = 90.0
FORMAT_SECONDS_MAX = 60
SETTLE_S = 0.2  # a process that dies at once is reported as dead, not as slow
HEAP_OPTIONS = ("-Xms256m", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+ExitOnOutOfMemoryError")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the broker listens: for clients and for its own controller."""

    client: int
    controller: int


class Broker(Daemon):
    """One Kafka broker whose files lie in `state_dir`/kafka."""

    def __init__(self, state_dir: Path) -> None:
        self.home = state_dir / "kafka"
        self.data = self.home / "data"
        self.configuration = self.home / "server.properties"
        super().__init__("Kafka", state_dir / "kafka.pid", self.home / "broker.log", str(self.configuration))

    def launch(self, java: str, classpath: str, ports: Ports, cluster_id: str) -> None:
        """Start the process, after formatting its directory if it is new; `await_ready` tells when it serves."""
        if self.is_running():
            return
        self.data.mkdir(parents=True, exist_ok=True)
        template = Template((deploy_dir() / "server.properties").read_text("utf-8"))
        self.configuration.write_text(
            template.substitute(port=ports.client, controller_port=ports.controller, data=self.data), "utf-8"
        )
        options = [f"-Dworldtick.broker.log={self.log}", f"-Dlog4j2.configurationFile={deploy_dir()}/log4j2.properties"]
        if not (self.data / "meta.properties").exists():
            self._format([java, "-Xmx128m", "-XX:TieredStopAtLevel=1", *options, "-cp", classpath], cluster_id)
        self.open_chapter()
        argv = [java, *HEAP_OPTIONS, *options, "-cp", classpath, "kafka.Kafka", str(self.configuration)]
        self.remember(launch(argv, self.home / "broker.out"))

    def _format(self, java: list[str], cluster_id: str) -> None:
        argv = [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self.configuration)]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FORMAT_SECONDS_MAX, check=False
        )
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
            raise Unavailable(f"Kafka's data directory {self.data} could not be made: {lines[-1]}")

    def await_ready(self, ports: Ports) -> None:
        """Wait until the broker answers. Raises Unavailable with the end of its log, PortTaken."""
        started = time.monotonic()
        up = wait_until(lambda: is_open(ports.client) or self._died(started), START_SECONDS_MAX)
        if not self.is_running():
            self._explain(ports, "ended while starting")
        if not (up and wait_until(lambda: self._answers(ports), START_SECONDS_MAX)):
            self._explain(ports, f"does not answer within {START_SECONDS_MAX:.0f} s")

    def _died(self, started: float) -> bool:
        return not self.is_running() and time.monotonic() - started > SETTLE_S

    def _answers(self, ports: Ports) -> bool:
        admin = admin_client({"bootstrap.servers": address(ports)})
        try:
            return bool(admin.list_topics(timeout=2).brokers) or not self.is_running()
        except KafkaException:
            return not self.is_running()

    def _explain(self, ports: Ports, what: str) -> None:
        words = self.last_words()
        if not self.is_running() and "Address already in use" in words:
            raise PortTaken(ports.controller if is_free(ports.client) else ports.client)
        out = self.home / "broker.out"
        if not self.log.exists() and out.exists():
            words = out.read_text("utf-8", "replace").strip()[-2000:]  # Java itself did not start
        raise Unavailable(f"Kafka {what}; its log {self.log} ends with:\n{words}")


def address(ports: Ports) -> str:
    """What KAFKA_BOOTSTRAP_SERVERS is for this broker."""
    return f"{HOST}:{ports.client}"
