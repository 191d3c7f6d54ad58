"""Exactly-once: how fast, and how soon, a count-and-sum service turns ticks into events.

Question: 1000 worlds x 200 pre-sealed hourly ticks, one record in and one event out each: records a second from
a backlog, and milliseconds for a lone tick at an idle service, produced to read_committed.
Rivals: a bare confluent-kafka transactional loop with the standard library's json (totals in memory: the bound,
not a product), Kafka Streams exactly_once_v2 (Java, two threads), Quix Streams exactly-once. They run
interleaved, on one broker, with the settings that were fastest for each; race.py says how the clock runs;
rings.py proves every output.
Not asked: many brokers, replication, recovery time, start-up time. Broker, reader and contestant share this
machine's cores."""

import json
import statistics
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, Place, from_runs
from benchmarks.peers import kafka_streams
from benchmarks.peers.worldtick_counter import prepare
from benchmarks.race import FULL, SMOKE, Contestant, Course, Load, Result, race

GOALS = (  # of the runtime: who, against whom, how much
    ("worldtick", "quix", "ratio >= 3"),
    ("worldtick", "kafka_streams", "ratio >= 1.2"),
    ("worldtick", "bare_loop", "ratio >= 0.8"),
    ("worldtick_2_workers", "kafka_streams", "ratio >= 1.6"),
)
QUIX_BULK = {"commit_every": 10_000, "commit_interval_s": 1.0}  # +25 % records/s, and a lone record waits 0.9 s
RIVAL_STARTS = 3
BATCH = 5000  # records; +20 % over the default of 2000 in a backlog, nothing for a lone one
CACHE = Path.home() / ".cache" / "worldtick"


def measure(place: Place) -> list[Figure]:
    """Race everybody `place.runs` times, interleaved; in smoke once, Python contestants only."""
    load = SMOKE if place.smoke else FULL
    results: dict[str, list[Result]] = {}
    for run in range(1 if place.smoke else place.runs):
        for contestant in contestants(place):
            result = _race(contestant, load, place)
            results.setdefault(contestant.name, []).append(result)
            place.say(
                f"  {contestant.name} run {run + 1}: {result.records_per_s:,.0f} records/s, "
                f"lone p50 {statistics.median(result.lone_ms):.1f} ms, digest {result.digest}"
            )
    return figures(results)


def _race(contestant: Contestant, load: Load, place: Place) -> Result:
    """One race; a rival that breaks down may start once more, worldtick may not."""
    for attempt in range(RIVAL_STARTS):
        prefix = f"bench{time.time_ns() // 1_000_000}-{contestant.name}."
        scratch = place.scratch / prefix
        scratch.mkdir(parents=True)
        try:
            return race(contestant, Course(place.kafka, place.database_url, prefix, load, scratch))
        except ChildProcessError as ended:
            if contestant.name.startswith("worldtick") or attempt == RIVAL_STARTS - 1:
                raise
            place.say(f"  {contestant.name} ended and starts once more: {str(ended).splitlines()[-1]}")
    raise AssertionError("the last start returns or raises")


def contestants(place: Place) -> list[Contestant]:
    """Who races, one worker of ours first; in smoke only those that need no Java and no second setting."""
    racing = [_ours(1), _python("bare_loop"), _python("quix_streams", name="quix_prompt")]
    if place.smoke:
        return racing
    racing += [_ours(2), _python("quix_streams", name="quix", **QUIX_BULK)]
    if kafka_streams.available():
        racing.append(Contestant("kafka_streams", lambda course: [kafka_streams.command(course.arguments(), CACHE)]))
    else:
        place.say("  no java or no mvn on the PATH: Kafka Streams does not race")
    return racing


def _ours(workers: int) -> Contestant:
    def commands(course: Course) -> list[list[str]]:
        told: dict[str, str | int] = {"bootstrap": course.bootstrap, "database_url": course.database_url}
        told |= {"prefix": course.prefix, "batch": BATCH}
        return [[sys.executable, "-m", "benchmarks.peers.worldtick_counter", json.dumps(told)]] * workers

    return Contestant("worldtick" if workers == 1 else f"worldtick_{workers}_workers", commands, prepare)


def _python(peer: str, name: str = "", **settings: float) -> Contestant:
    def commands(course: Course) -> list[list[str]]:
        return [[sys.executable, "-m", f"benchmarks.peers.{peer}", json.dumps(course.arguments() | settings)]]

    return Contestant(name or peer, commands)


def figures(results: dict[str, list[Result]]) -> list[Figure]:
    """Medians over the runs; a lone record's median is over all of a contestant's lone records."""
    rates = {name: [run.records_per_s for run in runs] for name, runs in results.items()}
    lone = {name: [statistics.median(run.lone_ms) for run in runs] for name, runs in results.items()}
    found = []
    for name in results:
        found.append(from_runs(f"exactly_once_{name}_per_s", "records/s", rates[name]))
        found.append(from_runs(f"lone_tick_{name}_p50_ms", "ms", lone[name]))
    for name, rival, goal in GOALS:
        if name in rates and rival in rates:
            median = statistics.median(rates[rival])
            title = f"exactly_once_{name}_against_{rival}_per_s"
            found.append(from_runs(title, "records/s", rates[name], against=rival, rival=median, goal=goal))
    if "worldtick" in lone and "bare_loop" in lone:
        bare = statistics.median(lone["bare_loop"])
        title = "lone_tick_worldtick_against_bare_loop_p50_ms"
        found.append(from_runs(title, "ms", lone["worldtick"], against="bare_loop", rival=bare, goal="ratio <= 1.4"))
    return found
