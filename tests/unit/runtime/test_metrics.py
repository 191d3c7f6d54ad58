"""The list of metrics: none that nobody sets, and labels that are bounded.
Lives here: both. Not here: that the numbers are right (tests/integration/test_worker), names (test_exposition)."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

import worldtick
from worldtick.runtime import metrics

HOUSE = Path(str(worldtick.__path__[0]))
SET = r"\b{}(\.labels\([^\n]*\))?\.(set|inc|observe)\("


def test_every_metric_is_set_somewhere() -> None:
    declared = {name for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}
    assert len(declared) > 15
    code = "\n".join(path.read_text("utf-8") for path in HOUSE.rglob("*.py"))
    assert [name for name in sorted(declared) if not re.search(SET.format(name), code)] == []


def test_event_labels_are_bounded() -> None:
    assert metrics.event_label("simulation.event.market_cleared") == "market_cleared"
    assert metrics.event_label("market_cleared") == "market_cleared"
    assert metrics.event_label("simulation.event.whatever_7f3a") == metrics.OTHER
