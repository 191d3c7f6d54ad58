"""What a doctor looks at: one check each, that says how it is and what to do.
Lives here: the checks. Not here: their order and printing (doctor)."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from worldtick.cli.columns import size, span
from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Unavailable
from worldtick.contracts.topics import topic_specs
from worldtick.observer.groups import read_groups
from worldtick.observer.overview import Overview, look
from worldtick.runtime import topics as cluster
from worldtick.store.db import Pool, migrations, transaction
from worldtick.store.installation import applied_migrations, database_clock, rings_owed
from worldtick.store.retention import Policy, held_back

OK, NOTICE, BAD = "ok", "notice", "BAD"
JAVA_MIN: Final = 17
DISK_FREE_MIN: Final = 1 << 30
SKEW_S_MAX: Final = 2.0
RINGS_OLD_S: Final = 120
KAFKA_S: Final = 5.0


class Finding(NamedTuple):
    """What one check found."""

    level: str
    what: str
    remedy: str = ""


def of_settings(settings: Settings) -> Iterator[Finding]:
    """Weak passwords; settings that are faulty stop every verb before."""
    warnings = list(settings.warnings())
    for warning in warnings:
        yield Finding(NOTICE, warning, "set a password of your own")
    if not warnings:
        yield Finding(OK, "the environment has no faults")
    if settings.control_auth == "none":
        said = "commands are not proved: whoever can write to world.control may do everything"
        yield Finding(NOTICE, said, "set WORLDTICK_CONTROL_AUTH=signed, and make keys with `worldtick key new`")


def of_machine(settings: Settings) -> Iterator[Finding]:
    """Java and Maven where the local stack needs them, and room on the disk."""
    if settings.uses_local_stack:
        yield _java(settings)
        if shutil.which("mvn") is None and not _jars(settings):
            yield Finding(BAD, "Maven is not installed, and Kafka's jars are not fetched yet", "install Maven 3")
        else:
            yield Finding(OK, "Maven is there, or Kafka's jars are")
    home = settings.state_dir if settings.state_dir.exists() else Path.cwd()
    free = psutil.disk_usage(str(home)).free
    level = OK if free >= DISK_FREE_MIN else BAD
    yield Finding(level, f"{size(free)} free at {home}", "" if level == OK else "make room: Kafka stops on a full disk")


def _java(settings: Settings) -> Finding:
    program = str(settings.java_home / "bin" / "java") if settings.java_home is not None else shutil.which("java")
    if program is None or not Path(program).exists():
        return Finding(BAD, "Java is not installed", f"install Java {JAVA_MIN}, or set JAVA_HOME")
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as broken:
        return Finding(BAD, f"Java does not run: {broken}", "install it again, or set JAVA_HOME")
    said = (done.stderr or done.stdout).splitlines() or [""]
    version = said[0].partition('"')[2].partition('"')[0]
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) < JAVA_MIN:
        return Finding(BAD, f"Java {version or '?'} is too old", f"install Java {JAVA_MIN} or newer, or set JAVA_HOME")
    return Finding(OK, f"Java {version}")


def _jars(settings: Settings) -> bool:
    cache = settings.cache_dir or Path.home() / ".cache" / "worldtick"
    return any(cache.rglob("kafka_*.jar")) if cache.exists() else False


def of_database(pool: Pool) -> Iterator[Finding]:
    """Tables and clock."""
    with transaction(pool) as conn:
        applied = applied_migrations(conn)
        clock, version = database_clock(conn)
        now = datetime.fromtimestamp(time.time(), UTC)
    yield Finding(OK, f"PostgreSQL {version} answers")
    yield _migrations(applied)
    skew_s = (clock - now).total_seconds()
    if abs(skew_s) > SKEW_S_MAX:
        yield Finding(BAD, f"the database's clock is {skew_s:+.1f} s off ours", "let both hosts keep time by NTP")
    else:
        yield Finding(OK, f"the database's clock is within {SKEW_S_MAX:g} s of ours")


def _migrations(applied: Mapping[str, str]) -> Finding:
    shipped = {name: sha256(text.encode()).hexdigest() for name, text in migrations()}
    missing = sorted(set(shipped) - set(applied))
    foreign = sorted(set(applied) - set(shipped))
    altered = sorted(name for name in shipped if name in applied and applied[name] != shipped[name])
    if altered:
        return Finding(BAD, f"migration {', '.join(altered)} was applied with other text", "restore the file")
    if missing:
        return Finding(BAD, f"{len(missing)} migrations are missing: {', '.join(missing)}", "run `worldtick up`")
    if foreign:
        return Finding(BAD, f"the database is of a newer release: {', '.join(foreign)}", "install that release here")
    return Finding(OK, f"all {len(shipped)} migrations are applied")


def of_kafka(settings: Settings) -> Iterator[Finding]:
    """Brokers, topics, groups."""
    admin = cluster.admin_client(settings.kafka)
    try:
        brokers = cluster.brokers(admin, KAFKA_S)
        yield Finding(OK, f"Kafka answers with {brokers} brokers")
        specs = cluster.for_brokers(topic_specs(settings.topic_prefix), brokers)
        changes = [change for change in cluster.diff(admin, specs, KAFKA_S) if change.kind != "notice"]
        readings = read_groups(admin, settings.topic_prefix, KAFKA_S)
    except Unavailable as away:
        yield Finding(BAD, str(away), "run `worldtick up`, start the brokers, or mend KAFKA_BOOTSTRAP_SERVERS")
        return
    if changes:
        said = "; ".join(str(change) for change in changes[:3])
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        yield Finding(BAD, f"topics are not as declared: {said}{more}", "run `worldtick topics apply`")
    else:
        yield Finding(OK, "all topics are as declared")
    for reading in readings:
        if reading.offset > reading.end:
            where = f"{reading.topic}/{reading.partition}"
            what = f"group {reading.group} stands at {reading.offset} of {where}, which ends at {reading.end}"
            yield Finding(BAD, what, "the log was cut short: restart the group's workers, which go on at its end")


def of_worlds(pool: Pool, settings: Settings) -> Iterator[Finding]:
    """What the overview finds wrong, who lags without a worker, rings that are owed, history that is held back."""
    overview = look(pool, settings.kafka, settings.topic_prefix, 1)
    for why in overview.why:
        yield Finding(BAD, why, _remedy(why))
    yield from _lagging(overview)
    with transaction(pool) as conn:
        owed = rings_owed(conn, RINGS_OLD_S)
        held = held_back(conn, Policy(settings.keep_ticks), 10)
    if owed:
        worlds, oldest_s = owed
        what = f"{worlds} worlds have sealed ticks that were not rung for {span(oldest_s)}"
        yield Finding(BAD, what, "run a ticker: `worldtick ticker --type hourly`, or `ticker serve`")
    for one in held[:3]:
        what = f"the history of {one.service}/{one.slice_no} of {one.world} is over its bound: {one.ledger_rows} rows"
        yield Finding(NOTICE, what, "see `worldtick retention status`")
    if not overview.why and not owed:
        yield Finding(OK, f"{overview.active_worlds} active worlds, nothing parked, diverged, lost or unrung")


def _lagging(overview: Overview) -> Iterator[Finding]:
    for line in overview.services:
        if not line.in_flight:
            continue
        what = f"{line.service} is {line.in_flight} ticks behind in {line.worlds_behind} worlds"
        what += f", {line.behind_hours:.1f} h of world time at most"
        if line.workers == 0:
            yield Finding(BAD, f"{what}, and no worker of it runs", f"start one: `worldtick run {line.service}`")
        else:
            yield Finding(NOTICE, f"{what}; {line.workers} workers run", "wait, or start another worker")


def _remedy(why: str) -> str:
    if why.startswith("parked"):
        return "see why: `worldtick slice list --stopped`, `worldtick dlq list`; mend it, then `worldtick slice resume`"
    if why.startswith("diverged"):
        return "a step gave other bytes than before, or a snapshot is damaged: `worldtick verify` names the tick"
    if why.startswith("world"):
        return "restore a newer backup of the database; what services then publish again is doubled on Kafka"
    if "ticks sealed are not" in why:
        return "report it: rows of the ledger are missing or doubled"
    return "see `worldtick status`"
