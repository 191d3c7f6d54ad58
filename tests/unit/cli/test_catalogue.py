"""Which services there are, and what is said of one that cannot be loaded.
Lives here: the registry and its entry points. Not here: what a service does (its own room)."""

from importlib.metadata import EntryPoint

import pytest

from worldtick.cli.catalogue import GROUP, load
from worldtick.contracts.errors import Faulty

COUNT = "tests.small_worlds:COUNT"


def _entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_services_come_by_name_from_both_sides() -> None:
    found = load({"count": COUNT}, [_entry("market", "tests.small_worlds:MARKET")])
    assert list(found) == ["count", "market"]
    assert {service.name for service in found.values()} == set(found)


def test_every_fault_is_named() -> None:
    brought = [
        _entry("count", "tests.small_worlds:COUNT"),
        _entry("other", "tests.small_worlds:MARKET"),
        _entry("text", "tests.small_worlds:T0"),
        _entry("gone", "no.such.module:SERVICE"),
        _entry("absent", "tests.small_worlds:NOTHING"),
        _entry("shapeless", "tests.small_worlds"),
    ]
    with pytest.raises(Faulty) as caught:
        load({"count": COUNT}, brought)
    assert len(caught.value.faults) == 6
    assert "name of another" in caught.value.faults[0]
