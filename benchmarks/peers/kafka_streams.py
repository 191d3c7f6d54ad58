"""Peer: Kafka Streams exactly_once_v2 in Java (benchmarks/kafka_streams), built once into the user's cache.

Lives here: building and the command line. Not here: the topology, which is Java."""

import hashlib
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "kafka_streams"
THREADS = 2
COMMIT_INTERVAL_MS = 100  # Kafka Streams' own default under exactly-once
BUILD_S_MAX = 600


def command(course: dict[str, str], cache: Path) -> list[str]:
    """The command that runs the peer on a course. Builds it first if this version is not in the cache."""
    built = build(cache)
    return [
        "java",
        "-Xmx512m",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{built}/count-and-sum-1.jar:{built}/libs/*",
        "worldtick.CountAndSum",
        course["bootstrap"],
        course["group"],
        course["input"],
        course["output"],
        course["scratch"],
        course.get("threads", str(THREADS)),
        course.get("commit_interval_ms", str(COMMIT_INTERVAL_MS)),
        course.get("store", "rocksdb"),
    ]


def build(cache: Path) -> Path:
    """Directory with the jars, made by Maven unless it is there; named by a hash of the sources."""
    sources = sorted(path for path in PROJECT.rglob("*") if path.suffix in (".java", ".xml"))
    mark = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    home = cache / f"kafka-streams-peer-{mark}"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(PROJECT, home)
        goals = ["package", "dependency:copy-dependencies", "-DoutputDirectory=target/libs", "-DincludeScope=runtime"]
        done = subprocess.run(
            ["mvn", "-q", "-B", *goals], cwd=home, capture_output=True, text=True, check=False, timeout=BUILD_S_MAX
        )
        if done.returncode:
            raise RuntimeError(
                f"Maven could not build the Kafka Streams peer:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        (home / "complete").touch()
    return home / "target"


def available() -> bool:
    """Whether Java and Maven are here at all."""
    return shutil.which("java") is not None and shutil.which("mvn") is not None
