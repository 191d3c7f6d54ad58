"""Kafka's own jars and the Java that runs them.
Lives here: finding Java and Maven, fetching once into a cache. Not here: the broker's life (broker)."""

import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from worldtick.contracts.errors import Unavailable

JAVA_MIN = 17
MAVEN_SECONDS_MAX = 900
PROGRESS_EVERY = 25  # downloads between two lines of progress
CACHE_DIR = Path.home() / ".cache" / "worldtick"
TOOL_OPTIONS = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # a tool lives for seconds

Say = Callable[[str], None]


def deploy_dir() -> Path:
    """Where pom.xml and the broker's configuration lie: in the clone, or in the installed wheel."""
    for place in (Path(__file__).parents[3] / "deploy" / "local", Path(__file__).parent / "deploy"):
        if (place / "pom.xml").exists():
            return place
    raise Unavailable("worldtick's installation is incomplete: deploy/local/pom.xml is missing; install it again")


def java(java_home: Path | None) -> str:
    """The path of a Java that can run Kafka. Raises Unavailable when there is none or it is too old."""
    found = str(java_home / "bin" / "java") if java_home else shutil.which("java")
    ask = f"install a Java runtime {JAVA_MIN} or later (Debian: `apt install openjdk-17-jre-headless`)"
    if found is None:
        raise Unavailable(f"Kafka needs Java and there is no `java` on the PATH: {ask}, or set KAFKA_BOOTSTRAP_SERVERS")
    try:
        said = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"`{found} -version` does not work ({error}): {ask}, or mend JAVA_HOME") from error
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < JAVA_MIN:
        raise Unavailable(f"Kafka needs Java {JAVA_MIN} or later, and {found} is {said.splitlines()[0]}: {ask}")
    return found


def classpath(cache_dir: Path, say: Say) -> str:
    """Java's class path of all jars; fetches them with Maven if the cache lacks them (54 MB, once)."""
    return f"{jars_dir(cache_dir, say)}/*"


def jars_dir(cache_dir: Path, say: Say) -> Path:
    """The directory of the jars that pom.xml names; whole or absent, however many ask at once."""
    pom = deploy_dir() / "pom.xml"
    home = cache_dir / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"
    if home.is_dir():
        return home
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=cache_dir, prefix="fetching-") as fresh:
                _fetch(pom, Path(fresh) / "jars", say)
                (Path(fresh) / "jars").rename(home)
    return home


def _fetch(pom: Path, target: Path, say: Say) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable(
            "Kafka's jars are fetched by Maven and there is no `mvn` on the PATH: install it "
            "(Debian: `apt install maven`), or set KAFKA_BOOTSTRAP_SERVERS"
        )
    say("fetching Kafka's jars with Maven, this once (about 40 MB)")
    target.mkdir(mode=0o755)
    argv = [maven, "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
    argv.append("-DincludeScope=runtime")
    errors: list[str] = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=target) as run:
        watchdog = threading.Timer(MAVEN_SECONDS_MAX, run.kill)
        watchdog.start()
        try:
            _follow(run, say, errors)
        finally:
            watchdog.cancel()
    if run.returncode != 0 or not any(target.glob("kafka_2.13-*.jar")):
        why = next(iter(errors), f"exit code {run.returncode}")
        raise Unavailable(f"Maven could not fetch Kafka's jars ({why}): check its network and settings.xml, then again")


def _follow(run: "subprocess.Popen[str]", say: Say, errors: list[str]) -> None:
    fetched = 0
    for line in run.stdout or ():
        if "Downloaded from" in line:
            fetched += 1
            if fetched % PROGRESS_EVERY == 0:
                say(f"  {fetched} files")
        if line.startswith("[ERROR]") and len(errors) < 3:
            errors.append(line.removeprefix("[ERROR]").strip())


def tool_command(java_path: str, class_path: str, main_class: str) -> list[str]:
    """The command line of one of Kafka's own tools, such as org.apache.kafka.tools.ConsoleProducer."""
    return [java_path, *TOOL_OPTIONS, "-cp", class_path, main_class]


def forget(cache_dir: Path) -> None:
    """Delete all fetched jars."""
    for home in cache_dir.glob("kafka-*"):
        with suppress(OSError):
            shutil.rmtree(home)
