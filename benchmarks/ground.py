"""The ground that figures are taken on: broker and database, and what kind of machine this is.

Lives here: finding the services, facts of the machine that a reader needs. Not here: names of hosts, paths,
settings."""

import platform
import re
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = ("confluent-kafka", "msgspec", "numba", "numpy", "psycopg", "quixstreams")
PINNED = {
    "kafka broker": ("deploy/local/pom.xml", "kafka_2.13"),
    "kafka streams": ("benchmarks/kafka_streams/pom.xml", "kafka-streams"),
}
ROOT = Path(__file__).resolve().parents[1]


def connect(kafka: str | None, database_url: str | None) -> tuple[str, str]:
    """(bootstrap servers, database URL): as named by the caller. Raises LookupError without a broker."""
    if kafka:
        return kafka, database_url or ""
    raise LookupError("no broker is named: set KAFKA_BOOTSTRAP_SERVERS, and DATABASE_URL for benchmarks that need one")


def machine_facts() -> dict[str, object]:
    """What machine.json holds: enough to judge a figure, nothing that names the machine."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "taken": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": psutil.cpu_count(logical=True),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "java": _java(),
        **{what: _pinned(*where) for what, where in PINNED.items()},
        **versions,
    }


def _processor() -> str:
    """The processor's model, on Linux; else what Python knows."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", info.read_text("utf-8"), re.MULTILINE) if info.exists() else None
    return model[1] if model else platform.processor() or "unknown"


def _java() -> str:
    if shutil.which("java") is None:
        return "none"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    found = re.search(r'version "([^"]+)"', said)
    return found[1] if found else "unknown"


def _pinned(pom: str, artifact: str) -> str:
    """The version of an artifact in one of our poms."""
    path = ROOT / pom
    text = path.read_text("utf-8") if path.exists() else ""
    properties: dict[str, str] = dict(re.findall(r"<([\w.]+)>([^<]+)</\1>", text))
    found: re.Match[str] | None = re.search(
        rf"<artifactId>{re.escape(artifact)}</artifactId>\s*<version>([^<]+)</version>", text
    )
    name = str(found[1]) if found else "unknown"
    return properties.get(name[2:-1], name) if name.startswith("${") else name
