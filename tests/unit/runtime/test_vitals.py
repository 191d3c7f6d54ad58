"""Vitals: a real client sees a process become fit, unfit, stuck and fit again.
Lives here: the little server and what makes it say 503. Not here: what a worker says of itself."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from worldtick.contracts.errors import Faulty
from worldtick.runtime import metrics
from worldtick.runtime.vitals import Vitals

HOST = "127.0.0.1"


@pytest.fixture
def vitals() -> Iterator[Vitals]:
    """Vitals of a process that has not said anything yet."""
    vitals = Vitals("economy", "0.1.0")
    yield vitals
    vitals.close()


def _get(port: int, path: str) -> tuple[int, str, str]:
    client = HTTPConnection(HOST, port, timeout=5)
    try:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
    finally:
        client.close()


def _health(port: int, path: str = "/health") -> tuple[int, dict[str, Any]]:
    status, content_type, body = _get(port, path)
    assert content_type == "application/json"
    return status, json.loads(body)


def test_a_part_that_fails_makes_it_unfit_and_names_itself(vitals: Vitals) -> None:
    port = vitals.serve(0, HOST)
    assert _health(port)[0] == 503  # nothing said yet
    vitals.part("kafka", True)
    vitals.part("database", True)
    status, report = _health(port)
    assert (status, report["ready"], report["process"]) == (200, True, "economy")
    vitals.part("kafka", False, "broker down at sasl.password=Hunter2")
    for path in ("/health", "/readyz"):
        status, report = _health(port, path)
        assert (status, report["parts"]["kafka"]["ok"], report["parts"]["database"]["ok"]) == (503, False, True)
        assert report["parts"]["kafka"]["detail"] == "broker down at sasl.password=***"
    assert _health(port, "/healthz")[0] == 200  # a restart would not bring the broker back
    vitals.part("kafka", True)
    assert _health(port)[0] == 200


def test_a_loop_that_does_not_come_round_is_neither_ready_nor_alive(vitals: Vitals) -> None:
    port = vitals.serve(0, HOST)
    vitals.beat("loop", 60)
    assert _health(port, "/readyz")[0] == 200
    vitals.beat("loop", -1)
    for path in ("/readyz", "/healthz"):
        status, report = _health(port, path)
        assert status == 503
        assert "has not come round" in report["parts"]["loop"]["detail"]
    vitals.ended("loop")
    vitals.part("kafka", True)
    assert _health(port, "/readyz")[0] == 200


def test_ages_are_shown(vitals: Vitals) -> None:
    vitals.mark("last_tick")
    assert 0 <= vitals.report()["ages_s"]["last_tick"] < 60


def test_a_change_is_logged_once(vitals: Vitals, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "worldtick")
    for ok in (True, True, False, False, True):
        vitals.part("database", ok, "so")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "part_unfit"),
        ("INFO", "part_fit"),
    ]


def test_metrics_are_prometheus_text(vitals: Vitals) -> None:
    port = vitals.serve(0, HOST)
    metrics.STEPS.labels("economy", "applied").inc(3)
    metrics.STEP_SECONDS.labels("economy").observe(0.02)
    status, content_type, body = _get(port, "/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    families = {family.name: family for family in text_string_to_metric_families(body)}
    applied = [
        sample.value
        for sample in families["worldtick_worker_ticks"].samples
        if sample.labels == {"service": "economy", "outcome": "applied"} and sample.name.endswith("_total")
    ]
    assert applied[0] >= 3
    assert families["worldtick_worker_step_seconds"].type == "histogram"
    assert "process_resident_memory_bytes" in families


def test_other_paths_are_not_there(vitals: Vitals) -> None:
    assert _get(vitals.serve(0, HOST), "/secret")[0] == 404


def test_a_port_that_is_taken_is_one_clear_fault(vitals: Vitals) -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(Faulty, match=f"PORT: {port} is taken by another process: set PORT to a free one"):
            vitals.serve(port, HOST)


def test_a_collector_that_fails_is_not_an_empty_process() -> None:
    class Broken:
        def collect(self) -> Any:
            raise RuntimeError("no rows")

    registry = CollectorRegistry()
    registry.register(Broken())
    vitals = Vitals("observer", registry=registry)
    try:
        assert _get(vitals.serve(0, HOST), "/metrics")[0] == 500
    finally:
        vitals.close()


def test_a_client_that_says_nothing_holds_nobody_up(vitals: Vitals) -> None:
    port = vitals.serve(0, HOST)
    vitals.part("kafka", True)
    with socket.create_connection((HOST, port)):
        assert _health(port)[0] == 200
        vitals.close()
