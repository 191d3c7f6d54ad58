"""What records add to the observer's tallies.
Lives here: events with tallies of their own. Not here: reading topics (tests/integration/test_observer)."""

from tests.unit.contracts import samples
from worldtick.contracts.wire import EventWriter
from worldtick.observer.counting import Counted, Known, Seen, count


def _counted(event_type: str, known: Known, **changed: object) -> Counted:
    value = EventWriter().event(
        samples.TICK, event_type, samples.STAMP, "simulation.npc", {**samples.DATA[event_type], **changed}
    )
    return count([Seen("simulation.event", 0, 0, 0, b"w1", value, [])], known)


def test_inhabitants_are_counted_by_tier() -> None:
    known = Known(worlds={"w1"})
    event = "simulation.event.aggregated_stats"
    counted = _counted(event, known, world="w1", simulated={"detailed": 60, "dormant": 5, "strange": 9})
    assert counted.added["npc_decisions", (("tier", "detailed"),)] == 60
    assert counted.added["npc_decisions", (("tier", "dormant"),)] == 5
    assert not any("strange" in str(labels) for _, labels in counted.added)
    assert counted.latest["npc_oldest_wait", (("world", "w1"),)] == 40
    assert counted.latest["npc_carried", (("world", "w1"),)] == 3


def test_a_world_beyond_the_bound_has_no_series() -> None:
    counted = _counted("simulation.event.aggregated_stats", Known())
    assert not counted.latest
