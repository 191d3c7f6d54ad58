"""One worker in a process of its own, for tests that kill it: `python -m tests.chaos.worker JSON`.
Lives here: what `worldtick run` does, for services of no catalogue. Not here: the services (counting)."""

import sys
from dataclasses import replace
from typing import Any

import msgspec

from tests.chaos.counting import SERVICES
from worldtick.agenda.service import SERVICE as AGENDA
from worldtick.runtime import logs
from worldtick.runtime.rules import Rules
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place, Worker
from worldtick.ticker.serve import until_signal


class Order(msgspec.Struct, frozen=True):
    """What a process is to run, and where."""

    service: str
    kafka: str
    database_url: str
    prefix: str
    session_timeout_ms: int = 1_500
    step_timeout_s: float = 60.0
    step_version: int = 1
    rules: dict[str, Any] = {}


def main() -> None:
    """Run until SIGTERM. The log goes to standard error; the port of /health stands in it."""
    order = msgspec.json.decode(sys.argv[1].encode(), type=Order)
    logs.setup("info")
    place = Place(
        {"bootstrap.servers": order.kafka},
        order.database_url,
        order.prefix,
        rules=Rules(**order.rules),
        session_timeout_ms=order.session_timeout_ms,
        step_timeout_s=order.step_timeout_s,
    )
    vitals = Vitals(order.service)
    vitals.serve(0, "127.0.0.1")
    with until_signal() as stop:
        services = {**SERVICES, AGENDA.name: AGENDA}
        Worker(replace(services[order.service], step_version=order.step_version), place, vitals).run_until(stop)
    vitals.close()


if __name__ == "__main__":
    main()
