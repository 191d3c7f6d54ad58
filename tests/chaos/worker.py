"""One worker in a process of its own, for tests that kill it: `python -m tests.chaos.worker JSON`.
Lives here: what `worldtick run` does, for services of no catalogue too. Not here: the services (counting)."""

import sys
import threading
import time
from dataclasses import replace
from typing import Any

import msgspec

from tests.chaos.counting import SERVICES
from worldtick.contracts.sealed import SealedTick
from worldtick.runtime import logs
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Service, Step
from worldtick.runtime.splitting import Splitter
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
    pause_ms: float = 0.0  # added to each step, for services that have no pause of their own
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
        service = replace(_paused(_service(order.service), order.pause_ms), step_version=order.step_version)
        beside = [Splitter(service, place, vitals)] if service.slice_topic is not None else []
        splitting = [threading.Thread(target=splitter.run_until, args=(stop,)) for splitter in beside]
        for thread in splitting:
            thread.start()
        Worker(service, place, vitals).run_until(stop)
        for thread in splitting:
            thread.join()
    vitals.close()


def _paused(service: Service[Any], pause_ms: float) -> Service[Any]:
    def step(state: Any, tick: SealedTick) -> Step[Any]:
        time.sleep(pause_ms / 1_000)
        return service.step(state, tick)

    return replace(service, step=step) if pause_ms else service


def _service(name: str) -> Service[Any]:
    """One of this room's, else of the catalogue, whose kernels only those load that need them."""
    if name in SERVICES:
        return SERVICES[name]
    from worldtick.cli.catalogue import catalogue

    return catalogue()[name]


if __name__ == "__main__":
    main()
