"""The series that are made of tallies: names as Prometheus wants them, histograms cumulated, labels bounded.
Lives here: pure exposition. Not here: what is counted (tests/integration/test_observer)."""

import re

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.contracts.samples import DATA
from worldtick.contracts.wire import EventWriter
from worldtick.observer.counting import COMMODITIES_MAX, MARKETS_MAX, Counted, Known, Seen, count
from worldtick.observer.exposition import tally_series
from worldtick.runtime import metrics

NAME = "550e8400-e29b-41d4-a716-446655440000"
BASE_UNITS = re.compile(
    r"_(hours|minutes|days|milliseconds|microseconds|kilobytes|megabytes|ms|us|kb|mb|gb|sec|s|h|d)(_|$)"
)
SUFFIXES = ("_sum", "_count", "_bucket")


def _cleared(world: str, district: str, commodity: str) -> Seen:
    data = {**DATA["simulation.event.market_cleared"], "world": world, "market_id": f"{district}/{commodity}"}
    data |= {"commodity": commodity, "efficiency_ppm": 500_000}
    value = EventWriter().event(NAME, "market_cleared", "2020-01-01T14:00:00Z", "simulation.economy", data)
    return Seen("simulation.event", 0, 1, 0, world.encode(), value, [])


def _lint(families: list[Metric]) -> list[str]:
    """What `promtool check metrics` would say of names and helps."""
    faults = []
    for family in families:
        if not family.documentation:
            faults.append(f"{family.name} has no help")
        if BASE_UNITS.search(family.name):
            faults.append(f"{family.name} is not in base units")
        if family.type != "counter" and family.name.endswith("_total"):
            faults.append(f"{family.name} is no counter")
        if family.type in ("gauge", "counter") and family.name.endswith(SUFFIXES) and family.type != "counter":
            faults.append(f"{family.name} looks like a histogram's")
        if any(word in family.name.split("_") for word in ("gauge", "counter", "histogram", "summary")):
            faults.append(f"{family.name} names its type")
    return faults


def test_names_pass_the_lint() -> None:
    tallies = {"step_us_bucket": [({"service": "economy", "le": "100"}, 2.0)]}
    assert _lint(list(tally_series(tallies))) == []
    ours = list(text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode()))
    assert _lint([family for family in ours if family.name.startswith("worldtick_")]) == []


def test_histograms_are_cumulated_and_whole() -> None:
    rows = [({"service": "economy", "le": le}, value) for le, value in (("100", 2.0), ("2500", 3.0), ("+Inf", 1.0))]
    tallies = {"step_us_bucket": rows, "step_us_sum": [({"service": "economy"}, 5_000_000.0)]}

    class Tallied:
        def collect(self) -> list[Metric]:
            return list(tally_series(tallies))

    registry = CollectorRegistry()
    registry.register(Tallied())
    samples = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }
    assert samples["worldtick_step_seconds_bucket", "0.0001"] == 2
    assert samples["worldtick_step_seconds_bucket", "0.001"] == 2
    assert samples["worldtick_step_seconds_bucket", "0.0025"] == 5
    assert samples["worldtick_step_seconds_bucket", "+Inf"] == 6
    assert samples["worldtick_step_seconds_count", None] == 6
    assert samples["worldtick_step_seconds_sum", None] == 5
    assert sum(name == "worldtick_step_seconds_bucket" for name, _ in samples) == 13


def _count(records: list[Seen], known: Known) -> Counted:
    return count(records, known)


def test_a_thousand_worlds_do_not_make_more_series() -> None:
    worlds = [f"w{number}" for number in range(1_000)]
    known = Known(worlds=worlds[:20])
    records = [
        _cleared(world, district, commodity)
        for world in worlds
        for district in ("a", "b", "c", "d", "e")
        for commodity in ("Food", "Wood", "Metal", "Weapon", "Crystal")
    ]
    counted = _count(records, known)
    assert len(counted.latest) == 3 * 20 * 25
    assert counted.added["markets_cleared", (("commodity", "Food"),)] == 5_000
    assert len({key for key in counted.added if key[0] == "markets_cleared"}) == 5
    fancy = [_cleared("w0", f"d{number}", f"c{number}") for number in range(2_000)]
    counted = _count(fancy, known)
    assert len(known.markets) == MARKETS_MAX
    assert len({key for key in counted.added if key[0] == "markets_cleared"}) <= COMMODITIES_MAX + 1
    assert counted.added["markets_cleared", (("commodity", "other"),)] > 1_800


def test_a_broken_batch_is_counted_to_the_last_record() -> None:
    poison = [None, b"", b"{", b"\xff\xfe", b"[1]", b"\xc3\x01short", b"{}", b'{"event_type":5}', b"x" * 2_000_000]
    records = [Seen("simulation.event", 0, at, 0, None, value, []) for at, value in enumerate(poison)]
    counted = _count(records, Known())
    assert [dead.seen.offset for dead in counted.dead] == list(range(len(poison)))
    assert counted.added["records", (("fate", "dead"), ("topic", "simulation.event"))] == len(poison)
